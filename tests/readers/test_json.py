from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from readers_harness import read

from recipec.api import DataError
from recipec.readers import _files, _jsonscan
from recipec.readers._shapes import DEEPEST, children, deeper_than
from recipec.readers._stream import TypeConflict


def bad(result: Any) -> list[tuple[int, str]]:
    return [(b[1], b[2]) for b in result.bad]


def test_nested_values(given: Any) -> None:
    r = given("jsonl")(
        '{"id": 1, "m": {"who": "中", "tags": ["a", null], "more": [{"x": 1.5}, {"y": true}]}, "day": "2024-01-01"}\n'
        '{"id": -2, "m": null}\n'
        "{}\n"
    )
    assert r.types == {"id": "BIGINT", "m": "STRUCT(who VARCHAR, tags VARCHAR[], more STRUCT(x DOUBLE, y BOOLEAN)[])", "day": "VARCHAR"}
    assert r.rows == [
        (1, {"who": "中", "tags": ["a", None], "more": [{"x": 1.5, "y": None}, {"x": None, "y": True}]}, "2024-01-01"),
        (-2, None, None),
        (None, None, None),
    ]


def test_malformed_lines_do_not_harm_their_neighbours(given: Any) -> None:
    r = given("jsonl")(b'{"a":1}\n{"a":2\n\n{"a":3}{"a":4}\nnull\n[5]\n{"a":6,}\n{"a":"\xff"}\n{\'a\':7}\n\xe6\n{"a":8}\n')
    assert (r.rows, [p[1] for p in r.places]) == ([(1,), (8,)], [1, 10])
    assert bad(r) == [
        (2, "not JSON: expecting ',' delimiter at column 7"),
        (3, "not JSON: extra data at column 8"),
        (4, "null, not an object"),
        (5, "a list, not an object"),
        (6, "not JSON: expecting property name enclosed in double quotes at column 8"),
        (7, "not valid utf-8"),
        (8, "not JSON: expecting property name enclosed in double quotes at column 2"),
        (9, "not valid utf-8"),
    ]
    assert r.bad[0] == ("x.jsonl", 2, "not JSON: expecting ',' delimiter at column 7", '{"a":2')


def test_odd_but_valid(given: Any) -> None:
    deep = "[" * 50 + "1" + "]" * 50
    r = given("jsonl")(
        '{"t": "a\\u0000b\\ud83d\\ude00 ,}"}\n{"t": "tab\\t"}\n{"t": "half \\ud83d"}\n{"t": "twice", "t": "again"}\n{"t": "x"}  \r\n'
        + json.dumps({"t": deep})
        + "\n"
    )
    assert r.column("t") == ["a\0b😀 ,}", "tab\t", "x", deep]
    assert bad(r) == [(3, "half of a surrogate pair stands alone"), (4, 'the key "t" comes twice')]


def test_numbers(given: Any) -> None:
    r = given("jsonl")('{"x": 1, "y": 1, "z": 12345678901234567890}\n{"x": -0.5, "y": NaN, "z": 1}\n{"x": 1e400, "y": -Infinity, "z": 0}\n')
    assert r.types == {"x": "DOUBLE", "y": "DOUBLE", "z": "HUGEINT"}
    assert r.rows[0] == (1.0, 1.0, 12345678901234567890)
    assert r.rows[2] == (float("inf"), float("-inf"), 0)


def test_deep_nesting_is_a_bad_row_or_text(given: Any) -> None:
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    r = given("jsonl")(deep + '\n{"a": 1}\n')
    assert (r.rows, bad(r)) == ([(1,)], [(1, f"nested more than {DEEPEST} levels deep")])
    r = given("jsonl")(deep + '\n{"a": "x"}\n', declared={"a": "VARCHAR"})
    assert r.rows == [(deep[5:-1],), ("x",)]


def test_deeper_than() -> None:
    assert not deeper_than('{"a": "[[[[[["}', 3)
    assert not deeper_than("[1],[2],[3],[4]", 3)
    assert deeper_than("[[[[1]]]]", 3)


