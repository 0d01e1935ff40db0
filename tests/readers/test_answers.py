"""What people answered, in files with faults: each is kept aside with its place and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from readers_harness import read

from recipec.api import DataError


def task(number: int, **annotation: Any) -> str:
    made = {"result": [{"type": "choices", "value": {"choices": ["x"]}}]} | annotation
    return json.dumps({"data": {"id": f"k{number}"}, "annotations": [{"completed_by": 1, **made}]})


def record(number: int, value: Any = "x") -> str:
    return json.dumps({"id": f"k{number}", "responses": {"label": [{"user_id": "u", "value": value}]}})


@pytest.mark.parametrize(("kind", "good"), [("label_studio", task), ("argilla", record)])
@pytest.mark.parametrize(
    ("between", "bad"),
    [
        (', {"id": nope},', [(2, "not JSON: expecting value at column 8")]),
        (",, ", [(2, "nothing between two commas")]),
        (", } ,", [(2, "} belongs to nothing"), (3, "nothing between two commas")]),
        (" word ,", [(2, "no comma stands before it")]),
        (', {"id": 1, "id": 2},', [(2, 'the key "id" comes twice')]),
        ("," + "[" * 3000 + "]" * 3000 + ",", [(2, "nested more than 100 levels deep")]),
    ],
)
def test_faults_between_records_are_kept_aside(tmp_path: Path, kind: str, good: Any, between: str, bad: list[tuple[int, str]]) -> None:
    (tmp_path / "a.json").write_text(f"[{good(1)}{between}{good(2)}]")
    made = read(tmp_path, kind, "a.json")
    assert (made.column("item"), [(b[1], b[2]) for b in made.bad]) == (["k1", "k2"], bad)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (task(2, completed_by="\ud800"), "half of a surrogate pair stands alone"),
        (task(2, result=None), "an annotation must be an object with a list `result`"),
        (task(2, result=[{"type": "choices", "value": {"choices": 5}}]), "the `choices` of an annotation must be a list"),
        (
            task(2, result=[{"type": "labels", "value": {"start": 0, "end": 3, "labels": "ab"}}]),
            "the `labels` of an annotation must be a list",
        ),
        (
            task(2, result=[{"type": "labels", "value": {"start": True, "end": 3, "labels": ["a"]}}]),
            "a label says its place as (True, 3), not in characters",
        ),
        (
            task(2, result=[{"type": "labels", "value": {"start": 0, "end": 10**30, "labels": ["a"]}}]),
            f"a label says its place as (0, {10**30}), not in characters",
        ),
    ],
)
def test_an_odd_annotation_of_label_studio_is_a_bad_row(tmp_path: Path, odd: str, why: str) -> None:
    (tmp_path / "a.json").write_text(f"[{task(1)}, {odd}, {task(3)}]")
    made = read(tmp_path, "label_studio", "a.json")
    assert (made.column("item"), [(b[1], b[2]) for b in made.bad]) == (["k1", "k3"], [(2, why)])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["\ud800"], "half of a surrogate pair stands alone"),
        ([{"start": 0, "end": 2**63, "label": "a"}], f"a label says its place as (0, {2**63}), not in characters"),
        ({"a": 1}, "the value is no label, list of labels or list of spans"),
    ],
)
def test_an_odd_response_of_argilla_is_a_bad_row(tmp_path: Path, value: Any, why: str) -> None:
    (tmp_path / "a.json").write_text(f"[{record(1)}, {record(2, value)}, {record(3)}]")
    made = read(tmp_path, "argilla", "a.json")
    assert (made.column("item"), [(b[1], b[2]) for b in made.bad]) == (["k1", "k3"], [(2, why)])


@pytest.mark.parametrize(("kind", "good"), [("label_studio", task), ("argilla", record)])
def test_one_broken_file_of_several_is_a_bad_row_and_one_alone_is_refused(tmp_path: Path, kind: str, good: Any) -> None:
    (tmp_path / "a.json").write_text(f"[{good(1)}]")
    (tmp_path / "b.json").write_text(f"[{good(2)}, {good(3)[:20]}")
    made = read(tmp_path, kind, "*.json")
    assert made.column("item") == ["k1"]
    assert [(b[0], b[2]) for b in made.bad] == [("b.json", "ends in the middle: record 2 is never closed")]
    with pytest.raises(DataError, match="ends in the middle"):
        read(tmp_path, kind, "b.json")
