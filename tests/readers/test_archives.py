"""Files in archives, read where they lie."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from readers_harness import make, read
from test_files import zstd

from recipec.api import DataError
from recipec.readers import _files
from recipec.readers._archives import as_found, divided, matcher

DOCS = {"docs/a.md": b"# A\n\nabc\n", "docs/sub/二.md": "# 二\n\n文\n".encode(), "docs/.hidden.md": b"# H\n", "x.csv": b"n\n1\n"}


def tar_of(files: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if method == zipfile.ZIP_STORED else name, data)
    return out.getvalue()


def same(data: bytes) -> bytes:
    return data


PACKED: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    ".zip": zip_of,
    ".tar": tar_of,
    ".tar.gz": lambda f: gzip.compress(tar_of(f)),
    ".tgz": lambda f: gzip.compress(tar_of(f, tarfile.USTAR_FORMAT)),
    ".tar.zst": lambda f: zstd(tar_of(f, tarfile.GNU_FORMAT)),
    ".tar.bz2": lambda f: bz2.compress(tar_of(f)),
    ".txz": lambda f: lzma.compress(tar_of(f)),
}


@pytest.mark.parametrize("suffix", PACKED)
def test_the_files_that_a_pattern_matches(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"all{suffix}").write_bytes(PACKED[suffix](DOCS))
    r = read(tmp_path, "markdown", f"all{suffix}!docs/**/*.md")
    assert r.rows == [
        (f"all{suffix}!docs/a.md", "A", None, "# A\n\nabc\n"),
        (f"all{suffix}!docs/sub/二.md", "二", None, "# 二\n\n文\n"),
    ]
    assert r.places == [(f"all{suffix}!docs/a.md", 1), (f"all{suffix}!docs/sub/二.md", 1)]
    assert r.progress[-1][0] == r.progress[-1][1]
    assert read(tmp_path, "csv", f"all{suffix}!/x.csv").rows == [(1,)]
    assert len(read(tmp_path, "files", [f"all{suffix}!**", f"all{suffix}!docs/.*"]).rows) == 4
    with pytest.raises(DataError, match=rf"`all{suffix}` holds (at least )?[23] files") as caught:
        read(tmp_path, "files", f"all{suffix}")
    assert f"all{suffix}!**" in caught.value.help
    with pytest.raises(DataError, match="no file in") as caught:
        read(tmp_path, "csv", f"all{suffix}!docs/x.csv")
    assert caught.value.help == "did you mean `x.csv`?"


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "lines", "parquet", "sqlite"])
def test_the_one_file_of_an_archive(tmp_path: Path, suffix: str, kind: str) -> None:
    more: dict[str, Any] = {}
    if kind == "parquet":
        duckdb.connect().execute(f"COPY (SELECT range AS n FROM range(1, 3)) TO '{tmp_path}/x' (FORMAT parquet)").fetchall()
    elif kind == "sqlite":
        import sqlite3

        con = sqlite3.connect(tmp_path / "x")
        con.executescript("CREATE TABLE t(n INTEGER); INSERT INTO t VALUES (1), (2)")
        con.close()
        more = {"table": "t"}
    data = {"csv": b"n\n1\n2\n", "jsonl": b'{"n": 1}\n{"n": 2}\n', "json": b'[{"n": 1}, {"n": 2}]', "lines": b"1\n2\n"}
    content = data.get(kind) or (tmp_path / "x").read_bytes()
    (tmp_path / f"d{suffix}").write_bytes(PACKED[suffix]({f"in/x.{kind}": content, "__MACOSX/._x": b"\0", ".DS_Store": b"\1"}))
    r = read(tmp_path, kind, f"d{suffix}", **more)
    assert [str(v) for (v,) in r.rows] == ["1", "2"]
    assert r.places == [(f"d{suffix}!in/x.{kind}", 1), (f"d{suffix}!in/x.{kind}", 2)]


def test_compressed_files_in_archives_and_globs_of_archives(tmp_path: Path) -> None:
    for n in (1, 2):
        packed = {f"p{n}.jsonl.gz": gzip.compress(b'{"n": %d}\n' % n), f"q{n}.jsonl.zst": zstd(b'{"n": %d}\n' % (n * 10))}
        (tmp_path / f"a{n}.zip").write_bytes(zip_of(packed))
        (tmp_path / f"b{n}.tar.zst").write_bytes(zstd(tar_of(packed)))
    assert sorted(read(tmp_path, "jsonl", "a*.zip!*.jsonl.*").rows) == [(1,), (2,), (10,), (20,)]
    assert sorted(read(tmp_path, "jsonl", ["b*.tar.zst!**/p*", "a1.zip!q*"]).rows) == [(1,), (2,), (10,)]


def test_names_with_an_exclamation_mark_are_names(tmp_path: Path) -> None:
    (tmp_path / "what!.csv").write_bytes(b"n\n1\n")
    (tmp_path / "a.zip!b.csv").write_bytes(b"n\n2\n")
    assert read(tmp_path, "csv", ["what!.csv", "a.zip!b.csv"]).rows == [(2,), (1,)]
    assert divided("x!y.csv", tmp_path) == ("x!y.csv", "")
    assert divided("x.zip!!y.csv", tmp_path) == ("x.zip", "!y.csv")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.md", "a.md", "d/a.md .a.md a.mdx"),
        ("**/*.md", "a.md d/a.md d/e/a.md", ".d/a.md d/.a.md"),
        ("d/**", "d/a d/e/f.x", "d e/d/a d/.x"),
        ("[ab]?.txt", "ab.txt b1.txt", "c1.txt a.txt"),
        ("[!a].txt", "b.txt", "a.txt"),
        ("a[", "a[", "a"),
    ],
)
def test_patterns(pattern: str, yes: str, no: str) -> None:
    assert all(matcher(pattern).fits(name) for name in yes.split())
    assert not any(matcher(pattern).fits(name) for name in no.split())


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a" * 30 + "b", "a" * 5_000),
        ("**/" * 30 + "x", "/".join(["a"] * 3_000)),
        ("**/*a*/" * 15 + "x", "/".join(["aaaa"] * 1_000)),
        ("?*" * 40 + "!", "y" * 5_000),
        ("[a-b]*" * 40 + "c", "ab" * 2_500),
    ],
)
def test_no_pattern_takes_long(pattern: str, name: str) -> None:
    begun = time.perf_counter()
    assert not matcher(pattern).fits(name)
    assert time.perf_counter() - begun < 2


def test_of_files_with_one_name_the_last_counts(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for data in (b"old", b"new"):
            info = tarfile.TarInfo("./a.txt")
            info.size = 3
            tar.addfile(info, io.BytesIO(data))
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    assert read(tmp_path, "files", "x.tar").rows == [("x.tar!a.txt", "new")]


def test_names_as_chinese_windows_wrote_them(tmp_path: Path) -> None:
    data = zip_of({"????.txt": b"x"}, zipfile.ZIP_STORED).replace(b"????", "文件".encode("gbk"))
    (tmp_path / "x.zip").write_bytes(data)
    assert read(tmp_path, "files", "x.zip").rows == [("x.zip!文件.txt", "x")]


def test_names_that_lead_out_are_only_names(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.zip").write_bytes(zip_of({"../../evil.txt": b"x", "/etc/abs.txt": b"y", "w\\in.txt": b"z"}))
    r = read(tmp_path / "in", "files", ["x.zip!../../*", "x.zip!/**", "x.zip!w/*"])
    assert {p for p, _ in r.rows} >= {"x.zip!../../evil.txt", "x.zip!w/in.txt"}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "x.zip"]


def test_links_and_devices_in_a_tar_are_no_files(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for type, name in ((tarfile.SYMTYPE, "link.txt"), (tarfile.CHRTYPE, "dev.txt"), (tarfile.DIRTYPE, "d.txt")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = type, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("a.txt")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"a"))
        info = tarfile.TarInfo("hard.lnk")
        info.type, info.linkname = tarfile.LNKTYPE, "a.txt"
        tar.addfile(info)
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    assert read(tmp_path, "files", "x.tar!*.txt").rows == [("x.tar!a.txt", "a")]
    with pytest.raises(DataError, match=r"`x.tar!hard.lnk` is a hard link, which is not read"):
        read(tmp_path, "files", "x.tar!*")


# What is wrong with them ----------------------------------------------------------------------------------------------


def flagged(data: bytes, flag: int) -> bytes:
    """The first member's flags, in its own header and in the directory's."""
    out = bytearray(data)
    struct.pack_into("<H", out, 6, struct.unpack_from("<H", data, 6)[0] | flag)
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<H", out, at + 8, struct.unpack_from("<H", data, at + 8)[0] | flag)
    return bytes(out)


def method(data: bytes, number: int) -> bytes:
    out = bytearray(data)
    struct.pack_into("<H", out, 8, number)
    struct.pack_into("<H", out, data.index(b"PK\x01\x02") + 10, number)
    return bytes(out)


def test_members_that_cannot_be_unpacked_are_bad_rows_of_whole_files(tmp_path: Path) -> None:
    two = zip_of({"a.txt": b"first " * 50, "b.txt": b"second"})
    for name, data, why in (
        ("enc.zip", flagged(two, 1), "is encrypted"),
        ("zst.zip", method(two, 93), "is packed with Zstandard, which is not read"),
        ("crc.zip", two.replace(struct.pack("<I", 0x4C0B2C98), b"\0\0\0\0"), ""),
    ):
        (tmp_path / name).write_bytes(data)
        if why:
            r = read(tmp_path, "files", f"{name}!*")
            assert r.rows == [(f"{name}!b.txt", "second")]
            assert r.bad == [(f"{name}!a.txt", 1, why, "")]
            with pytest.raises(DataError, match=why):
                read(tmp_path, "lines", f"{name}!*")
    packed = bytearray(zip_of({"a.txt": bytes(range(256)) * 20, "b.txt": b"second"}))
    packed[60:70] = b"\xaa" * 10
    (tmp_path / "bad.zip").write_bytes(packed)
    r = read(tmp_path, "files", "bad.zip!*")
    assert (len(r.rows), [b[0] for b in r.bad]) == (1, ["bad.zip!a.txt"])
    assert r.bad[0][2].startswith("is damaged: ")


@pytest.mark.parametrize("suffix", PACKED)
def test_archives_that_are_cut_off(tmp_path: Path, suffix: str) -> None:
    import os

    data = PACKED[suffix]({f"{i}.txt": os.urandom(20_000).hex().encode() for i in range(5)})
    (tmp_path / f"x{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"ends in the middle|damaged ZIP archive"):
        read(tmp_path, "files", f"x{suffix}!*")
    (tmp_path / f"y{suffix}").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path, "files", f"y{suffix}!*")
    (tmp_path / f"z{suffix}").write_bytes(b"name,age\nann,5\n" * 100)
    with pytest.raises(DataError, match=r"is not .*: it begins with 6e 61 6d 65"):
        read(tmp_path, "files", f"z{suffix}!*")


def test_other_kinds_and_archives_in_archives(tmp_path: Path) -> None:
    (tmp_path / "x.7z").write_bytes(b"7z\xbc\xaf")
    with pytest.raises(DataError, match=r"`x.7z` is an archive of a kind that is not read"):
        read(tmp_path, "files", "x.7z!*")
    (tmp_path / "x.zip").write_bytes(zip_of({"in.zip": zip_of({"a.csv": b"n\n1\n"})}))
    with pytest.raises(DataError, match=r"`x.zip!in.zip` is a ZIP archive") as caught:
        read(tmp_path, "csv", "x.zip")
    assert caught.value.help.startswith("unpack it first")
    (tmp_path / "dump").write_bytes(zip_of({"a.csv": b"n\n1\n"}))
    with pytest.raises(DataError, match="is a ZIP archive") as caught:
        read(tmp_path, "csv", "dump")
    assert caught.value.help.startswith("name it `.zip`")


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "BOMB_FROM", 1 << 20)
    zeros = b"\0" * (2 << 20)
    (tmp_path / "x.zip").write_bytes(zip_of({"a.txt": zeros}))
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(tar_of({"a.txt": zeros})))
    (tmp_path / "x.txt.xz").write_bytes(lzma.compress(zeros))
    (tmp_path / "y.zip").write_bytes(zip_of({"a.txt.gz": gzip.compress(zeros)}))
    for name in ("x.zip", "x.tar.gz", "x.txt.xz", "y.zip"):
        with pytest.raises(DataError, match=r"is unpacked to more than 500 times its 0.0 MB, as a bomb is"):
            read(tmp_path, "lines", name)


def test_a_zip_whose_files_overlap(tmp_path: Path) -> None:
    """As in the bomb that David Fifield described in 2019: many entries of the directory share one file's bytes."""
    one = zip_of({"a.txt": bytes(range(256)) * 4})
    directory, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entry = one[directory:end]
    entries = b"".join(entry.replace(b"a.txt", b"%05d" % i) for i in range(200))
    ending = bytearray(one[end:])
    struct.pack_into("<HHI", ending, 8, 200, 200, len(entries))
    (tmp_path / "x.zip").write_bytes(one[:directory] + entries + bytes(ending))
    with pytest.raises(DataError, match="its files overlap"):
        read(tmp_path, "files", "x.zip!*")