def test_kinds_that_differ(given: Any) -> None:
    r = given("jsonl")('{"a": 1}\n{"a": "x"}\n{"a": {"b": [1]}}\n{"a": null}\n')
    assert (r.types, r.column("a")) == ({"a": "JSON"}, ["1", '"x"', '{"b":[1]}', None])


def test_nothing_known_of_a_value_is_text(given: Any) -> None:
    r = given("jsonl")('{"a": null, "b": [], "c": {}}\n')
    assert r.types == {"a": "VARCHAR", "b": "VARCHAR[]", "c": "JSON"}


def test_keys_that_cannot_stay_as_they_are(given: Any) -> None:
    r = given("jsonl")('{"a": 1, "A": "x", "": 2, "a.b": 3, "x/y~z": {"q\\"r": 4}, "文": 5, "s": {"p": 1, "P": 2}}\n')
    assert r.types == {"a": "BIGINT", "A_1": "JSON", "column2": "JSON", "a.b": "BIGINT", "x/y~z": "JSON", "文": "BIGINT", "s": "JSON"}
    assert r.rows == [(1, '"x"', "2", 3, '{"q\\"r":4}', 5, '{"p":1,"P":2}')]


def test_many_keys_are_a_map(given: Any) -> None:
    r = given("jsonl")(json.dumps({"m": {f"k{i}": i for i in range(300)}}) + '\n{"m": {"new": 7}}\n')
    assert r.types == {"m": "MAP(VARCHAR, BIGINT)"}
    assert r.rows[1] == ({"new": 7},)


def test_many_columns(given: Any) -> None:
    record = {f"k{i}": i for i in range(300)}
    assert given("jsonl")(json.dumps(record) + "\n").rows == [tuple(range(300))]


def test_declared_columns(given: Any) -> None:
    r = given("jsonl")(
        '{"n": 1, "day": "2024-01-01", "x": {"p": 1, "q": 2}, "l": [1, 2], "more": 1}\n'
        '{"n": "2", "day": null, "x": {"q": 3}, "l": ["3"]}\n'
        '{"n": 3.0}\n'
        '{"n": 3.5}\n{"n": true}\n{"n": [1]}\n{"n": 4, "day": "soon"}\n{"n": 5, "x": 1}\n{"n": 6, "l": [1.5]}\n{"n": 99999999999}\n'
        '{"Day": "x", "n": 7}\n',
        declared={"n": "INTEGER", "day": "DATE", "x": "STRUCT(p INTEGER)", "l": "INTEGER[]", "none": "VARCHAR"},
    )
    assert r.rows == [
        (1, dt.date(2024, 1, 1), {"p": 1}, [1, 2], None),
        (2, None, {"p": None}, [3], None),
        (3, None, None, None, None),
        (7, None, None, None, None),
    ]
    assert bad(r) == [
        (4, 'n: "3.5" is not INTEGER'),
        (5, 'n: "true" is not INTEGER'),
        (6, "n: [1] is not INTEGER"),
        (7, 'day: "soon" is not DATE'),
        (8, "x: 1 is not STRUCT(p INTEGER)"),
        (9, 'l[1]: "1.5" is not INTEGER'),
        (10, 'n: "99999999999" is not INTEGER'),
    ]


def test_values_that_are_no_objects(given: Any) -> None:
    assert given("jsonl")("1\n2\nnull\n").rows == [(1,), (2,), (None,)]
    r = given("jsonl")('[1, 2]\n[]\n"x"\n', declared={"value": "BIGINT[]"})
    assert (r.rows, bad(r)) == ([([1, 2],), ([],)], [(3, 'value: "x" is not BIGINT[]')])


