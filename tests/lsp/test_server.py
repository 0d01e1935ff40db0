"""A whole session with the server, as an editor has it; what was said is kept in ``session.md``, for people to read.

``RECIPEC_WRITE=1 pytest tests/lsp`` writes the file anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")

SESSION = Path(__file__).with_name("session.md")
SHOP = "shop.recipe"


class Transcript:
    """What the editor did and what it saw, in words."""

    def __init__(self, client: Any) -> None:
        self.client, self.file = client, SHOP
        self.lines = ["# A session with the language server", "", "Written by `test_server.py`: what the editor did, and what it saw."]

    def did(self, text: str) -> None:
        self.lines += ["", f"> {text}", ""]

    def saw(self, *lines: str) -> None:
        self.lines += [f"    {line}".rstrip() for text in lines for line in text.splitlines()] or ["    nothing"]

    def findings(self, found: list[Any]) -> None:
        for d in found:
            start = d["range"]["start"]
            self.saw(f"{start['line'] + 1}:{start['character'] + 1} {d['code']}: {d['message']}")
        if not found:
            self.saw("no findings")

    def offers(self, words: str, count: int = 8) -> None:
        answer = self.client.ask("textDocument/completion", **self.client.at(self.file, words))
        typed = re.search(r"(\w*)\|", words)
        assert typed is not None
        fitting = [i for i in answer["items"] if i["label"].startswith(typed[1])]
        items = sorted(fitting, key=lambda i: i["sortText"])
        self.did(f"complete at `{shown(words)}`")
        for item in items[:count]:
            self.saw(f"{item['label']:<14} {item.get('detail') or ''}")

    def hover(self, words: str, lines: int = 14) -> None:
        answer = self.client.ask("textDocument/hover", **self.client.at(self.file, words))
        self.did(f"hover at `{shown(words)}`")
        self.saw(*(answer["contents"]["value"].splitlines()[:lines] if answer else []))


def shown(words: str) -> str:
    return words.replace("\n", "⏎")


def test_a_session(client: Any) -> None:
    made = Transcript(client)
    made.did("open shop.recipe")
    made.findings(client.open(SHOP))
    made.did("type `dedup(body)`")
    made.findings(client.edit(SHOP, "dedupe(body)", "dedup(body)"))
    made.did("ask for code actions")
    actions = client.ask("textDocument/codeAction", **everything(client), context={"diagnostics": []})
    made.saw(*(f"{a['kind']}: {a['title']}" for a in actions))
    made.did("apply the fix")
    made.findings(client.edit(SHOP, "dedup(body)", actions[0]["edit"]["changes"][client.uri(SHOP)][0]["newText"] + "(body)"))

    made.did("leave a bracket open")
    made.findings(client.edit(SHOP, "upper(body)", "upper(body"))
    client.edit(SHOP, "upper(body", "upper(body)")

    for words in ("clean ti|dy", "squeeze_sp|ace", "文|本 = ", "split fi|nal", "key: tick|et }\n\n#", "common.o|dd"):
        made.hover(words, 9)
    client.change(SHOP, "  dedupe(body)\n", "  dedupe(body)\n  \n")
    made.offers("dedupe(body)\n  |\n}", 12)
    client.change(SHOP, "dedupe(body)\n  \n", "dedupe(body, keep: )\n")
    made.offers("keep: |)")
    client.change(SHOP, "keep: )\n", "near: 85%)\n  keep where \n")
    made.offers("keep where |\n", 10)
    client.change(SHOP, "keep where \n", "keep where levens\n")
    made.offers("keep where levens|\n", 3)
    client.change(SHOP, "  keep where levens\n", "")
    client.change(SHOP, "from final.train", "from ")
    made.offers("export out from |")
    client.change(SHOP, "export out from ", "export out from final.train")
    made.did("what does `dedupe` take?")
    help = client.ask("textDocument/signatureHelp", **client.at(SHOP, "dedupe(body, near: 8|5%)"))
    made.saw(help["signatures"][0]["label"], f"now: {help['signatures'][0]['parameters'][help['activeParameter']]['label']}")

    for words in ("from ti|dy group", "common.o|dd", "sh|ort(body)"):
        made.did(f"definition and references of `{shown(words)}`")
        made.saw(*(f"defined at {spot(d)}" for d in client.ask("textDocument/definition", **client.at(SHOP, words))))
        uses = client.ask("textDocument/references", **client.at(SHOP, words), context={"includeDeclaration": False})
        made.saw(*(f"used at {spot(u)}" for u in uses))

    made.did("rename `tidy` to `mail`")
    with pytest.raises(AssertionError) as refused:
        client.ask("textDocument/rename", **client.at(SHOP, "clean ti|dy"), newName="mail")
    made.saw(str(refused.value))
    made.did("rename `tidy` to `干净`")
    edits = client.ask("textDocument/rename", **client.at(SHOP, "clean ti|dy"), newName="干净")["changes"]
    for uri, changes in sorted(edits.items()):
        made.saw(*(f"{uri.rpartition('/')[2]}:{e['range']['start']['line'] + 1}: {e['newText']}" for e in changes))

    made.did("outline")
    symbols = client.ask("textDocument/documentSymbol", textDocument={"uri": client.uri(SHOP)})
    for symbol in symbols:
        made.saw(f"{symbol['name']:<10} {symbol.get('detail') or ''}", *(f"  {c['name']}" for c in symbol["children"]))
    learns(made)
    made.did("say goodbye")
    made.saw(f"exit status {client.close()}")
    text = "\n".join(made.lines) + "\n"
    if os.environ.get("RECIPEC_WRITE"):
        SESSION.write_text(text, encoding="utf-8")
    # The docs of operators and functions change with them; what an editor is told of this recipe must not.
    assert known(text) == known(SESSION.read_text(encoding="utf-8")), "RECIPEC_WRITE=1 pytest tests/lsp, and read the difference"


LEARN = "learn.recipe"
LEARNS = """\
recipe "learn" { seed: 7 }
source rows = csv("mail.csv") { key: ticket  columns: { ticket: int, body: text } }
model lm = openai("qwen3-8b", base_url: "http://localhost:8000/v1")
template ask(body) \"\"\"Is this spam? {{ body }}\"\"\"
label topic from rows {
  classes: ["spam", "ham"]
  vote llm(lm, ask(body))
  when body matches r/win/i => "spam" as wins
  accept: confidence >= 80%
}
split parts from topic { train: 80%  test: 20%  stratify: topic }
augment wide from parts.train { copies: 1  typos(body, rate: 2%) }
select few from wide { take: 100  by: random() }
generate more from parts.train { with: lm  prompt: ask(body)  answer: { body: text } }
mix all from few, parts.train
repeat 2 as round {
  train clf from all { task: classify(body => topic)  base: scratch() }
  evaluate scores from parts.test { model: clf  metrics: [f1, accuracy] }
} until gain(scores.f1) < 1%
"""


def learns(made: Transcript) -> None:
    """The part of the session that labels, makes rows and trains."""
    client, made.file = made.client, LEARN
    made.did("open learn.recipe")
    made.findings(client.open(LEARN, LEARNS))
    for words in (
        "vote ll|m(",
        "accept: confi|dence",
        "ty|pos(",
        "sel|ect few",
        "wi|th: lm",
        "task: classi|fy",
        "until ga|in(",
        "scores.f|1)",
    ):
        made.hover(words, 5)
    made.did("write `expect f1 >= 90` into the evaluation")
    made.findings(client.edit(LEARN, "metrics: [f1, accuracy]", "metrics: [f1, accuracy]  expect f1 >= 90"))
    made.did("and a class that there is not")
    made.findings(client.edit(LEARN, '=> "spam" as wins', '=> "spma" as wins'))
    client.edit(LEARN, '=> "spma" as wins', '=> "spam" as wins')
    client.edit(LEARN, "  expect f1 >= 90", "")
    client.change(LEARN, "until gain(scores.f1) < 1%", "until scores.")
    made.offers("until scores.|", 8)
    client.change(LEARN, "until scores.", "until gain(scores.f1) < 1%")
    client.change(LEARN, "by: random()", "by: ")
    made.offers("by: | }")
    client.change(LEARN, "by: ", "by: random()")
    made.did("rename `lm` to `judge`")
    edits = client.ask("textDocument/rename", **client.at(LEARN, "model l|m"), newName="judge")["changes"]
    for uri, changes in sorted(edits.items()):
        made.saw(*(f"{uri.rpartition('/')[2]}:{e['range']['start']['line'] + 1}: {e['newText']}" for e in changes))


def known(text: str) -> list[str]:
    """The lines of a transcript that this recipe decides alone."""
    out: list[str] = []
    listing = False
    for line in text.splitlines():
        if line.startswith(">"):
            listing = "complete at" in line or "squeeze_sp" in line or "what does" in line
        if not listing and "operators:" not in line:
            out.append(line)
    return out


def everything(client: Any) -> dict[str, Any]:
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}
    return {"textDocument": {"uri": client.uri(SHOP)}, "range": whole}


def spot(location: Any) -> str:
    start = location["range"]["start"]
    return f"{location['uri'].rpartition('/')[2]}:{start['line'] + 1}:{start['character'] + 1}"


def labels(client: Any, words: str) -> list[str]:
    return [i["label"] for i in client.ask("textDocument/completion", **client.at(SHOP, words))["items"]]


def test_what_an_editor_is_promised(client: Any, shop: Path) -> None:
    assert client.abilities["positionEncoding"] == "utf-16"
    assert client.open(SHOP) == []

    # Positions count UTF-16 units: the emoji before the finding is two of them.
    found = client.edit(SHOP, "drop where short(body)", 'drop where body == "🏕🏕" and shorr(body)')
    [unknown] = [d for d in found if d["code"] == "unknown-function"]
    start, end = unknown["range"]["start"], unknown["range"]["end"]
    units = client.texts[SHOP].split("\n")[start["line"]].encode("utf-16-le")
    assert units[2 * start["character"] : 2 * end["character"]].decode("utf-16-le").startswith("shorr")
    assert client.edit(SHOP, "shorr(body)", "short(body)") == []

    # Completion knows columns that the step itself makes, in the order of its statements, even where the text is broken.
    client.change(SHOP, "  dedupe(body)\n}", "  dedupe(body)\n  new = 文\n")
    assert "文本" in labels(client, "new = 文|")
    client.change(SHOP, "  dedupe(body)\n  new = 文\n", "  dedupe(body)\n}")
    client.change(SHOP, "  body = body |>", "  zuerst = \n  body = body |>")
    assert "文本" not in labels(client, "zuerst = |\n")
    client.change(SHOP, "  zuerst = \n", "")
    client.change(SHOP, "train: 80%  test: 20%", "train: 80%  test: 20%  stratify: ")
    assert "文本" in labels(client, "stratify: |")
    client.change(SHOP, "  stratify: ", "")
    client.change(SHOP, "export out from final.train", "export out from final.")
    assert labels(client, "export out from final.|") == ["train", "test"]
    client.change(SHOP, "export out from final.", "export out from final.train")
    client.change(SHOP, 'csv("mail.csv")', 'csv("ma")')
    assert "mail.csv" in labels(client, 'csv("ma|")')
    client.change(SHOP, 'csv("ma")', 'csv("mail.csv")')
    client.change(SHOP, "sql counted", 'template ask(text, beispiel) """\n{{  }}\n"""\n\nsql counted')
    assert labels(client, "{{ | }}") == ["text", "beispiel"]
    client.change(SHOP, 'template ask(text, beispiel) """\n{{  }}\n"""\n\n', "")
    assert client.edit(SHOP, "at: jsonl() }", "at: jsonl() } ") == []

    # Formatting gives edits of lines that leave nothing to do.
    whole = {"textDocument": {"uri": client.uri(SHOP)}, "options": {"tabSize": 2, "insertSpaces": True}}
    edits = client.ask("textDocument/formatting", **whole)
    from recipec.source import Source
    from recipec.syntax.format import format_source

    assert client.applied(SHOP, edits) == format_source(Source(SHOP, client.texts[SHOP]))

    folds = client.ask("textDocument/foldingRange", textDocument={"uri": client.uri(SHOP)})
    lines = client.texts[SHOP].split("\n")
    assert any(lines[f["startLine"]].startswith("clean tidy") for f in folds)
    data = client.ask("textDocument/semanticTokens/full", textDocument={"uri": client.uri(SHOP)})["data"]
    legend = client.abilities["semanticTokensProvider"]["legend"]["tokenTypes"]
    coloured = colours(lines, data, legend)
    wanted = {"clean": "type", "tidy": "class", "文本": "variable", "dedupe": "method", "upper": "function", "least": "parameter"}
    assert set(wanted.items()) <= set(coloured)


def colours(lines: list[str], data: list[int], legend: list[str]) -> list[tuple[str, str]]:
    out, row, column = [], 0, 0
    for at in range(0, len(data), 5):
        down, right, width, kind, _ = data[at : at + 5]
        row, column = row + down, right if down else column + right
        out.append((lines[row].encode("utf-16-le")[2 * column : 2 * (column + width)].decode("utf-16-le"), legend[kind]))
    return out


def test_an_import_that_is_open_is_seen_as_it_is_written(client: Any) -> None:
    client.open("user.recipe")
    client.open(SHOP)
    client.edit(SHOP, "文本 = upper(body)", "文本 = uper(body)")
    user = client.uri("user.recipe")
    message = client.wait(lambda m: "params" in m and m["params"].get("uri") == user and m["params"]["diagnostics"])
    [found] = message["params"]["diagnostics"]
    assert found["message"].startswith("in shop.recipe: no function `uper`")
    assert found["range"]["start"] == {"line": 0, "character": 7}


def test_rows_of_the_last_run_are_shown(client: Any, shop: Path) -> None:
    from recipec.cli import main

    assert main(["run", str(shop / SHOP), "--color", "never"]) == 0
    client.open(SHOP)
    page = client.ask("textDocument/hover", **client.at(SHOP, "clean ti|dy"))["contents"]["value"]
    assert "last run: 3 → 1 rows (too short 🏕 0" in page or "last run: 3 → 2 rows" in page


ODD = ["", "\n", "clean", "clean a from", '"""', "{", "}", "clean a from b {\n  x =", "\ufeffclean a from b { }", "a\rb\r\nc"]


def test_any_text_is_answered_and_nothing_written(client: Any, shop: Path) -> None:
    before = sorted(p.name for p in shop.iterdir())
    for number, text in enumerate(ODD):
        name = f"odd{number}.recipe"
        client.open(name, text)
        end = {"line": text.count("\n"), "character": 3}
        document = {"uri": client.uri(name)}
        for method in ("completion", "hover", "signatureHelp", "definition"):
            client.ask(f"textDocument/{method}", textDocument=document, position=end)
        for method in ("documentSymbol", "foldingRange", "semanticTokens/full"):
            client.ask(f"textDocument/{method}", textDocument=document)
    assert client.close() == 0
    assert sorted(p.name for p in shop.iterdir()) == before


def test_without_pygls_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from recipec.cli import lsp, main

    monkeypatch.setattr(lsp, "find_spec", lambda name: None)
    assert main(["lsp"]) == 2
    assert "pip install 'recipec[lsp]'" in capsys.readouterr().err