def test_a_file_without_permission(tmp_path: Path) -> None:
    import os

    (tmp_path / "x.zip").write_bytes(zip_of(DOCS))
    (tmp_path / "x.zip").chmod(stat.S_IWUSR)
    if not os.access(tmp_path / "x.zip", os.R_OK):
        with pytest.raises(DataError, match="no permission to read"):
            read(tmp_path, "files", "x.zip!*")


# Through a recipe -----------------------------------------------------------------------------------------------------


def test_an_archive_in_a_recipe(lab: Any) -> None:
    """Rows of files in an archive have their own keys and places; the archive's contents decide whether it is read again."""
    path = lab.folder / "all.tar.gz"
    path.write_bytes(PACKED[".tar.gz"]({"docs/a.md": b"# A\n", "docs/b.md": b"\xff", "x.json": b"[]"}))
    text = 'source s = markdown("all.tar.gz!docs/*.md") { max_bad: 50% }'
    ran = lab.run(text)
    assert ran.rows("select path, title from s") == [("all.tar.gz!docs/a.md", "A")]
    assert ran.rows('select file, "row", reason from recipec.bad') == [("all.tar.gz!docs/b.md", 1, "not valid utf-8")]
    assert [p.status for p in lab.plan(text).steps] == ["reuse"]
    path.write_bytes(PACKED[".tar.gz"]({"docs/a.md": b"# B\n"}))
    assert [(p.status, p.why) for p in lab.plan(text).steps] == [("run", "file all.tar.gz!docs/*.md changed")]
    assert lab.run(text).rows("select title from s") == [("B",)]