@pytest.mark.parametrize("data", ["", "\n \n\t\n", "\ufeff"])
def test_nothing(given: Any, data: str) -> None:
    assert given("jsonl")(data).rows == []
    r = given("jsonl")(data, declared={"a": "INTEGER"})
    assert (r.types, r.rows) == ({"a": "INTEGER"}, [])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BLOCK", 64), ("SAMPLE_WHOLE", 400), ("SAMPLE_HEAD", 200), ("SAMPLE_PROBES", 2), ("PROBE", 60)):
        monkeypatch.setattr(_files, name, value)
    monkeypatch.setattr(_jsonscan, "BLOCK", 64)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("record", "message", "column"),
    [
        ('{"a": "x", "b": {"c": [1]}}', 'a: "x" is not BIGINT', "a"),
        ('{"a": 1.5, "b": {"c": [1]}}', "a: 1.5 is not BIGINT", "a"),
        ('{"a": true, "b": {"c": [1]}}', "a: true is not BIGINT", "a"),
        ('{"a": 9223372036854775808, "b": {"c": [1]}}', "a: 9223372036854775808 is not BIGINT", "a"),
        ('{"a": 1, "b": {"c": [1], "d": 2}}', 'the key "d" of b is new', "b"),
        ('{"a": 1, "b": {"c": [1, "y"]}}', 'b.c[2]: "y" is not BIGINT', "b"),
        ('{"a": 1, "b": [1]}', "b: [1] is not STRUCT(c BIGINT[])", "b"),
        ('{"a": 1, "b": {"c": [1]}, "z": 1}', 'the key "z" is new', "z"),
    ],
)
def test_a_record_beyond_the_sample_that_does_not_fit_stops_the_run(given: Any, record: str, message: str, column: str) -> None:
    lines = [f'{{"a": {i}, "b": {{"c": [{i}]}}}}' for i in range(300)]
    lines[60] = record
    with pytest.raises(TypeConflict) as caught:
        given("jsonl")("\n".join(lines))
    assert (
        caught.value.message
        == f"1 record does not fit the columns inferred from a sample of the files, first in `x.jsonl`, record 61: {message}"
    )
    assert caught.value.columns == {column: "JSON"}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("threads", [1, 4])
def test_many_blocks_and_threads(given: Any, threads: int) -> None:
    records = [{"n": i, "t": "文" * (i % 40) + '"\n', "l": [{"v": i}] * (i % 3)} for i in range(1000)]
    lines = "\n".join(json.dumps(r, ensure_ascii=bool(r["n"] % 2)) for r in records)
    r = given("jsonl")(
        lines.replace('{"n": 500,', '{"n" 500,'), threads=threads, declared={"n": "BIGINT", "t": "VARCHAR", "l": "STRUCT(v BIGINT)[]"}
    )
    assert [dict(zip(r.types, row, strict=True)) for row in r.rows] == [x for x in records if x["n"] != 500]
    assert bad(r) == [(501, "not JSON: expecting ':' delimiter at column 6")]
    whole = json.dumps({"a": {"b": records}}, indent=1)
    r = given("json")(whole, at="a.b", threads=threads, declared={"n": "BIGINT"})
    assert r.rows == [(i,) for i in range(1000)]
    assert r.progress[-1][0] == r.progress[-1][1]


# Documents ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "at", "values"),
    [
        ('[{"a":1},{"a":2}]', "", [1, 2]),
        ('{"a":1}', "", [1]),
        (' [ {"a":1} , {"a":2}\n]\n', "", [1, 2]),
        ('{"a":1}{"a":2} [{"a":3}]\n{"a":4}', "", [1, 2, 3, 4]),
        ('{"n": [1, {"items": 3}], "data": {"items": [{"a":1}, {"a":2}], "x": 1}}', "data.items", [1, 2]),
        ('{"data": [{"p": [{"a":1}]}, {"q": 0}, {"p": {"a":2}}]}', "data.p", [1, 2]),
        ('{"data": {"a": 7}}', "data", [7]),
        ('{"数据": {"项": [{"a":1}]}}', "数据.项", [1]),
        ('{"a": [], "b": 1}', "a", []),
        ('{"a": null}', "a", []),
        ("[]", "", []),
        ('{"d\\u0061ta": [{"a": 5}]}', "data", [5]),
    ],
)
def test_where_the_records_are(given: Any, document: str, at: str, values: list[int]) -> None:
    r = given("json")(document, at=at)
    assert [row[0] for row in r.rows] == values
    assert [p[1] for p in r.places] == list(range(1, len(values) + 1))


