"""Entity metrics against seqeval, on sequences of any tags."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.metrics._data import tag_data
from recipec.metrics._entities import detect
from recipec.metrics.tables import entity_table, token_table
from recipec.registry import find
from recipec.report.scores import classification_report

seqeval = pytest.importorskip("seqeval.metrics")
schemes = pytest.importorskip("seqeval.scheme")
sk = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.filterwarnings("ignore")


def score(name: str, data: Any, **params: Any) -> float:
    cls = find("metric", name)
    return float(cls(cls.Params(**params)).compute(data))


TYPES = ["PER", "LOC", "地名"]
ALPHABETS = {
    "iob1": ["O", *(f"{x}-{t}" for x in "BI" for t in TYPES)],
    "iob2": ["O", *(f"{x}-{t}" for x in "BI" for t in TYPES)],
    "ioe2": ["O", *(f"{x}-{t}" for x in "IE" for t in TYPES)],
    "iobes": ["O", *(f"{x}-{t}" for x in "BIES" for t in TYPES)],
    "bilou": ["O", *(f"{x}-{t}" for x in "BILU" for t in TYPES)],
}
WILD = [*ALPHABETS["iobes"], "B", "I", "E", "S", "L-PER", "U-LOC", "PER", "X", "B-", "I-a-b", "O-PER", ".", "-"]


def layout(report: str) -> object:
    """To the letter; with Chinese names, which take two cells each here and one there, word by word."""
    report = re.sub(r"  (\s*\d+)\.0$", r"    \1", report, flags=re.M)  # scikit-learn 1.9 prints counts so
    return report if report.isascii() else [line.split() for line in report.splitlines()]


@st.composite
def tagged(draw: st.DrawFn, alphabet: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    lengths = draw(st.lists(st.integers(0, 8), min_size=1, max_size=5))
    one = st.sampled_from(alphabet)
    gold = [draw(st.lists(one, min_size=n, max_size=n)) for n in lengths]
    guess = [draw(st.lists(one, min_size=n, max_size=n)) for n in lengths]
    return gold, guess


def agree(gold: list[list[str]], guess: list[list[str]], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    data = tag_data(gold, guess)
    for name in ("precision", "recall", "f1"):
        reference = getattr(seqeval, f"{name}_score")
        assert score(name, data, average="micro", **ours) == pytest.approx(reference(gold, guess, **theirs), abs=1e-9)
        for average in ("macro", "weighted"):
            try:
                value = float(reference(gold, guess, average=average, **theirs))
            except (ValueError, ZeroDivisionError):
                continue  # seqeval cannot average no types at all
            if not math.isnan(value):
                assert score(name, data, average=average, **ours) == pytest.approx(value, abs=1e-9)


@given(tagged(WILD))
@settings(deadline=None, max_examples=100)
def test_any_tags_in_the_default_mode(rows: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, guess = rows
    agree(gold, guess, {}, {})
    if any(gold):
        assert score("accuracy", tag_data(gold, guess)) == pytest.approx(seqeval.accuracy_score(gold, guess), abs=1e-9, nan_ok=True)


@given(tagged(WILD))
@settings(deadline=None, max_examples=50)
def test_the_report_is_seqevals(rows: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, guess = rows
    data = tag_data(gold, guess)
    assume(entity_table(data).lines)
    assert layout(classification_report(entity_table(data)) + "\n") == layout(seqeval.classification_report(gold, guess))
    assert layout(classification_report(entity_table(data), 4) + "\n") == layout(seqeval.classification_report(gold, guess, digits=4))


@pytest.mark.parametrize("name", ALPHABETS)
def test_strict_modes(name: str) -> None:
    @given(tagged(ALPHABETS[name]))
    @settings(deadline=None, max_examples=50)
    def check(rows: tuple[list[list[str]], list[list[str]]]) -> None:
        scheme = getattr(schemes, name.upper())
        agree(*rows, {"strict": True, "scheme": name}, {"mode": "strict", "scheme": scheme})
        table = entity_table(tag_data(*rows), True, name)  # type: ignore[arg-type]
        if table.lines:
            theirs = seqeval.classification_report(*rows, mode="strict", scheme=scheme)
            assert layout(classification_report(table) + "\n") == layout(theirs)

    check()


@given(tagged([t[2:] + t[1] + t[0] if len(t) > 1 else t for t in ALPHABETS["iobes"]]))
@settings(deadline=None, max_examples=30)
def test_suffixes(rows: tuple[list[list[str]], list[list[str]]]) -> None:
    agree(*rows, {"suffix": True}, {"suffix": True})
    agree(*rows, {"suffix": True, "strict": True, "scheme": "iobes"}, {"suffix": True, "mode": "strict", "scheme": schemes.IOBES})


@pytest.mark.parametrize("name", ["iob2", "ioe2", "iobes", "bilou"])
def test_the_scheme_is_found_as_seqeval_finds_it(name: str) -> None:
    @given(tagged(ALPHABETS[name]))
    @settings(deadline=None, max_examples=30)
    def check(rows: tuple[list[list[str]], list[list[str]]]) -> None:
        try:
            theirs = schemes.auto_detect(rows[0]).__name__.lower()
        except ValueError:
            return
        assert detect(rows[0]) == theirs

    check()


def test_strict_does_not_count_what_is_malformed() -> None:
    data = tag_data([["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]])
    assert score("f1", data) == 1.0
    assert score("f1", data, strict=True) == 0.0
    cls = find("metric", "f1")
    assert "1 predicted I- tags continue nothing" in "; ".join(cls().score(data).notes)
    with pytest.raises(DataError, match="none of the scheme IOB"):
        score("f1", tag_data([["B-PER"]], [["E-PER"]]), strict=True)
    with pytest.raises(DataError, match="no known scheme: 'X-PER'"):
        score("f1", tag_data([["X-PER"]], [["O"]]), strict=True)


def test_one_type() -> None:
    data = tag_data([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]])
    assert score("f1", data, positive="PER") == 1.0
    assert score("recall", data, positive="LOC") == 0.0
    assert score("f1", data, positive="ORG") == 0.0


def test_lengths_and_nulls() -> None:
    data = tag_data([["B-PER", "I-PER"], None, ["O", None], ["O"]], [["B-PER"], ["O"], None, ["O", "B-LOC"]])
    assert data.left_out == {"gold is null": 1}
    assert data.predicted == [["B-PER", "O"], ["O", "O"], ["O"]]
    said = "; ".join(data.notes)
    assert "2 rows with fewer predicted tags than tokens" in said
    assert "1 row with more predicted tags" in said
    assert "1 gold tags are null" in said


def test_no_entities_at_all() -> None:
    got = find("metric", "f1")().score(tag_data([["O", "O"]], [["O", "O"]]))
    assert got.value == 0.0
    assert "no entities" in "; ".join(got.notes)


@given(tagged(ALPHABETS["iob2"]))
@settings(deadline=None, max_examples=50)
def test_tokens_as_rows(rows: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, guess = ([t for s in side for t in s] for side in rows)
    assume(gold)
    data = tag_data(*rows)
    assert layout(classification_report(token_table(data)) + "\n") == layout(sk.classification_report(gold, guess, zero_division=0))
    tags = sorted({*gold, *guess} - {"O"})
    if tags:
        theirs = sk.classification_report(gold, guess, labels=tags, zero_division=0)
        ours = classification_report(token_table(data, outside=False)) + "\n"
        if "micro avg" in theirs:
            assert layout(ours) == layout(theirs)
