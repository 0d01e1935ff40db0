"""``format: csv()``."""

from __future__ import annotations

from typing import Any

from recipec.api import Column, ExportContext, ExportPart, Format, Schema, Settings, format, literal, quote
from recipec.formats._lines import Compression, compression, write_text
from recipec.formats._rules import Problems, one_character, unfit
from recipec.formats._types import parse

NOT_IN_CSV = frozenset(["LIST", "ARRAY", "STRUCT", "MAP", "UNION", "TUPLE", "VARIANT", "BLOB", "GEOMETRY"])
HELP = 'use jsonl() or parquet(), or make text of it: `{0} = array_to_string({0}, " ")` or `{0} = to_json({0})`; `columns:` leaves it out'
DANGEROUS = "[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]"
"""First characters that spreadsheets take for a formula, the full-width ones too (OWASP, CSV injection)."""


@format("csv")
class Csv(Format):
    r"""CSV as RFC 4180 has it, in UTF-8: a field with a delimiter, a quote or a line break is quoted, quotes are doubled.

    ```recipe
    export out from final { to: "build/reviews"  format: csv() }
    export sheet from tidy { to: "build/tidy.tsv"  format: csv(delimiter: "\t") }
    export review from sample { to: "build/review.csv"  format: csv(spreadsheet_safe: true, bom: true) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `header` | a first line with the names of the columns | `true` |
    | `delimiter` | one character; with a tab the files are called `.tsv` | `","` |
    | `quote` | one character | `"\""` |
    | `spreadsheet_safe` | `'` before a text that a spreadsheet would run as a formula (`=1+1`, `@cmd`) | `false` |
    | `bom` | a mark by which Excel on Windows sees that the file is UTF-8 (Chinese is garbled there without it) | `false` |
    | `compression` | `none`, `gzip` or `zstd` | by the name in `to:`, else `none` |

    A null is an empty field and an empty text is `""`: DuckDB tells them apart with `allow_quoted_nulls = false`, most readers
    never do. In a table of one column a null is `""` too, because an empty line is no row. Lines end with a line feed. Lists, structs and
    maps are refused, since every reader would see another text in them. `spreadsheet_safe` changes texts: for people to look
    at, not for training.

    Read with `load_dataset("csv", data_files="build/reviews/train.csv")`, `pandas.read_csv`, or by any spreadsheet.
    """

    class Params(Settings):
        header: bool = True
        delimiter: str = ","
        quote: str = '"'
        spreadsheet_safe: bool = False
        bom: bool = False
        compression: Compression | None = None

    extension = ".csv"
    by_file = True

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        if params.delimiter == "\t":
            vars(self)["extension"] = ".tsv"

    def check(self, schema: Schema) -> Problems:
        found = one_character(self.params.delimiter, "delimiter") + one_character(self.params.quote, "quote")
        if self.params.delimiter == self.params.quote:
            found.append(("`delimiter` and `quote` are the same character", 'write delimiter: "," and quote: "\\""'))
        return found + unfit(schema, "CSV", lambda t: t.name not in NOT_IN_CSV, lambda name, _: HELP.format(name))

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        marks = (p.delimiter, p.quote, "\r", "\n")

        def field(column: Column, alone: bool) -> str:
            x = f"CAST({quote(column.name)} AS VARCHAR)"
            if p.spreadsheet_safe and parse(column.type).name in ("VARCHAR", "ENUM", "JSON"):
                x = f"CASE WHEN regexp_matches({x}, {literal('^' + DANGEROUS)}) THEN '''' || {x} ELSE {x} END"
            q = literal(p.quote)
            quoted = f"{q} || replace({x}, {q}, {literal(p.quote * 2)}) || {q}"
            # A hundred times faster than a regular expression over the four.
            marked = " OR ".join(f"contains({x}, {literal(m)})" for m in marks)
            empty = literal(p.quote * 2 if alone else "")
            return f"CASE WHEN {quote(column.name)} IS NULL THEN {empty} WHEN {x} = '' OR {marked} THEN {quoted} ELSE {x} END"

        def line(part: ExportPart) -> str:
            columns = part.schema.columns
            return f" || {literal(p.delimiter)} || ".join(field(c, len(columns) == 1) for c in columns) + " || chr(10)"

        def name(text: str) -> str:
            plain = text and not any(m in text for m in marks)
            return text if plain else p.quote + text.replace(p.quote, p.quote * 2) + p.quote

        def head(part: ExportPart) -> bytes:
            names = p.delimiter.join(name(n) for n in part.schema.names) + "\n" if p.header else ""
            return (("\ufeff" if p.bom else "") + names).encode()

        write_text(ctx, line, self.extension, head=head, compress=compression(ctx, p.compression))
