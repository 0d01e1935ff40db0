"""``profile``: what a step holds, and how its parts or groups differ."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Run

from recipec.cli import main
from recipec.report.profile_text import spark
from recipec.report.profile_texts import mask

SNAPSHOT = Path(__file__).with_name("profile_snapshot.txt")

RECIPE = """\
source notes = jsonl("notes.jsonl") { key: id  columns: { id: int, text: text, kind: text, n: float, empty: text } }
source chats = jsonl("chats.jsonl") { key: id }
source spans = jsonl("spans.jsonl") { key: id }
source odd = jsonl("odd.jsonl") { key: id  columns: { id: int, t: text } }
clean nothing from notes { keep where id < 0 as "no" }
split final from notes { train: 70%  test: 30%  stratify: kind }
"""
ENGLISH = ["please send the money back", "my card was lost in town", "where can I change my old card", "the rate is better than last week"]
CHINESE = ["请把我的钱退回来，谢谢。", "我的卡在城里丢了。", "在哪里可以换旧卡？"]


def note(i: int) -> dict[str, Any]:
    chinese = i % 4 == 3
    text = CHINESE[i // 4 % 3] if chinese else f"Dear bank, {ENGLISH[i % 3]} {'soon ' * (i % 7)}now. Kind regards."
    return {
        "id": i,
        "text": None if i == 50 else text,
        "kind": "complaint" if chinese or i % 9 == 0 else "question",
        "n": i / 8,
        "empty": None,
    }


ODD = ["😀😀 👍🏽", "שלום עולם", "\u202eevil\u202c \x1b[31mred", "", None, "مرحبا", "   \u3000", "word " * 40_000]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")

    write("notes.jsonl", [note(i) for i in range(240)])
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello there you"},
        {"role": "assistant", "content": "Hi"},
    ]
    write("chats.jsonl", [{"id": i, "messages": messages[i % 2 :]} for i in range(6)])
    tags = ["O", "B-person", "I-person", "B-place", "O", "I-place"]
    write("spans.jsonl", [{"id": i, "tags": tags[: i + 1], "at": {"x": i, "note": "so it is"}} for i in range(6)])
    write("odd.jsonl", [{"id": i, "t": t} for i, t in enumerate(ODD)])
    (folder / "desk.recipe").write_text(RECIPE, encoding="utf-8")
    here = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["run"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def at_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COLUMNS", "80")
    return desk


def report(recipec: Run, *words: str) -> dict[str, Any]:
    done = recipec("profile", *words, "--format", "json")
    assert done.status == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def column(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in found["columns"] if c["name"] == name)


def test_the_terminals_text(recipec: Run, at_desk: Path) -> None:
    """What a person sees, whole; RECIPEC_SNAPSHOT=1 writes it anew, to be read before it is committed."""
    shown = "".join(recipec("profile", *words).out for words in (["notes"], ["final"], ["chats"], ["spans"]))
    if os.environ.get("RECIPEC_SNAPSHOT"):
        SNAPSHOT.write_text(shown, encoding="utf-8")
    assert shown == SNAPSHOT.read_text(encoding="utf-8")


def test_facts_of_columns(recipec: Run, at_desk: Path) -> None:
    found = report(recipec, "notes")
    assert (found["step"], found["rows"], found["sample"], found["groups"]) == ("notes", 240, None, None)
    assert {c["name"]: c["kind"] for c in found["columns"]} == {
        "id": "number",
        "text": "text",
        "kind": "class",
        "n": "number",
        "empty": "text",
    }
    text = column(found, "text")
    assert (text["nulls"], text["empty"]) == (1, 0)
    assert text["copies"] == 239 - text["distinct"]
    assert [(x["language"], x["rows"]) for x in text["languages"][:2]] == [("en", 179), ("zh", 60)]
    assert [s["script"] for s in text["scripts"]] == ["Latin", "Han"]
    assert text["openings"]["top"][0] | {"share": 0} == {"text": "Dear bank, my card", "rows": 60, "share": 0}
    kind = column(found, "kind")
    assert [(c["value"], c["rows"]) for c in kind["classes"]] == [("question", 159), ("complaint", 81)]
    assert kind["balance"]["ratio"] == pytest.approx(159 / 81)
    assert column(found, "empty")["nulls"] == 240
    assert {"column": "empty", "what": "all null", "text": "no row has a value"} in found["findings"]


def test_groups_by_language(recipec: Run, at_desk: Path) -> None:
    """A class that goes with a language is told, with its counts and how sure it is."""
    found = report(recipec, "notes", "--by", "language(text)")["groups"]
    assert {s["group"]: s["rows"] for s in found["sizes"]} == {"en": 179, "zh": 60, "(null)": 1}
    assert [s["few"] for s in found["sizes"]] == [False, False, True]
    kinds = next(c for c in found["columns"] if c["name"] == "kind")["classes"]
    assert kinds["association"]["v"] > 0.7
    assert kinds["association"]["p"] < 1e-10
    assert kinds["too_few"] == ["(null)"]
    top = kinds["different"][0]
    assert (top["group"], top["size"], top["of"]) == ("en", "large", 179)
    assert {(d["group"], d["value"], d["rows"]) for d in kinds["different"]} == {
        ("en", "complaint", 21), ("en", "question", 158), ("zh", "complaint", 60), ("zh", "question", 0),
    }  # fmt: skip
    text = next(c for c in found["columns"] if c["name"] == "text")
    assert text["lengths"]["groups"][1]["delta"] == -1
    assert text["lengths"]["groups"][2]["delta"] is None
    assert {"dear", "bank"} <= {w["word"] for w in text["words"][0]["words"]}


def test_parts_stand_side_by_side(recipec: Run, at_desk: Path) -> None:
    found = report(recipec, "final")["groups"]
    assert found["by"] == "part"
    assert [(s["group"], s["rows"]) for s in found["sizes"]] == [("train", 168), ("test", 72)]
    text = next(c for c in found["columns"] if c["name"] == "text")
    assert all(n > 0 for n in text["overlap"])
    assert report(recipec, "final.test")["rows"] == 72


def test_numbers_make_quarters(recipec: Run, at_desk: Path) -> None:
    sizes = report(recipec, "notes", "--by", "n", "--column", "kind")["groups"]["sizes"]
    assert [s["rows"] for s in sizes] == [60, 60, 60, 60]


def test_conversations_and_tags(recipec: Run, at_desk: Path) -> None:
    chat = column(report(recipec, "chats"), "messages")
    assert {r["role"]: r["messages"] for r in chat["roles"]} == {"user": 6, "assistant": 6, "system": 3}
    assert chat["openings"]["top"][0]["text"] == "Hello there you Hi".replace(" Hi", "\n\nHi")
    tags = report(recipec, "spans")
    assert column(tags, "at.x")["kind"] == "number"
    entities = column(tags, "tags")["entities"]
    assert {t["type"]: t["count"] for t in entities["types"]} == {"person": 5, "place": 4}
    assert entities["rows_without"] == 1


def test_odd_texts_and_no_rows(recipec: Run, at_desk: Path) -> None:
    found = column(report(recipec, "odd"), "t")
    assert (found["nulls"], found["empty"], found["read"]["cut"]) == (1, 2, 1)
    assert found["words"]["max"] == 40_000
    assert {"Hebrew", "Arabic", "Latin"} == {s["script"] for s in found["scripts"]}
    done = recipec("profile", "odd", "--by", "t")
    assert done.status == 0
    assert "\x1b[31m" not in done.out
    assert "\u202e" not in done.out
    assert recipec("profile", "nothing").out.splitlines()[-1] == "no rows; recipec show nothing --dropped says where they went"
    assert report(recipec, "nothing", "--by", "kind")["groups"]["sizes"] == []


def test_personal_data_is_masked(recipec: Run, lab_folder: Path) -> None:
    values = ["joe.smith@example.org", "13812345678", "11010519491231002X", "4111 1111 1111 1111", "8.8.8.8", "https://example.com/u/joe"]
    rows = "".join(json.dumps({"id": i, "t": f"so: {v} , it is"}) + "\n" for i, v in enumerate(values))
    (lab_folder / "a.jsonl").write_text(rows, encoding="utf-8")
    (lab_folder / "a.recipe").write_text('source a = jsonl("a.jsonl") { key: id }\n', encoding="utf-8")
    assert recipec("run").status == 0
    found = recipec("profile", "a", "--pii", "--format", "json").out
    kinds = {x["kind"]: (x["count"], x["rows"]) for x in column(json.loads(found), "t")["pii"]}
    assert kinds == dict.fromkeys(("email", "phone", "id", "card", "ip", "url"), (1, 1))
    shown = recipec("profile", "a", "--pii").out
    section = shown[shown.index("personal data") :]
    for value in values:
        assert value not in section
    assert "j***@e***.org" in section


@pytest.fixture
def lab_folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("value", ["a@b.co", "1", "13812345678", "abc", "4111111111111111"])
def test_masks_hide_most(value: str) -> None:
    masked = mask("email" if "@" in value else "card", value)
    assert sum(c.isalnum() for c in masked) <= max(2, len(value) // 4)
    assert masked != value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["note"], "no step `note`; did you mean `notes`?"),
        (["notes", "--column", "txt"], "no column `txt`; did you mean `text`?"),
        (["notes", "--by", "kid"], "no column `kid`; did you mean `kind`?"),
        (["notes", "--by", "language(n)"], "`n` is no text: it has no language"),
        (["spans", "--by", "tags"], "rows cannot be divided by it"),
        (["notes", "--sample", "-1"], "out of range: at least 0"),
        (["notes", "--format", "jsn"], "did you mean json?"),
    ],
)
def test_wrong_use(recipec: Run, at_desk: Path, words: list[str], message: str) -> None:
    done = recipec("profile", *words)
    assert done.status == 2
    assert message in done.err


def test_nothing_built(recipec: Run, tmp_path: Path) -> None:
    done = recipec("profile", "tidy")
    assert (done.status, "nothing is built yet" in done.err) == (2, True)


def test_samples_are_chosen_by_key(recipec: Run, at_desk: Path) -> None:
    found = report(recipec, "notes", "--sample", "40")
    assert (found["sample"], found["rows"]) == (40, 240)
    text = column(found, "text")
    assert text["read"]["rows"] in (39, 40)
    assert text["nulls"] == 1
    assert found == report(recipec, "notes", "--sample", "40")
    assert "in 40 of the rows" in recipec("profile", "notes", "--sample", "40").out


def test_same_whatever_the_threads(recipec: Run, at_desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import recipec.workspace.database as database

    first, opened = report(recipec, "notes", "--by", "kind"), database.open_workspace
    monkeypatch.setattr(database, "open_workspace", lambda *args, **options: opened(*args, **options, threads=1))
    assert report(recipec, "notes", "--by", "kind") == first


def test_bars() -> None:
    assert spark([0, 1, 50, 100]) == " ▁▄█"
    assert spark([0, 1, 100], unicode=False) == " .@"
    assert spark([]) == ""


def test_lines_fit(recipec: Run, at_desk: Path) -> None:
    from recipec.report.cells import width

    for words in (["notes"], ["final"], ["notes", "--by", "kind"]):
        assert max(map(width, recipec("profile", *words).out.splitlines())) <= 80
