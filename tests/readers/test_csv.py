from __future__ import annotations

import csv
import datetime as dt
import io
import random
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from readers_harness import read

from recipec.api import DataError
from recipec.readers import _files
from recipec.readers._framing import Framer
from recipec.readers._stream import ColumnsDiffer, TypeConflict, checked


def test_types_are_inferred_where_nothing_is_lost(given: Any) -> None:
    r = given("csv")(
        "n,x,day,at,yes,code,phone,hash,big,space\n"
        "1,1.50,2024-02-29,2024-01-02T03:04:05.5,true,007,+49,1e5,12345678901234567890, 7\n"
        "-2,-0.1,2023-01-01,2024-01-02 03:04:05,False,7,49,2e8,1,8 \n"
        ",,,,,,,,,\n"
    )
    assert r.types == {
        "n": "BIGINT", "x": "DOUBLE", "day": "DATE", "at": "TIMESTAMP", "yes": "BOOLEAN",
        "code": "VARCHAR", "phone": "VARCHAR", "hash": "VARCHAR", "big": "VARCHAR", "space": "BIGINT",
    }  # fmt: skip
    assert r.rows[0] == (
        1, 1.5, dt.date(2024, 2, 29), dt.datetime(2024, 1, 2, 3, 4, 5, 500000), True, "007", "+49", "1e5", "12345678901234567890", 7,
    )  # fmt: skip
    assert r.rows[2] == (None,) * 10


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "2.5"], "DOUBLE"),
        (["1", "9007199254740993", "0.5"], "VARCHAR"),
        (["0.1234567890123456", "1e-07", "1.5E+20"], "DOUBLE"),
        (["1.12345678901234567890123"], "VARCHAR"),
        (["9223372036854775807"], "BIGINT"),
        (["9223372036854775808"], "VARCHAR"),
        (["-0"], "DOUBLE"),
        (["nan", "1"], "VARCHAR"),
        (["2024-01-01", "2024-13-01"], "VARCHAR"),
        (["01/02/2024"], "VARCHAR"),
        (["2024-01-01T00:00:00Z"], "VARCHAR"),
        (["20240101"], "BIGINT"),
        (["t", "f"], "VARCHAR"),
        (["1.2.3"], "VARCHAR"),
        (["１２"], "VARCHAR"),
        (["0x1F"], "VARCHAR"),
        (["1_000"], "VARCHAR"),
        ([""], "VARCHAR"),
    ],
)
def test_one_column(given: Any, values: list[str], type: str) -> None:
    r = given("csv")("a,b\n" + "".join(f"{v},x\n" for v in values))
    assert r.types["a"] == type
    if type == "VARCHAR":
        assert [v or "" for v in r.column("a")] == values


def test_nothing_is_null_and_quoted_nothing_is_an_empty_text(given: Any) -> None:
    r = given("csv")('t,n\n,""\n"",1\nx,\n')
    assert r.types == {"t": "VARCHAR", "n": "BIGINT"}
    assert r.rows == [(None, None), ("", 1), ("x", None)]


def test_quotes_delimiters_and_lines_inside_fields(given: Any) -> None:
    r = given("csv")('a,b\n"x, ""y""\nz",1\n"q\r\nr",2\n')
    assert r.rows == [('x, "y"\nz', 1), ("q\r\nr", 2)]


def test_bad_rows_do_not_harm_their_neighbours(given: Any) -> None:
    r = given("csv")(b'a,b\n1,2\n3\n"x"y,4\n4,5,6\n\xff\xfe,7\n"open,8\n9,"10"\n')
    assert r.types == {"a": "BIGINT", "b": "BIGINT"}
    assert r.rows == [(1, 2), (9, 10)]
    assert [p[1] for p in r.places] == [1, 7]
    assert r.bad == [
        ("x.csv", 2, "1 field where 2 are expected", "3"),
        ("x.csv", 3, "text after a closing quote", '"x"y,4'),
        ("x.csv", 4, "3 fields where 2 are expected", "4,5,6"),
        ("x.csv", 5, "not valid utf-8", "\\xff\\xfe,7"),
        ("x.csv", 6, "text after a closing quote", '"open,8'),
    ]


def test_declared_types_are_held_to(given: Any) -> None:
    r = given("csv")(
        "a,b,c\n1,x,2024-01-01\n1.5,y,2024-01-02\n2.0,z,2024-01-03\ntwo,u,2024-01-04\n3,v,soon\n", declared={"c": "DATE", "a": "INTEGER"}
    )
    assert r.types == {"c": "DATE", "a": "INTEGER"}
    assert r.rows == [(dt.date(2024, 1, 1), 1), (dt.date(2024, 1, 3), 2)]
    assert [(b[1], b[2], b[3]) for b in r.bad] == [
        (2, 'a: "1.5" is not INTEGER', "1.5,y,2024-01-02"),
        (4, 'a: "two" is not INTEGER', "two,u,2024-01-04"),
        (5, 'c: "soon" is not DATE', "3,v,soon"),
    ]