def test_a_bracket_too_many_does_not_harm_the_neighbours(given: Any) -> None:
    r = given("json")('[{"a":1}, {"a":{"b":[}]}}, {"a":4}]')
    assert r.rows == [(1,), (4,)]
    assert bad(r) == [(2, "not JSON: expecting value at column 12"), (3, "} belongs to nothing")]


def test_each_kind_of_bad_element(given: Any) -> None:
    r = given("json")(b'[{"a":1}, {"a":oops}, nonsense, {"a":"\xff"}, {"a":2,}, 3, , {"a":4}]')
    assert r.rows == [(1,), (4,)]
    assert bad(r) == [
        (2, "not JSON: expecting value at column 6"),
        (3, "not JSON: expecting value at column 1"),
        (4, "not valid utf-8"),
        (5, "not JSON: expecting property name enclosed in double quotes at column 8"),
        (6, "a number, not an object"),
        (7, "nothing between two commas"),
    ]


@pytest.mark.parametrize(
    ("document", "message", "help"),
    [
        ('[{"a":1},{"a":2', "record 2 is never closed", 'it begins with: {"a":2'),
        ('[{"a":1},{"a":2}', "its brackets are never closed", "fetch or copy the file again"),
        ('{"a":1}\n{"a":"', "record 2 is never closed", 'it begins with: {"a":"'),
        ('[{"a":1},{"a":2,{"a":3}]', "its brackets are never closed", "fetch or copy the file again"),
    ],
)
def test_a_document_that_is_cut_off(given: Any, document: str, message: str, help: str) -> None:
    with pytest.raises(DataError) as caught:
        given("json")(document)
    assert caught.value.message == f"`x.json` ends in the middle: {message}"
    assert caught.value.help == help


@pytest.mark.parametrize(
    ("document", "at", "message", "help"),
    [
        ("<html>", "", "`x.json` is not JSON: it begins with `<html>`", ""),
        (
            '{"p": [{"a":1} {"a":2}]}',
            "p.q",
            "`x.json` is not JSON: a comma or a closing bracket should stand before",
            "the fault is after record 0",
        ),
        ('{"data": {"item": []}}', "data.items", "`x.json` has nothing at `data.items`", "did you mean `item`?"),
        ('{"p": 1, "q": 2}', "data", "`x.json` has nothing at `data`", "the keys on the way are: p, q"),
        ("{1: 2}", "data", "`x.json` is not JSON: a key in quotes should stand before", "the fault is after record 0"),
    ],
)
def test_documents_that_cannot_be_read(given: Any, document: str, at: str, message: str, help: str) -> None:
    with pytest.raises(DataError) as caught:
        given("json")(document, at=at)
    assert caught.value.message.startswith(message)
    assert caught.value.help == help


def test_an_element_without_a_comma_before_it_is_bad(given: Any) -> None:
    r = given("json")('[{"a":1} {"a":2}, {"a":3} x {"a":4},{"a":5}]')
    assert r.rows == [(1,), (3,), (5,)]
    assert [(b[1], b[2], b[3]) for b in r.bad] == [
        (n, "no comma stands before it", t) for n, t in ((2, '{"a":2}'), (4, "x"), (5, '{"a":4}'))
    ]


