"""Tables that come with types: relations of DuckDB, or batches of Arrow, brought to the declared columns."""

from __future__ import annotations

from collections.abc import Mapping

from recipec.api import ReadContext, quote
from recipec.readers._files import execute
from recipec.readers._stream import typed


def view_of(ctx: ReadContext, relation: str, types: Mapping[str, str], where: str) -> None:
    """Make the context's table a view over ``relation``, SQL of a SELECT that gives ``_file``, ``_row`` and the columns.

    Nothing is copied. Declared types that differ are converted on the way, and the rows whose values do not convert are
    looked up now and left out: that reads the columns in question once more.
    """
    made = typed({n: (quote(n), t) for n, t in types.items()}, ctx.columns, where)
    listed = f", {made.columns}" if made.columns else ""
    condition = ""
    if made.why != "NULL::VARCHAR":
        row = f"to_json({{{', '.join(f'{_key(n)}: {quote(n)}' for n in types)}}})"
        bad = f"SELECT _file, _row, {made.why}, {row} FROM ({relation}) WHERE ({made.why}) IS NOT NULL"
        execute(ctx.con, f"INSERT INTO {quote(ctx.bad)} {bad} ORDER BY _file, _row")
        condition = f" WHERE ({made.why}) IS NULL"
    execute(ctx.con, f"CREATE TEMP VIEW {quote(ctx.table)} AS SELECT _file, _row{listed} FROM ({relation}){condition}")


def _key(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
