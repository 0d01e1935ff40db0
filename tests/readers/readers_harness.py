"""Reading small files through a reader, as the source step does."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from recipec.api import ReadContext, SourceFile, quote
from recipec.readers._archives import read_through
from recipec.readers._files import find_files
from recipec.registry import find

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


@dataclass
class Result:
    header: dict[str, str]
    types: dict[str, str]
    rows: list[tuple[Any, ...]]
    """The columns' values, in the order of files and rows."""
    places: list[tuple[str, int]]
    bad: list[tuple[str, int, str, str]]
    progress: list[tuple[int, int]] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        place = list(self.types).index(name)
        return [r[place] for r in self.rows]


@cache
def database(threads: int) -> duckdb.DuckDBPyConnection:
    """Connecting takes longer than reading; temporary tables are a cursor's own."""
    return duckdb.connect(config={"threads": str(threads)})


def make(name: str, *args: Any, **kwargs: Any) -> Any:
    cls = find("reader", name)
    assert cls is not None
    named = dict(zip(cls.Params.model_fields, args, strict=False)) | kwargs
    return cls(cls.Params(**named))


def files_of(reader: Any, folder: Path) -> tuple[SourceFile, ...]:
    return find_files(reader, folder)


def read(
    folder: Path, name: str, *args: Any, declared: dict[str, str] | None = None, encoding: str = "utf-8", threads: int = 2, **kwargs: Any
) -> Result:
    """What the reader ``name`` makes of files below ``folder``: header and table must agree."""
    reader = make(name, *args, **kwargs)
    files = files_of(reader, folder)
    with read_through(reader, files, look=True) as looked_at:
        header = reader.header(database(1).cursor(), looked_at, encoding)
    con = database(threads).cursor()
    con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)").fetchall()
    progress: list[tuple[int, int]] = []
    told = lambda done, total: progress.append((done, total))  # noqa: E731
    with TemporaryDirectory() as temporary, read_through(reader, files, scratch := Path(temporary)) as given:
        reader.load(ReadContext(con, given, declared, encoding, "rows read", "bad", told, scratch))
        return result_of(con, header, declared, progress)


def result_of(
    con: duckdb.DuckDBPyConnection, header: dict[str, str], declared: dict[str, str] | None, progress: list[tuple[int, int]]
) -> Result:
    described = con.execute(f"DESCRIBE {quote('rows read')}").fetchall()
    names = [d[0] for d in described]
    assert names[:2] == ["_file", "_row"]
    assert [d[1] for d in described[:2]] == ["VARCHAR", "BIGINT"]
    types = {d[0]: d[1] for d in described[2:]}
    if declared is None:
        assert types == header
    else:
        assert list(types) == list(declared)
    rows = con.execute(f"SELECT * FROM {quote('rows read')} ORDER BY _file, _row").fetchall()
    bad = con.execute("SELECT * FROM bad ORDER BY file, row").fetchall()
    places = [(r[0], r[1]) for r in rows]
    taken = places + [(b[0], b[1]) for b in bad]
    assert len(set(taken)) == len(taken), "two records have one place"
    con.close()
    return Result(header, types, [r[2:] for r in rows], places, bad, progress)
