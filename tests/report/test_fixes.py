"""Fixes: which are chosen, and what texts become."""

from __future__ import annotations

from samples import OTHER, SOURCE, NoColumn, at

from recipec.diagnostics import Edit, Fix, replace_fix
from recipec.report.fixes import applied, chosen, difference
from recipec.source import Source

HERE = {SOURCE.path}


def mend(*pairs: tuple[str, str], safe: bool = True) -> NoColumn:
    edits = tuple(Edit(at(old), new) for old, new in pairs)
    return NoColumn(span=edits[0].span, message="m", fixes=(Fix("mend", edits, safe),))


def result(*findings: NoColumn, unsafe: bool = False) -> str:
    picked = chosen(findings, HERE, unsafe=unsafe)
    return applied(SOURCE.text, SOURCE.path, [e for _, edits in picked for e in edits])


def test_several_edits_keep_their_places() -> None:
    text = result(mend(("tidy", "neat"), ("descripton", "description")), mend(("foo", "f")))
    assert "clean neat from" in text
    assert "where description matches" in text
    assert "|> f(bar)" in text


def test_overlapping_fixes_wait_for_the_next_round() -> None:
    assert "A tidy" in result(mend(("clean", "A")), mend(("clean tidy", "B")))
    assert len(chosen([mend(("clean", "A")), mend(("clean tidy", "B"))], HERE, unsafe=False)) == 1


def test_the_same_fix_twice_is_made_once() -> None:
    findings = [mend(("descripton", "description")), mend(("descripton", "description"))]
    assert len(chosen(findings, HERE, unsafe=False)) == 2
    assert result(*findings).count("where description matches") == 1


def test_unsafe_fixes_are_asked_for() -> None:
    assert result(mend(("tidy", "neat"), safe=False)) == SOURCE.text
    assert "clean neat" in result(mend(("tidy", "neat"), safe=False), unsafe=True)


def test_other_files_are_left_alone() -> None:
    d = NoColumn(span=at("letters", OTHER), message="m", fixes=(replace_fix(at("letters", OTHER), "x"),))
    assert chosen([d], HERE, unsafe=True) == []


def test_insertions_at_one_place_do_not_meet() -> None:
    source = Source("a", "xy")
    make = [NoColumn(span=source.span(1, 1), message=str(i), fixes=(replace_fix(source.span(1, 1), str(i)),)) for i in range(2)]
    assert len(chosen(make, {"a"}, unsafe=False)) == 1


def test_difference_says_where_a_line_end_is_missing() -> None:
    assert difference("a\n", "a\n", "f") == ""
    shown = difference("a", "b\n", "f.recipe")
    assert shown == "--- f.recipe\n+++ f.recipe\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
