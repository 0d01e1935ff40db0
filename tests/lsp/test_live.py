"""What the language server finds is what ``recipec check`` finds, whatever was typed before, and it does not begin anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recipec.cli._analysis import analyse
from recipec.lsp.analysis import Desk, Document
from recipec.lsp.pieces import cut, recut
from recipec.registry import names
from recipec.source import Source
from recipec.syntax.parse import parse

TOP = Path(__file__).resolve().parents[2]
RECIPES = sorted((TOP / "recipes").glob("*.recipe"))
BAD = sorted((TOP / "tests" / "bad").glob("*.recipe"))

Found = set[tuple[str, int, int, str, str]]


def live(desk: Desk, document: Document) -> Found:
    out: Found = set()
    for d in desk.findings(document, desk.program(document)):
        place = desk.place(document, d.span)
        assert place is not None
        out.add((place[0].path, place[1], place[2], d.name, d.message))
    return out


def anew(path: str, text: str) -> Found:
    found = analyse(Source(path, text), {}, offline=False).findings.items
    found = [d for d in found if not type(d).__module__.startswith("recipec.lints")]  # these look in the pause
    return {(d.span.source.path, d.span.start, d.span.end, d.name, d.message) for d in found}


def typed(text: str, original: str, chance: random.Random) -> str:
    """The text after something that people do."""
    at = chance.randrange(len(text) + 1)
    match chance.randrange(5):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + chance.choice(["x", " ", '"', "{", "}", "(", ")", ",", "\n", '"""', "from ", ".", "#"]) + text[at:]
        case 2:
            end = text.find("\n", at)
            return text[:at] + text[end if end >= 0 else len(text) :]
        case 3:
            lines = text.split("\n")
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            return "\n".join(lines)
        case _:
            return original


@pytest.mark.parametrize("seed", range(2))
def test_after_every_edit_the_findings_are_those_of_a_check(seed: int) -> None:
    chance = random.Random(seed)
    for path in chance.sample(RECIPES + BAD, 6):
        original = text = path.read_text(encoding="utf-8")
        desk = Desk()
        document = desk.open(str(path), text)
        assert live(desk, document) == anew(str(path), text)
        for _ in range(3):
            text = typed(text, original, chance)
            desk.change(str(path), text)
            desk.program(document, quick=True)
            assert live(desk, document) == anew(str(path), text), text


def test_pieces_are_the_file() -> None:
    for path in RECIPES + BAD:
        source = Source(str(path), path.read_text(encoding="utf-8"))
        made, (file, problems) = cut(source), parse(source)
        assert "".join(p.source.text for p in made.pieces) == source.text
        assert made.file.items == file.items
        found = [(made.offset(d.span.source, d.span.start), d.name, d.message) for d in made.diagnostics]
        assert sorted(found, key=str) == sorted([(d.span.start, d.name, d.message) for d in problems], key=str), path.name


def test_an_edit_keeps_the_pieces_that_it_does_not_touch() -> None:
    text = "".join(f"clean s{n} from s{n + 1} {{\n  x = {n}\n}}\n\n" for n in range(50))
    before = cut(Source("x", text))
    after = recut(before, text.replace("x = 20\n", "x = 21\n"))
    assert sum(a is b for a, b in zip(before.pieces, after.pieces, strict=True)) == 49
    opened = recut(after, text.replace("x = 20\n", 'x = """\n'))
    closed = recut(opened, text)
    assert sum(p in before.pieces for p in closed.pieces) >= 48
    assert recut(before, "").file.items == ()


def test_a_comment_above_a_step_belongs_to_it() -> None:
    made = cut(Source("x", "clean a from b { }\n\n# about c\n# and more\nclean c from a { }\n"))
    assert [p.source.text for p in made.pieces] == ["clean a from b { }\n\n", "# about c\n# and more\nclean c from a { }\n"]


def test_steps_of_a_loop_may_stand_at_the_margin() -> None:
    text = "repeat 2 as r {\nclean a from b { }\nclean c from a { }\n}\n"
    made = cut(Source("x", text))
    assert made.whole
    assert made.diagnostics == []


