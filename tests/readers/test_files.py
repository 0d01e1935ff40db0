"""Finding and opening: what goes wrong before a row is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from readers_harness import files_of, make, read

from recipec.api import DataError
from recipec.readers import _files
from recipec.readers._files import expand, sample
from recipec.registry import find, names

ROWS = "n,t\n" + "".join(f"{i},文{i}\n" for i in range(2_000))


def zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKED)
def test_compressed_files(given: Any, suffix: str) -> None:
    r = given("csv")(PACKED[suffix](ROWS.encode()), name=f"x.csv{suffix}")
    assert (r.types, len(r.rows), r.rows[-1]) == ({"n": "BIGINT", "t": "VARCHAR"}, 2_000, (1999, "文1999"))
    r = given("csv")(PACKED[suffix](ROWS.encode("utf-16")), name=f"y.csv{suffix}", encoding="utf-16")
    assert r.rows[-1] == (1999, "文1999")
    r = given("lines")(PACKED[suffix](b"a\n") * 2, name=f"z.txt{suffix}")
    assert r.rows == [("a",), ("a",)]


@pytest.mark.parametrize("suffix", PACKED)
def test_compressed_files_that_are_cut_off_or_damaged(given: Any, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PACKED[suffix](os.urandom(30_000).hex().encode() + b"\n")
    for name in ("SAMPLE_WHOLE", "SAMPLE_HEAD"):
        monkeypatch.setattr(_files, name, 100)
    with pytest.raises(DataError, match="ends in the middle") as caught:
        given("lines")(packed[: len(packed) // 2], name=f"x.txt{suffix}")
    help, _, more = caught.value.help.partition("; to go on with what there is ")
    assert help == "fetch or copy the file again"
    assert not more or more.endswith(f" -dc x.txt{suffix} > x.txt")
    if suffix == ".zst":
        return  # without a checksum damage may only change the text
    broken = bytearray(packed)
    broken[len(packed) // 2 : len(packed) // 2 + 200] = b"\x55" * 200
    with pytest.raises(DataError, match=r"is damaged|ends in the middle"):
        given("lines")(bytes(broken), name=f"x.txt{suffix}")


@pytest.mark.parametrize("suffix", PACKED)
def test_names_and_contents_that_disagree(given: Any, suffix: str) -> None:
    with pytest.raises(DataError, match=r"is not \w+: it begins with 6e 2c 74 0a") as caught:
        given("csv")(ROWS, name=f"x.csv{suffix}")
    assert caught.value.help == "if it is not compressed, rename it to `x.csv`"
    with pytest.raises(DataError, match="is compressed") as caught:
        given("csv")(PACKED[suffix](ROWS.encode()), name="x.csv")
    assert caught.value.help == f"rename it to `x.csv{suffix}`"
    assert given("csv")(b"", name=f"empty.csv{suffix}").rows == []


@pytest.mark.parametrize(
    ("start", "message"), [(b"PK\x03\x04", "is a ZIP archive"), (b"PAR1", "is a Parquet file"), (b"SQLite format 3\0", "is an SQLite")]
)
def test_files_of_another_kind(given: Any, start: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        given("csv")(start + b"rest")


def test_globs_and_paths(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", ".hidden.csv", "sub/c.csv", "数据/d.csv", "x[1].csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("n\n1\n")

    def found(*patterns: str) -> list[str]:
        return [f.name for f in expand(patterns, tmp_path)]

    assert found("*.csv") == ["a.csv", "b.csv", "x[1].csv"]
    assert found("**/*.csv") == ["a.csv", "b.csv", "sub/c.csv", "x[1].csv", "数据/d.csv"]
    assert found("b.csv", "*.csv") == ["b.csv", "a.csv", "x[1].csv"]
    assert found("x[1].csv") == ["x[1].csv"]
    assert found("sub/../a.csv") == ["a.csv"]
    assert found(str(tmp_path / "a.csv")) == [str(tmp_path / "a.csv")]
    assert [f.name for f in expand(["../a.csv"], tmp_path / "sub")] == ["../a.csv"]
    assert read(tmp_path, "csv", ["数据/*.csv", "a.csv"]).places == [("a.csv", 1), ("数据/d.csv", 1)]


@pytest.mark.parametrize(
    ("pattern", "message", "help"),
    [
        ("reviws.csv", "no file `reviws.csv`", "; did you mean `reviews.csv`?"),
        ("dat/x.csv", "no file `dat/x.csv`", "; did you mean `data`?"),
        ("*.tsv", "no file matches `*.tsv`", ""),
        (
            "https://example.org/x.csv",
            "`https://example.org/x.csv` is not a path on this machine",
            "download it first, and name the local file",
        ),
    ],
)
def test_missing_files(tmp_path: Path, pattern: str, message: str, help: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "reviews.csv").write_text("n\n1\n")
    with pytest.raises(DataError) as caught:
        expand([pattern], tmp_path)
    assert caught.value.message == message
    assert caught.value.help.endswith(help)


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "lines", "files", "markdown", "html", "conll", "parquet"])
def test_folders_and_files_without_permission(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is a folder") as caught:
        read(tmp_path, kind, "folder")
    assert caught.value.help == 'name the files in it: "folder/*"'
    (tmp_path / "x").write_text("secret")
    (tmp_path / "x").chmod(0)
    if not os.access(tmp_path / "x", os.R_OK):
        with pytest.raises(DataError, match="no permission to read `x`"):
            read(tmp_path, kind, "x")


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(ROWS)
    reader = make("csv", "x.csv")
    files = files_of(reader, tmp_path)
    (tmp_path / "x.csv").unlink()
    import duckdb

    with pytest.raises(DataError, match=r"no file `x.csv`"):
        reader.header(duckdb.connect(), files, "utf-8")


@pytest.mark.parametrize(("encoding", "help"), [("utf-9", "did you mean `utf-8`?"), ("rot13", 'for example encoding: "gb18030"')])
def test_encodings_that_do_not_exist(given: Any, encoding: str, help: str) -> None:
    with pytest.raises(DataError) as caught:
        given("lines")("x", encoding=encoding)
    assert caught.value.help == help


def test_the_sample_of_a_large_file_is_bounded(tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "x.csv").write_bytes(b"".join(b"%09d\n" % i for i in range(300_000)))
    (file,) = expand(["x.csv"], tmp_path)
    pieces, whole = sample(file, "utf-8", duckdb.connect())
    assert not whole
    assert sum(map(len, pieces)) <= _files.SAMPLE_WHOLE + 1
    assert pieces[-1].endswith(b"299999\n\n")
    assert all(len(line) == 9 for piece in pieces[1:-1] for line in piece.split(b"\n")[:-1])


def test_every_reader_is_documented_with_a_recipe() -> None:
    for name in names("reader"):
        cls = find("reader", name)
        doc = cls.__doc__ or ""
        assert "```recipe\n" in doc, name
        assert f"= {name}(" in doc, name
        if "path" not in cls.Params.model_fields:  # what is read elsewhere has types already
            continue
        assert "Bad rows:" in doc, name
        assert "Source of the format:" in doc or name in ("files", "lines", "duckdb"), name


def test_headers_are_read_without_pyarrow(tmp_path: Path) -> None:
    """``check`` cannot afford it."""
    (tmp_path / "x.csv").write_text(ROWS)
    (tmp_path / "x.csv.zst").write_bytes(zstd(ROWS.encode()))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    (tmp_path / "x.jsonl").write_text('{"a": {"b": [1]}}\n')
    script = """
        import sys, sqlite3, duckdb
        from pathlib import Path
        from recipec.readers._files import find_files
        from recipec.registry import find, names
        folder = Path(sys.argv[1])
        con = duckdb.connect()
        con.execute("COPY (SELECT 1 AS a) TO '" + str(folder / "x.parquet") + "'").fetchall()
        sqlite3.connect(folder / "x.db").execute("CREATE TABLE t(a)").connection.close()
        duckdb.connect(str(folder / "x.duckdb")).execute("CREATE TABLE t(a INTEGER)").close()
        (folder / "hf").mkdir()
        con.execute("COPY (SELECT 1 AS a) TO '" + str(folder / "hf/train.parquet") + "'").fetchall()
        wanted = {"sqlite": ["x.db"], "duckdb": ["x.duckdb"], "hf": ["hf"], "parquet": ["x.parquet"], "jsonl": ["x.jsonl"], "json": ["x.jsonl"]}
        for name in names("reader"):
            cls = find("reader", name)
            if "path" not in cls.Params.model_fields:
                continue
            for path in wanted.get(name, ["x.csv", "x.csv.gz", "x.csv.zst"]):
                more = {"table": "t"} if name in ("sqlite", "duckdb") else {}
                reader = cls(cls.Params(path=path, **more))
                header = reader.header(con, find_files(reader, folder), "utf-8")
                assert header, name
        for heavy in ("pyarrow", "numpy", "pandas", "datasets", "torch"):
            assert heavy not in sys.modules, heavy
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_only_the_given_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a*.csv").write_text("n\n1\n")
    (tmp_path / "ab.csv").write_text("n\n2\n")
    assert read(tmp_path, "csv", "a*.csv").rows == [(1,)]
    import duckdb

    duckdb.connect().execute(f"COPY (SELECT 1 AS n) TO '{tmp_path}/p*.parquet'").fetchall()
    duckdb.connect().execute(f"COPY (SELECT 2 AS n) TO '{tmp_path}/pq.parquet'").fetchall()
    assert read(tmp_path, "parquet", "p*.parquet").rows == [(1,)]
