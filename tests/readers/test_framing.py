"""Records are the same however the file is cut into blocks, and however they are found."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.readers import _framing
from recipec.readers._framing import Framer, scan
from recipec.readers._stream import Frame, absent

Row = tuple[int, tuple[str | None, ...] | str]


def expand(frames: Iterator[Frame]) -> list[Row]:
    """(place, fields) for good records, (place, reason: text) for bad ones. An empty quoted field is None here."""
    rows: list[Row] = []
    for frame in frames:
        if frame.why is not None:
            rows.append((frame.start + 1, f"{frame.why}: {frame.text!r}"))
            continue
        for i, record in enumerate(frame.text.split(frame.rs), frame.start + 1):
            fields = record.split(frame.fs) if frame.fs else [record]
            rows.append((i, tuple(None if frame.mark and f == frame.mark else f.decode("latin-1") for f in fields)))
    return rows


def framed(data: bytes, size: int, **options: object) -> list[Row]:
    framer = Framer(0, **options)  # type: ignore[arg-type]

    def frames() -> Iterator[Frame]:
        for at in range(0, len(data), size):
            yield from framer.feed(data[at : at + size])
        yield from framer.finish()

    return expand(frames())


def exactly(data: bytes, **options: object) -> list[Row]:
    """Record by record, over the whole text."""
    framer = Framer(0, **options)  # type: ignore[arg-type]
    framer._quick = lambda text: None  # type: ignore[method-assign]
    return expand(framer._exact(data, True))


messy = st.text(alphabet='a,"\n\r', max_size=60).map(str.encode)
sizes = st.integers(1, 40)


@pytest.mark.parametrize("worth", [0, 10, 10_000])
@pytest.mark.parametrize("window", [1, 12, 10_000])
@settings(max_examples=80, deadline=None)
@given(data=messy, size=sizes)
def test_messy_text_frames_alike_in_all_ways(worth: int, window: int, data: bytes, size: int) -> None:
    _framing.WORTH_A_FRAME, _framing.WINDOW = worth, window
    if b"\n" not in data:
        data += b"\n"  # a file with CR alone is another kind
    if b"\n" not in data[:size]:
        size = len(data)  # how its lines end is told from the first block
    found = framed(data, size, delimiter=b",", quote=b'"')
    _framing.WORTH_A_FRAME = 1 << 30
    assert found == exactly(data, delimiter=b",", quote=b'"')
    _framing.WORTH_A_FRAME, _framing.WINDOW = 1 << 12, 1 << 14


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.text(alphabet='ab ,"\n文', max_size=6), min_size=3, max_size=3), max_size=8),
    size=sizes,
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_python_writes_is_read(rows: list[list[str]], size: int, end: str, quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    data = ("x\n" + out.getvalue()).encode()
    found = [
        [(f or "").encode("latin-1").decode() for f in r]
        for _, r in framed(data, size, delimiter=b",", quote=b'"')[1:]
        if not isinstance(r, str)
    ]
    assert found == rows


def test_a_stray_quote_costs_one_line() -> None:
    data = b'1,"never closed\n2,fine\n3,"quoted, ok"\n4,x\n'
    assert framed(data, 1000, delimiter=b",", quote=b'"', width=2) == [
        (1, "text after a closing quote: b'1,\"never closed'"),
        (2, ("2", "fine")),
        (3, ("3", "quoted, ok")),
        (4, ("4", "x")),
    ]
    data = b'1,"never closed\n2,fine\n3,fine\n'
    assert [r for _, r in framed(data, 7, delimiter=b",", quote=b'"')] == [
        "a quoted field is never closed: b'1,\"never closed'",
        ("2", "fine"),
        ("3", "fine"),
    ]


def test_quotes_inside_unquoted_fields_are_data() -> None:
    assert framed(b'5" disk,a"b"\n', 100, delimiter=b",", quote=b'"') == [(1, ('5" disk', 'a"b"'))]
    assert framed(b'5" disk\ta\n', 100, delimiter=b"\t") == [(1, ('5" disk', "a"))]


def test_ragged_records_keep_their_text() -> None:
    rows = framed(b'a,"b ""c"""\n"d"\n"e",f,"g"\nh,i,j\n', 1000, delimiter=b",", quote=b'"', width=2)
    assert rows == [
        (1, ("a", 'b "c"')),
        (2, "1 field where 2 are expected: b'\"d\"'"),
        (3, '3 fields where 2 are expected: b\'"e",f,"g"\''),
        (4, "3 fields where 2 are expected: b'h,i,j'"),
    ]


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_lines_end_in_lf_crlf_or_cr(quote: bytes) -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        data = end.join([b"a,b", b"", b"c,d"])
        assert [r for _, r in framed(data, 1000, delimiter=b",", quote=quote)] == [("a", "b"), ("c", "d")]


def test_a_carriage_return_inside_a_line_is_data() -> None:
    assert framed(b"a,b\rc\nd,e\n", 1000, delimiter=b",") == [(1, ("a", "b\rc")), (2, ("d", "e"))]


def test_control_characters_in_the_data_do_not_confuse(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = bytes(range(1, 10)) + bytes(range(0x1C, 0x20))
    data = b'x,"' + everything.replace(b"\n", b"") + b'"\n'
    assert framed(data, 1000, delimiter=b",", quote=b'"') == [(1, ("x", everything.replace(b"\n", b"").decode()))]
    assert not any(s in everything for s in absent(everything, 4))


def test_an_over_long_record_is_bad_and_its_neighbours_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_framing, "MAX_RECORD", 100)
    monkeypatch.setattr(_framing, "MAX_SHOWN", 5)
    data = b"a\n" + b"x" * 1000 + b"\nb\n"
    assert framed(data, 7, blank="record") == [(1, ("a",)), (2, f"{_framing.TOO_LONG}: b'xxxxx'"), (3, ("b",))]
    opened = b'a,b\n1,"' + b"y\n" * 300 + b"2,c\n"
    rows = framed(opened, 7, delimiter=b",", quote=b'"', width=2)
    assert rows[0] == (1, ("a", "b"))
    assert rows[-1][1] == ("2", "c")
    assert rows[1] == (2, "a quoted field is never closed: b'1,\"y'")
    assert {r for _, r in rows[2:-1]} == {("y",), "1 field where 2 are expected: b'y'"}  # a line each again


def test_scan_says_where_a_record_ends() -> None:
    assert scan(b'a,"b\nc"\nd', 0, b",", b'"')[:2] == (8, [b"a", b"b\nc"])
    assert scan(b'a,""', 0, b",", b'"')[:2] == (4, [b"a", None])
    assert scan(b'"a', 0, b",", b'"').open


def test_blank_lines() -> None:
    data = b"\n\na\n \n\r\nb\n\n"
    assert framed(data, 3, blank="record") == [(i, (t,)) for i, t in enumerate(["", "", "a", " ", "", "b", ""], 1)]
    assert framed(data, 3, blank="skip") == [(1, ("a",)), (2, (" ",)), (3, ("b",))]
    assert framed(data + b"  ", 3, blank="skip blanks") == [(1, ("a",)), (2, ("b",))]