def test_what_is_wrong_with_an_archive_is_said_by_the_check(lab: Any) -> None:
    (lab.folder / "a.zip").write_bytes(zip_of(DOCS))
    (lab.folder / "b.zip").write_bytes(zip_of({"x.csv": b"n\n1\n"}))
    assert lab.schema('source s = csv("b.zip")', "s") == {"n": "BIGINT"}
    assert lab.schema('source s = csv(["a.zip!x.csv", "b.zip"])', "s") == {"n": "BIGINT"}
    for pattern, message in (
        ("a.zip", "`a.zip` holds at least 2 files: `docs/a.md`, `docs/sub/二.md`"),
        ("a.zip!*.tsv", "no file in `a.zip` matches `*.tsv`"),
        ("c.zip!*.csv", "no file `c.zip`"),
    ):
        assert [d.message for d in lab.check(f'source s = csv("{pattern}")')] == [message]


def test_a_row_of_an_archive_is_found_by_its_place(lab: Any) -> None:
    from recipec.plan.explain import Teller

    (lab.folder / "a.zip").write_bytes(zip_of(DOCS))
    text = 'source s = markdown("a.zip!docs/**/*.md")'
    lab.run(text)
    with lab.open() as workspace:
        teller = Teller(lab.sound(text), workspace, "s")
        for place in ("docs/sub/二.md:1", "a.zip!docs/sub/二.md:1"):
            keys, _ = teller.find("s", place)
            assert keys
            assert {teller.label(k) for k in keys} == {"a.zip!docs/sub/二.md:1"}


@pytest.mark.parametrize(
    ("kind", "names", "declared", "way"),
    [
        ("csv", ["a.csv", "b.csv"], ["n"], "rows"),
        ("csv", ["a.csv", "b.csv"], None, "rows"),
        ("csv", ["a.zip", "b.tar"], ["n"], "rows"),
        ("csv", ["a.zip"], None, "rows"),
        ("csv", ["a.zip", "b.tar"], None, "driver"),
        ("markdown", ["a.zip", "b.tar"], None, "rows"),
        ("json", ["a.json", "b.json"], ["n"], "rows"),
        ("json", ["a.zip", "b.zip"], ["value"], "driver"),
        ("sqlite", ["a.db", "b.db"], None, "driver"),
    ],
)
def test_what_one_file_at_a_time_cannot_be_read_as_is_read_in_one_place(
    kind: str, names: list[str], declared: list[str] | None, way: str
) -> None:
    from types import SimpleNamespace

    from recipec.engines.ray.ways import source_way

    files = tuple(as_found(Path(n), n, "") for n in names)
    types = None if declared is None else dict.fromkeys(declared, "BIGINT")
    plan = SimpleNamespace(repeated="error", key=(), declared=types, files=files, reader=make(kind, names))
    assert source_way(plan).way == way