def chain(steps: int) -> str:
    head = 'source s = csv("in.csv") { columns: { a: text } }\n\nclean t0 from s { }\n'
    return head + "".join(f'\nclean t{n} from t{n - 1} {{\n  a = trim(a)\n  drop where a == "{n}"\n}}\n' for n in range(1, steps))


def test_a_keystroke_binds_one_step(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\nx\n", encoding="utf-8")
    path, text = str(tmp_path / "x.recipe"), chain(12)
    desk = Desk()
    document = desk.open(path, text)
    desk.program(document)
    assert document.memory.bound == 13
    changes = [
        (text.replace('a == "5"', 'a == "five"'), 1, 0),  # rows: nothing below looks different
        (text.replace("  a = trim(a)\n", "  b = 1\n", 1), 1, 11),  # columns: what is below is bound in the pause
        (text.replace("from t3", "from t99", 1), 1, 8),
    ]
    for changed, at_once, later in changes:
        desk.change(path, changed)
        desk.program(document, quick=True)
        assert document.memory.bound <= at_once
        desk.program(document)
        assert document.memory.bound <= later
        desk.change(path, text)  # and back: all is remembered but the piece that was changed
        desk.program(document, quick=True)
        assert document.memory.bound <= 1
        desk.program(document)
        assert document.memory.bound == 0


@pytest.mark.parametrize(("old", "new", "finding"), [("param n", "param m", "unknown-column"), ("length(t) < n", "t", "wrong-type")])
def test_parameters_and_macros_reach_the_steps_that_mention_them(tmp_path: Path, old: str, new: str, finding: str) -> None:
    (tmp_path / "in.csv").write_text("a\nx\n", encoding="utf-8")
    text = 'param n: int = 1\ndef f(t) = length(t) < n\nsource s = csv("in.csv") { columns: { a: text } }\n'
    text += "clean c from s { keep where f(a) }\nclean d from s { limit(3) }\n"
    path = str(tmp_path / "x.recipe")
    desk = Desk()
    document = desk.open(path, text)
    assert live(desk, document) == set()
    changed = text.replace(old, new)
    desk.change(path, changed)
    found = live(desk, document)
    assert document.memory.bound == 1
    assert found == anew(path, changed)
    assert {name for *_, name, _ in found} == {finding}
    desk.change(path, text)
    assert live(desk, document) == set()


def test_a_changed_data_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\nx\n", encoding="utf-8")
    path, text = str(tmp_path / "x.recipe"), 'source s = csv("in.csv") { }\nclean c from s { keep where b == "x" }\n'
    desk = Desk()
    document = desk.open(path, text)
    assert {name for *_, name, _ in live(desk, document)} == {"unknown-column"}
    (tmp_path / "in.csv").write_text("a,b\nx,x\n", encoding="utf-8")
    desk.forget_files()
    assert live(desk, document) == set()


def test_lints_look_in_a_pause_and_move_with_the_text(tmp_path: Path) -> None:
    if "unused-step" not in names("lint"):
        pytest.skip("no lint of that name")
    (tmp_path / "in.csv").write_text("a\nx\n", encoding="utf-8")
    path = str(tmp_path / "x.recipe")
    text = 'source s = csv("in.csv") { }\nclean c from s { }\nclean d from s { }\nexport e from d { to: "e.csv"  format: csv() }\n'
    desk = Desk()
    document = desk.open(path, text)
    assert live(desk, document) == set()
    desk.lint(document)
    at = text.index("c from")
    assert {(start, name) for _, start, _, name, _ in live(desk, document)} == {(at, "unused-step")}
    desk.change(path, "# a line more\n" + text)
    assert {(start, name) for _, start, _, name, _ in live(desk, document)} == {(at + len("# a line more\n"), "unused-step")}
    desk.change(path, text.replace("clean c from s { }\n", ""))
    assert live(desk, document) == set()
