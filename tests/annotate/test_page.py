"""The page in a real browser: keys and mouse, what is on disk, and that data stay data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EVIL = [
    "<script>window.pwned = 1</script>", "<img src=x onerror='window.pwned = 2'>", "<svg onload=window.pwned=3>", "</p></article><script>window.pwned=4</script>",
    "javascript:window.pwned=5", "<iframe srcdoc='<script>parent.pwned=6</script>'></iframe>", "\u202ereversed\u0000\u0007", "{{constructor.constructor('window.pwned=7')()}}",
    "<style>* { display: none !important }</style>", "' onmouseover='window.pwned=8", '"><b>bold</b>', "<a href='https://example.org'>x</a>",
]  # fmt: skip


def lines(session: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in session.answers.path.read_text(encoding="utf-8").splitlines()]


def opened(browser: Any, server: Any) -> None:
    browser.logs()
    browser.open(server.address)
    browser.wait(lambda: browser.text("#row") and browser.text("#count"), "the first row")
    browser.idle()
    if browser.js("return document.querySelector('#guide').open"):
        browser.press("Escape")


def test_classes_with_keys_alone(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    session = begin(mail, "topic")
    with serve(session) as server:
        browser.open(server.address)
        browser.wait(lambda: browser.js("return document.querySelector('#guide').open"), "guidelines open at the start")
        assert browser.text(".guide") == "spam: wants something of you.\nham: 其他。"
        assert browser.js("return location.hash") == ""
        browser.press("Escape")
        assert "免费 prize hello" in browser.text("#row")
        assert [browser.text(f"#classes button:nth-child({n})").split() for n in (1, 2)] == [["1", "spam"], ["2", "ham"]]
        browser.press("2")
        assert lines(session) == [{"item": "3", "worker": "ann", "answer": "ham"}]
        assert "saved" in browser.text("#said")
        assert browser.text("#count") == "1 of 3"
        browser.press("u")
        assert lines(session) == []
        assert "免费 prize hello" in browser.text("#row")
        browser.press("1", "s")
        assert [row["answer"] for row in lines(session)] == ["spam", None] or [row["answer"] for row in lines(session)] == [None, "spam"]
        # Back to an answered row: its answer is shown, and Enter goes on to what is left.
        browser.press("ArrowLeft", "ArrowLeft")
        assert browser.js("return document.querySelector('[aria-pressed=true]').dataset.class") == "spam"
        browser.press("Enter", "2")
        assert "Every row here is answered" in browser.text("#row")
        assert browser.text("#count") == "3 of 3"
        browser.press("u")
        assert browser.text("#count") == "2 of 3"
        assert browser.logs() == []


def test_search_and_help_and_agreement(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    bob = begin(mail, "topic", "--all", worker="bob")
    session = begin(mail, "topic", "--all", run=False)
    for n in range(3):
        bob.answer(n, {"answers": ["ham"]})
    with serve(session) as server:
        opened(browser, server)
        browser.press("/", *"世界")
        browser.wait(lambda: "你好，世界" in browser.text("#found"), "the row found")
        browser.press("Enter")
        browser.wait(lambda: "你好，世界" in browser.text("#row"), "the row shown")
        # A class can be searched for too: with many, keys run out.
        browser.press("/", *"ham")
        browser.wait(lambda: "answer with this class" in browser.text("#found"), "the class found")
        browser.press("Enter")
        browser.wait(lambda: {"item": "7", "worker": "ann", "answer": "ham"} in lines(session), "the answer")
        browser.idle()
        for n in range(2):
            session.answer(n, {"answers": ["ham" if n else "spam"]})
        browser.click("#show-agree")
        browser.wait(lambda: "Cohen" in browser.text("#agreed"), "the measures")
        shown = browser.text("#agreed")
        assert "Krippendorff" in shown
        assert "ann: spam · bob: ham" in shown
        browser.press("Escape", "?")
        assert "can’t say" in browser.text("#keys")
        browser.press("Escape")
        assert browser.logs() == []


def test_an_answer_that_could_not_be_kept_does_not_go_on(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    session = begin(mail, "topic")
    with serve(session) as server:
        opened(browser, server)
        before = browser.text(".text")
        session.answers.path.write_text("<<<<<<< HEAD\n")
        browser.press("1")
        assert "Not saved" in browser.text("#said")
        assert "git left a conflict" in browser.text("#said")
        assert browser.text(".text") == before
    browser.press("1")
    assert "does not answer" in browser.text("#said")
    assert browser.text(".text") == before


def test_without_the_token_the_page_shows_nothing(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    with serve(begin(mail, "topic")) as server:
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.wait(lambda: "address that recipec annotate printed" in browser.text("#row"), "the refusal")
        browser.open(f"http://127.0.0.1:{server.port}/#wrong")
        browser.wait(lambda: "the token is missing or wrong" in browser.text("#row"), "the refusal")
        assert "prize" not in browser.text("body")


def test_another_page_cannot_ask_or_answer(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    """A page of another origin, which even knows the token, gets nothing and changes nothing."""
    victim, attacker = begin(mail, "topic"), begin(mail, "topic", run=False, worker="eve")
    attacker.answers = type(attacker.answers)(attacker.answers.path.parent / "eve.jsonl")
    with serve(victim) as server, serve(attacker) as other:
        # Without its policy, which would keep the attacker's own page from trying.
        other.policy = "default-src * 'unsafe-inline'"
        browser.open(f"http://127.0.0.1:{other.port}/")
        said = browser.js(
            """
            const [address, token] = arguments, said = [];
            const attempt = async (path, options) => {
              try { const r = await fetch(address + path, options); said.push(r.type === "opaque" ? "opaque" : r.status); } catch { said.push("refused"); }
            };
            const body = '{"n": 0, "answers": ["spam"]}';
            return (async () => {
              await attempt("/api/state", {headers: {"X-Recipec-Token": token}});
              await attempt("/api/state", {mode: "no-cors"});
              await attempt("/api/answer", {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body});
              await attempt("/api/answer", {method: "POST", headers: {"X-Recipec-Token": token, "Content-Type": "application/json"}, body});
              return said;
            })();
            """,
            f"http://127.0.0.1:{server.port}",
            server.token,
        )
        assert said[0] == said[3] == "refused"
        assert set(said[1:3]) <= {"refused", "opaque"}
        assert lines(victim) == []


@pytest.mark.parametrize("votes", [False, True])
def test_markup_in_data_is_inert(browser: Any, lab: Any, begin: Any, serve: Any, votes: bool) -> None:
    """Everywhere: texts, lists, messages, names of columns, classes, keys, guidelines, people, votes."""
    rows = [
        {"id": e, "text": e * (1 + (n % 2)), "<i>col</i>": [e, "x"], "messages": [{"role": e, "content": e}]} for n, e in enumerate(EVIL)
    ]
    lab.write("pool.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    names = [e for e in EVIL if "\u0000" not in e]
    classes = ", ".join(json.dumps(e, ensure_ascii=False) for e in names)
    recipe = f'''
recipe "r" {{ version: "1.0.0" }}
source pool = jsonl("pool.jsonl") {{ key: id }}
label topic from pool {{
  classes: [{classes}]
  when length(text) > 20 => {json.dumps(names[0])} as one
  when length(text) > 30 => {json.dumps(names[1])} as two
  guidelines: """{" ".join(EVIL[:6])}"""
}}
'''
    session = begin(recipe, "topic", "--all", *(["--show-votes"] if votes else []), worker=EVIL[1])
    other = begin(recipe, "topic", "--all", run=False, worker=EVIL[0])
    with serve(session) as server:
        browser.logs()
        browser.open(server.address)
        browser.wait(lambda: browser.js("return document.querySelector('#guide').open"), "guidelines")
        assert browser.text(".guide") == " ".join(EVIL[:6])
        browser.press("Escape")
        for n in range(len(rows)):
            other.answer(n, {"answers": [names[1]]})
            item = session.queue.items[n][0]
            if "\u0000" not in item:
                browser.wait(lambda item=item: item in browser.js("return document.querySelector('.where').textContent"), "the row")
            browser.press("1")
        browser.click("#show-agree")
        browser.wait(lambda: browser.text("#agreed li"), "the differences")
        assert browser.text("#agreed li").count("onerror") >= 1
        browser.press("Escape", "/", *"<s")
        browser.wait(lambda: browser.text("#found li"), "something found")
        browser.press("Escape")
        assert browser.js("return window.pwned") is None
        assert browser.js(
            "return document.querySelectorAll('main img, main iframe, main script, main svg, main style, main a, main b:not(.where b), main i').length"
        ) <= len(browser.js("return [...document.querySelectorAll('main .turn b')].map(() => 1)"))
        assert browser.js("return document.scripts.length") == 1
        assert browser.logs() == []


def test_the_policy_stops_script_even_if_markup_got_in(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    with serve(begin(mail, "topic")) as server:
        opened(browser, server)
        browser.js(
            "document.querySelector('#row').innerHTML = '<img src=x onerror=\"window.pwned = 1\"><iframe srcdoc=\"<script>parent.pwned=2<\\/script>\"></iframe>'"
        )
        browser.js("const s = document.createElement('script'); s.textContent = 'window.pwned = 3'; document.body.append(s)")
        assert browser.js("return fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
        assert browser.js("return window.pwned") is None
        assert any("Content Security Policy" in entry for entry in browser.logs())


TAGS = """
recipe "r" { version: "1.0.0"  language: ["zh"] }
source news = jsonl("news.jsonl") { key: id }
label entities from news {
  tags: ["PER", "LOC", "ORG"]
  vote pattern(r/Nobody/, tag: "PER")
}
"""
NEWS = [{"id": 1, "tokens": ["Ada", "Lovelace", "visits", "北", "京", "大", "学"]}, {"id": 2, "tokens": ["<b>", "x"]}]


def test_marking_tokens_with_keys_and_mouse(browser: Any, lab: Any, begin: Any, serve: Any, tmp_path: Path) -> None:
    lab.write("news.jsonl", "".join(json.dumps(r) + "\n" for r in NEWS))
    session = begin(TAGS, "entities", "--rows", "id = 1")
    with serve(session) as server:
        opened(browser, server)
        # Chinese stands without spaces, English with them.
        assert browser.text("#tokens") == "Ada Lovelace visits 北京大学"
        browser.press("ArrowRight", shift=True)
        assert browser.js("return [...document.querySelectorAll('.tok.sel')].map((t) => t.textContent)") == ["Ada", "Lovelace"]
        browser.press("1")
        assert browser.js("return document.querySelector('.mark').dataset.tag") == "PER"
        browser.drag("[data-i='3']", "[data-i='4']")
        browser.press("2")
        # A longer mark takes the place of what it covers; the same again takes it away.
        browser.drag("[data-i='3']", "[data-i='6']")
        browser.press("3")
        assert browser.js("return [...document.querySelectorAll('.mark')].map((m) => [m.dataset.tag, m.textContent])") == [
            ["PER", "Ada Lovelace"], ["ORG", "北京大学"],
        ]  # fmt: skip
        assert lines(session) == []
        browser.press("Enter")
        assert lines(session) == [{"item": "1", "worker": "ann", "spans": [[0, 2, "PER"], [3, 7, "ORG"]], "tokens": 7}]
        browser.press("u")
        assert lines(session) == []
        assert browser.text("#tokens") == "Ada Lovelace visits 北京大学"
        assert browser.logs() == []


def test_marks_are_kept_taken_away_and_undone(browser: Any, lab: Any, begin: Any, serve: Any) -> None:
    lab.write("news.jsonl", "".join(json.dumps(r) + "\n" for r in NEWS))
    session = begin(TAGS, "entities", "--rows", "id = 1")
    session.answer(0, {"spans": [[0, 2, "PER"]]})
    with serve(session) as server:
        opened(browser, server)
        assert "Every row here is answered" in browser.text("#row")
        browser.press("/", *"Lovelace")
        browser.wait(lambda: browser.text("#found li button"), "the row found")
        browser.press("Enter")
        browser.wait(lambda: browser.text("#tokens"), "the row")
        assert browser.js("return document.querySelector('.mark').textContent") == "Ada Lovelace"
        browser.press("Backspace", "Enter")
        assert lines(session)[0]["spans"] == []


def test_a_phone_and_a_keyboard_of_another_script(browser: Any, begin: Any, mail: str, serve: Any, tmp_path: Path) -> None:
    session = begin(mail, "topic")
    with serve(session) as server:
        opened(browser, server)
        browser.call(
            "POST",
            f"{browser.session}/goog/cdp/execute",
            {"cmd": "Emulation.setDeviceMetricsOverride", "params": {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}},
        )
        try:
            assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
            sizes = browser.js(
                "return [...document.querySelectorAll('main button:not([hidden])')].map((b) => b.getBoundingClientRect().height)"
            )
            assert min(sizes) >= 40
            # What an input method takes is known by the key's place.
            browser.js("dispatchEvent(new KeyboardEvent('keydown', {key: 'Process', code: 'Digit2', bubbles: true}))")
            browser.wait(lambda: lines(session), "the answer")
            browser.idle()
            browser.click("#classes button:nth-child(1)")
            assert len(lines(session)) == 2
        finally:
            browser.call("POST", f"{browser.session}/goog/cdp/execute", {"cmd": "Emulation.clearDeviceMetricsOverride", "params": {}})


def test_everything_can_be_reached_and_has_a_name(browser: Any, begin: Any, mail: str, serve: Any) -> None:
    with serve(begin(mail, "topic")) as server:
        opened(browser, server)
        unnamed = browser.js(
            "return [...document.querySelectorAll('button, input, [role]')].filter((e) => !(e.getAttribute('aria-label') || e.innerText || e.textContent.trim() || "
            "e.labels?.length || e.getAttribute('role') === 'status')).map((e) => e.outerHTML)"
        )
        assert unnamed == []
        browser.wait(lambda: browser.js("return document.activeElement.id") == "row", "the row has the focus")
        assert browser.js("return document.documentElement.lang") == "en"
        assert browser.js("return document.querySelector('.text').dir") == "auto"
