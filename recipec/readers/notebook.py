"""``notebook``: Jupyter notebooks, by cell or whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._documents import Bad, DocumentReader, Row, decoded


class NotebookParams(Settings):
    path: str | list[str]
    by: Literal["cell", "notebook"] = named("cell")


@reader("notebook")
class Notebook(DocumentReader):
    """Jupyter notebooks (``.ipynb``), a row for each cell, or for each notebook under ``by: notebook``.

    ```recipe
    source cells = notebook("notebooks/**/*.ipynb")
    source whole = notebook("notebooks/**/*.ipynb", by: notebook)
    ```

    ``path`` is a glob, a file or a list of them.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `cell` | the cell's number, from 1; of notebooks `cells`, how many there are |
    | `type` | `code`, `markdown` or `raw`; notebooks have no such column |
    | `language` | the notebook's programming language; null where it does not say |
    | `text` | the cell's source; of notebooks all of them, code between fences as in Markdown |
    | `output` | what a code cell printed and gave as text, also its error's name and message; null where there is none. Notebooks have no such column |

    Bad rows: a file that is not JSON or no notebook, or longer than 64 MiB; a cell without a source.

    Source of the format: nbformat 4.5; notebooks of version 3 are read too.
    """

    Params = NotebookParams
    extensions = (".ipynb",)
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "cell": "BIGINT",
        "type": "VARCHAR",
        "language": "VARCHAR",
        "text": "VARCHAR",
        "output": "VARCHAR",
    }
    params: NotebookParams

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        if self.params.by == "cell":
            return self.columns
        return {"path": "VARCHAR", "cells": "BIGINT", "language": "VARCHAR", "text": "VARCHAR"}

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        text = decoded(raw, file, "utf-8")  # JSON is UTF-8
        if isinstance(text, Bad):
            yield text
            return
        book = json_of(text)
        if isinstance(book, Bad):
            yield book
            return
        cells = cells_of(book)
        if cells is None:
            yield Bad("no notebook: it has no `cells`", text[:1000])
            return
        language = language_of(book)
        parts = []
        for number, cell in enumerate(cells, 1):
            source = joined(cell.get("source", cell.get("input"))) if isinstance(cell, dict) else None
            if source is None:
                yield Bad(f"cell {number} has no source", json.dumps(cell, ensure_ascii=False)[:1000])
                if self.params.by == "notebook":
                    return
                continue
            kind = str(cell.get("cell_type") or "raw")
            if self.params.by == "cell":
                yield file.name, number, kind, language, source, output_of(cell)
            else:
                fence = "`" * max(3, longest_run(source) + 1)
                parts.append(f"{fence}{language or ''}\n{source}\n{fence}" if kind == "code" else source)
        if self.params.by == "notebook":
            yield file.name, len(parts), language, "\n\n".join(parts)


def json_of(text: str) -> Any | Bad:
    """A JSON value, or why there is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return Bad(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}" if text.strip() else "is empty", text[:1000])
    except RecursionError:
        return Bad("not JSON that can be read: it is nested too deep", text[:1000])
    except ValueError as error:  # a number of more digits than Python converts
        return Bad(f"not JSON that can be read: {str(error).partition(';')[0]}", text[:1000])


def cells_of(book: Any) -> list[Any] | None:
    if not isinstance(book, dict):
        return None
    cells = book.get("cells")
    if cells is None and isinstance(book.get("worksheets"), list):  # nbformat 3
        cells = [c for sheet in book["worksheets"] if isinstance(sheet, dict) for c in sheet.get("cells") or []]
    return cells if isinstance(cells, list) else None


def language_of(book: dict[str, Any]) -> str | None:
    about = book.get("metadata")
    for part in ("language_info", "kernelspec") if isinstance(about, dict) else ():
        named_ = about.get(part) if isinstance(about, dict) else None
        if isinstance(named_, dict):
            value = named_.get("name" if part == "language_info" else "language")
            if isinstance(value, str) and value:
                return value.lower()
    return None


def joined(value: Any) -> str | None:
    """A text, which may be written as a list of lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "".join(value)
    return None


def output_of(cell: dict[str, Any]) -> str | None:
    outputs = cell.get("outputs")
    parts: list[str] = []
    for one in outputs if isinstance(outputs, list) else ():
        if not isinstance(one, dict):
            continue
        data = one.get("data") if isinstance(one.get("data"), dict) else one
        text = joined(one.get("text")) or joined(data.get("text/plain")) if isinstance(data, dict) else None
        if one.get("output_type") in ("error", "pyerr"):
            text = f"{one.get('ename')}: {one.get('evalue')}"
        if text:
            parts.append(text.rstrip("\n"))
    return "\n".join(parts) or None


def longest_run(text: str) -> int:
    """The most backticks that stand together at the start of a line."""
    return max((len(line) - len(line.lstrip("`")) for line in text.split("\n")), default=0)
