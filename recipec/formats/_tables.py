"""What formats that write a database as one file share: a table for each part, under the part's name."""

from __future__ import annotations

from recipec.api import DataError, ExportContext, ExportPart


def name_of(ctx: ExportContext, part: ExportPart, asked: str) -> str:
    """The table of a part: as asked, of several parts with the part's name behind it."""
    if not asked:
        return part.name
    return asked if len(ctx.parts) == 1 else f"{asked}_{part.name}"


def one_file(ctx: ExportContext, format: str, extension: str) -> str:
    """The file's name: as ``to`` says, else that of the format."""
    folded = [p.name.casefold() for p in ctx.parts]
    if len(set(folded)) < len(folded):
        twice = next(p.name for p in ctx.parts if folded.count(p.name.casefold()) > 1)
        raise DataError(f"two parts are called `{twice}` and would write the same table", "export them to two databases")
    if ctx.shards > 1:
        raise DataError(f"{format}() writes one file, and `shards` asks for {ctx.shards}", "leave `shards` out")
    return ctx.single or f"data{extension}"