def test_a_row_with_quotes_that_does_not_convert_is_shown_as_it_would_be_written(given: Any) -> None:
    r = given("csv")('a,b\n"one, two","x ""y"""\n', declared={"a": "INTEGER", "b": "VARCHAR"})
    assert r.bad == [("x.csv", 1, 'a: "one, two" is not INTEGER', '"one, two","x ""y"""')]


def test_lists_and_structs_can_be_declared(given: Any) -> None:
    r = given("csv")("a;b\n[1, 2];\"{'x': 1}\"\n[1;{}\n", delimiter=";", declared={"a": "INTEGER[]", "b": "STRUCT(x INTEGER)"})
    assert r.rows == [([1, 2], {"x": 1})]
    assert [b[1] for b in r.bad] == [2]


def test_without_a_header(given: Any) -> None:
    r = given("csv")("1,x\n2,y\n", header=False)
    assert (r.types, r.rows) == ({"column0": "BIGINT", "column1": "VARCHAR"}, [(1, "x"), (2, "y")])
    r = given("csv")("1,x\n2,y\n3\n", header=False, declared={"n": "INTEGER", "t": "VARCHAR"})
    assert (r.rows, [b[1] for b in r.bad]) == ([(1, "x"), (2, "y")], [3])


def test_names_that_cannot_stay_as_they_are(given: Any) -> None:
    r = given("csv")("a, b ,,a,A,文本\n1,2,3,4,5,6\n")
    assert list(r.types) == ["a", "b", "column2", "a_1", "A_2", "文本"]


def test_other_texts_for_null(given: Any) -> None:
    assert given("csv")("a,b\nNA,x\n3,n/a\n", nulls=("NA", "n/a")).rows == [(None, "x"), (3, None)]


@pytest.mark.parametrize(("data", "rows"), [("", []), ("\n\n", []), ("a,b", []), ("a,b\n", []), ("a,b\n\n\n1,2", [(1, 2)])])
def test_little_or_nothing(given: Any, data: str, rows: list[tuple[int, int]]) -> None:
    assert given("csv")(data).rows == rows
    assert given("csv")(data, declared={"a": "BIGINT", "b": "BIGINT"}).rows == rows