def test_an_element_that_is_too_long(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_RECORD", "MAX_SHOWN"):
        monkeypatch.setattr(_jsonscan, name, 50)
    monkeypatch.setattr(_jsonscan, "BLOCK", 16)
    monkeypatch.setattr(_files, "BLOCK", 16)
    r = given("json")(json.dumps([{"a": "x"}, {"a": "y\\" * 100}, {"a": ["z"] * 100}, {"a": "w"}]), declared={"a": "VARCHAR"})
    assert r.rows == [("x",), ("w",)]
    assert [(b[1], b[2], len(b[3])) for b in r.bad] == [(2, _jsonscan.TOO_LONG, 50), (3, _jsonscan.TOO_LONG, 50)]


def test_gsm8k(data: Path) -> None:
    for part, number in (("train", 7_473), ("test", 1_319)):
        path = data / f"gsm8k/{part}.jsonl"
        expected = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for reader in ("jsonl", "json"):
            r = read(data, reader, f"gsm8k/{part}.jsonl")
            assert r.types == {"question": "VARCHAR", "answer": "VARCHAR"}
            assert len(r.rows) == number
            assert [dict(zip(r.types, row, strict=True)) for row in r.rows] == expected


def test_self_instruct(data: Path) -> None:
    r = read(data, "jsonl", "self_instruct/seed_tasks.jsonl")
    expected = [json.loads(line) for line in (data / "self_instruct/seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert r.types["instances"] == 'STRUCT("input" VARCHAR, output VARCHAR)[]'
    assert [dict(zip(r.types, row, strict=True)) for row in r.rows] == expected
    assert len(expected) == 175


def test_cmrc2018(data: Path) -> None:
    r = read(data, "json", "cmrc2018/trial.json")
    expected = json.loads((data / "cmrc2018/trial.json").read_text(encoding="utf-8"))
    assert r.types["qas"] == "STRUCT(query_text VARCHAR, query_id VARCHAR, answers VARCHAR[])[]"
    assert [dict(zip(r.types, row, strict=True)) for row in r.rows] == expected
    assert len(expected) == 256
    assert len(read(data, "json", "cmrc2018/trial.json", at="qas").rows) == sum(len(e["qas"]) for e in expected) == 1_002


# Whatever a sample holds, its types hold ------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, width=32) | st.text(max_size=4)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["p", "q", "r.s", "文"]), v, max_size=3), max_leaves=6
)
some_records = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3), min_size=1, max_size=5)


def plain(value: Any, type: Any) -> Any:
    """A value that DuckDB made, as JSON would have it; nulls in objects left out."""
    if value is None or str(type) == "JSON":
        return without_nulls(json.loads(value)) if value is not None else None
    inner = children(type) if str(type.id) in ("struct", "list") else {}
    if str(type.id) == "struct":
        made = {k: plain(v, inner[k]) for k, v in value.items()}
        return {k: v for k, v in made.items() if v is not None}
    if str(type.id) == "list":
        return [plain(v, inner["child"]) for v in value]
    return value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def loosely(value: Any, type: Any) -> Any:
    """What a column without any value but null and empty ones may turn a value into: nothing to compare."""
    if str(type) == "VARCHAR" and not isinstance(value, str):
        return None
    inner = children(type) if str(type.id) in ("struct", "list") else {}
    if str(type.id) == "list" and isinstance(value, list):
        return [loosely(v, inner["child"]) for v in value]
    if str(type.id) == "struct" and isinstance(value, dict):
        return {k: v for k, v in ((k, loosely(v, inner[k])) for k, v in value.items()) if v is not None}
    return value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis.given(records=some_records, nested=st.booleans())
def test_records_come_back(given: Any, records: list[dict[str, Any]], nested: bool) -> None:
    if nested:
        r = given("json")(json.dumps({"x": {"y": records}}, ensure_ascii=False), at="x.y")
    else:
        r = given("jsonl")("\n".join(json.dumps(record) for record in records))
    assert r.bad == []
    types = {name: duckdb.sqltype(type) for name, type in r.types.items()}
    for row, record in zip(r.rows, records, strict=True):
        made = {name: plain(value, types[name]) for name, value in zip(r.types, row, strict=True)}
        expected = {name: loosely(without_nulls(record[name]), types[name]) for name in record}
        assert {k: v for k, v in made.items() if v is not None} == {k: v for k, v in expected.items() if v is not None}