def test_encodings(given: Any) -> None:
    text = '名,文\n一,"逗号，,引号""x"""\n'
    rows = [("一", '逗号，,引号"x"')]
    assert given("csv")(text.encode("utf-8-sig")).rows == rows
    for encoding in ("gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert given("csv")(text.encode(encoding), encoding=encoding).rows == rows, encoding
    assert given("csv")("a,b\ncafé,1\n".encode("latin-1"), encoding="latin-1").rows == [("café", 1)]
    r = given("csv")(b"a,b\n\xd6\xd0,1\n\xff\xff,2\n\xce\xc4,3\n", encoding="gb18030")
    assert (r.rows, r.bad) == ([("中", 1), ("文", 3)], [("x.csv", 2, "not valid gb18030", "\\xff\\xff,2")])


def test_the_wrong_encoding_is_said(given: Any) -> None:
    with pytest.raises(DataError, match="UTF-16") as caught:
        given("csv")("a,b\n1,2\n".encode("utf-16"))
    assert caught.value.help == 'encoding: "utf-16"'
    with pytest.raises(DataError, match=r"header of `x.csv` is not utf-8"):
        given("csv")("名,文\n1,2\n".encode("gb18030"))


def test_several_files_with_their_columns_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("x,n\nq,3\n")
    (tmp_path / "a.csv").write_text("n,x\n1,p\nbad\n2,0\n")
    (tmp_path / "empty.csv").write_text("")
    r = read(tmp_path, "csv", "*.csv")
    assert (r.types, r.rows) == ({"n": "BIGINT", "x": "VARCHAR"}, [(1, "p"), (2, "0"), (3, "q")])
    assert r.places == [("a.csv", 1), ("a.csv", 3), ("b.csv", 1)]
    assert r.bad == [("a.csv", 2, "1 field where 2 are expected", "bad")]


def test_several_files_with_different_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,x\n1,p\n")
    (tmp_path / "b.csv").write_text("n,y\n2,q\n")
    with pytest.raises(ColumnsDiffer, match="only one has `x`, `y`") as caught:
        read(tmp_path, "csv", "*.csv")
    assert caught.value.common == ("n",)


def test_a_column_that_is_not_there(given: Any) -> None:
    with pytest.raises(DataError, match=r"no column `txet` in `x.csv`") as caught:
        given("csv")("id,text\n1,x\n", declared={"txet": "VARCHAR"})
    assert caught.value.help == "did you mean `text`? it has id, text"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and samples so small that a short file has many."""
    for name, value in (("BLOCK", 64), ("SAMPLE_WHOLE", 400), ("SAMPLE_HEAD", 200), ("SAMPLE_PROBES", 2), ("PROBE", 40)):
        monkeypatch.setattr(_files, name, value)


@pytest.mark.usefixtures("small")
def test_a_value_beyond_the_sample_that_does_not_fit_stops_the_run(given: Any) -> None:
    lines = [f"{i},x" for i in range(400)]
    lines[100] = "many,x"
    with pytest.raises(TypeConflict, match=r'1 value does not fit .* first in `x.csv`, row 101: n: "many" is not BIGINT') as caught:
        given("csv")("n,t\n" + "\n".join(lines))
    assert caught.value.columns == {"n": "VARCHAR"}
    assert given("csv")("n,t\n" + "\n".join(lines), declared={"n": "VARCHAR"}).rows[100] == ("many",)


@pytest.mark.usefixtures("small")
def test_a_leading_zero_beyond_the_sample_is_not_lost(given: Any) -> None:
    lines = [f"{i},x" for i in range(400)]
    lines[100] = "007,x"
    with pytest.raises(TypeConflict, match="007"):
        given("csv")("n,t\n" + "\n".join(lines))


@pytest.mark.usefixtures("small")
def test_the_end_of_a_file_is_in_the_sample(given: Any) -> None:
    r = given("csv")("n,t\n" + "\n".join([*(f"{i},x" for i in range(400)), "A1,x"]))
    assert r.types["n"] == "VARCHAR"
    assert r.rows[-1] == ("A1", "x")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("threads", [1, 4])
def test_many_blocks_and_threads(given: Any, threads: int) -> None:
    rnd = random.Random(3)
    rows = [[str(i), "".join(rnd.choices('ab ,"\n中', k=rnd.randrange(30)))] for i in range(1500)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["n", "t"], *rows])
    r = given("csv")(out.getvalue(), threads=threads, declared={"n": "BIGINT", "t": "VARCHAR"})
    assert [[str(n), t or ""] for n, t in r.rows] == rows
    assert [p[1] for p in r.places] == list(range(1, 1501))
    assert r.progress[-1][0] == r.progress[-1][1] == len(out.getvalue().encode())


def test_a_wide_table(given: Any) -> None:
    names = [f"c{i}" for i in range(300)]
    r = given("csv")(",".join(names) + "\n" + ",".join(map(str, range(300))) + "\n")
    assert r.rows == [tuple(range(300))]


def test_nul_and_control_characters(given: Any) -> None:
    assert given("csv")(b'a,b\n"x\0y\x1e\x1f","z,\x1d"\n').rows == [("x\0y\x1e\x1f", "z,\x1d")]


def test_banking77(data: Path) -> None:
    for part, number in (("train", 10_003), ("test", 3_080)):
        r = read(data, "csv", f"banking77/{part}.csv")
        with open(data / f"banking77/{part}.csv", encoding="utf-8", newline="") as file:
            expected = [tuple(row) for row in csv.reader(file)][1:]
        assert (len(r.rows), r.rows, r.bad) == (number, expected, [])


def test_youtube_spam(data: Path) -> None:
    r = read(data, "csv", "youtube_spam/Youtube*.csv")
    assert r.types == {"COMMENT_ID": "VARCHAR", "AUTHOR": "VARCHAR", "DATE": "TIMESTAMP", "CONTENT": "VARCHAR", "CLASS": "BIGINT"}
    assert (len(r.rows), sum(r.column("CLASS")), r.bad) == (1_956, 1_005, [])
    expected = []
    for path in sorted((data / "youtube_spam").glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            expected += [row[3] for row in csv.reader(file)][1:]
    assert r.column("CONTENT") == expected


def test_dawid_skene(data: Path) -> None:
    r = read(data, "csv", "dawid_skene_1979/labels.csv")
    assert set(r.types.values()) == {"BIGINT"}
    assert len({(p, o) for p, o, *_ in r.rows}) == 45 * 5


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis.given(body=st.text(alphabet='a1,"\n\r\x1e é', max_size=80), block=st.integers(1, 50), broken=st.booleans())
def test_what_duckdb_makes_of_it_is_what_the_rules_say(
    given: Any, monkeypatch: pytest.MonkeyPatch, body: str, block: int, broken: bool
) -> None:
    """Fields, places and bad rows against the record-by-record reading of the whole text."""
    monkeypatch.setattr(_files, "BLOCK", block)
    content = body.encode().replace(b"\xc3\xa9", b"\xc3") if broken else body.encode()
    r = given("csv")(b"p,q\n" + content, declared={"p": "VARCHAR", "q": "VARCHAR"})
    good: list[tuple[int, tuple[str | None, ...]]] = []
    bad: list[tuple[int, str]] = []
    framer = Framer(0, b",", b'"', 2)
    framer._quick = lambda text: None  # type: ignore[method-assign]
    for frame in checked(framer._exact(content, True), "utf-8"):
        for i, record in enumerate(frame.text.decode().split(frame.rs.decode()) if frame.why is None else [""], frame.start + 1):
            fields = record.split(frame.fs.decode()) if frame.fs else []
            if frame.why is None and len(fields) == 2:
                good.append((i, tuple("" if f == frame.mark.decode() != "" else f or None for f in fields)))
            else:
                bad.append((i, frame.why or f"{len(fields)} field{'s' * (len(fields) != 1)} where 2 are expected"))
    assert [(place, row) for (_, place), row in zip(r.places, r.rows, strict=True)] == good
    assert [(b[1], b[2]) for b in r.bad] == bad
