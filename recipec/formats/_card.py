"""The dataset card: ``README.md`` with the header that the Hugging Face Hub and ``load_dataset`` read.

Its facts come from the run (``ExportContext.card``); a fact that is not there leaves its line out. No date, no machine:
the same data give the same card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from recipec.api import ExportContext, Json
from recipec.resolve.types import shown

SHOWN_FILES = 5
"""So many files of a source are named."""
SHOWN_NAMES = 30
"""So many class names are listed in the table of columns; the files have them all."""


def dataset_card(
    ctx: ExportContext,
    splits: Mapping[str, Sequence[str]],
    classes: Mapping[str, Sequence[str]],
    *,
    pretty_name: str | None = None,
    tasks: Sequence[str] = (),
) -> str:
    """``splits``: the split's name and its files for each part, in order. ``classes``: the names of class columns."""
    card = ctx.card
    title = pretty_name or _text(card.get("recipe")) or "Dataset"
    version = _text(card.get("version"))
    body = [
        _header(ctx, splits, title, tasks),
        f"# {title}" + (f" {version}" if version else ""),
        _text(card.get("description")),
        _authors(card),
        _columns(ctx, classes),
        _parts(ctx, splits),
        origin(card, "parts", "Where the rows came from"),
        _sources(card),
        _steps(card),
        _licence(card),
        _rebuild(card),
    ]
    return "\n\n".join(b for b in body if b) + "\n"


# The header -----------------------------------------------------------------------------------------------------------


def _header(ctx: ExportContext, splits: Mapping[str, Sequence[str]], title: str, tasks: Sequence[str]) -> str:
    lines = ["---", f"pretty_name: {_yaml(title)}", *tags(ctx.card)]
    if tasks:
        lines += ["task_categories:", *(f"- {_yaml(v)}" for v in tasks)]
    lines += ["size_categories:", f"- {size_category(sum(p.rows for p in ctx.parts))}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for split, files in splits.items():
        path = files[0] if len(files) == 1 else re.sub(r"-\d{5}(-of-\d{5}\.)", r"-*\1", files[0])
        lines += [f"  - split: {_yaml(split)}", f"    path: {_yaml(path)}"]
    return "\n".join([*lines, "---"])


def tags(card: Mapping[str, Json]) -> list[str]:
    """The header's lines of licence, language and tags, those that the recipe names."""
    lines = []
    licence = _text(card.get("license"))
    if re.fullmatch(r"[A-Za-z0-9.+-]+", licence):
        lines.append(f"license: {_yaml(licence.lower())}")
    elif licence:
        lines += ["license: other", f"license_name: {_yaml(licence)}"]
    for key, values in (("language", _texts(card.get("language"))), ("tags", _texts(card.get("tags")))):
        if values:
            lines += [f"{key}:", *(f"- {_yaml(v)}" for v in values)]
    return lines


def size_category(rows: int) -> str:
    """The Hub's word for a number of rows: ``1K<n<10K``."""
    steps = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    bounds = [10 ** (3 + i) for i in range(len(steps))]
    if rows < bounds[0]:
        return "n<1K"
    for low, high, bound in zip(steps, steps[1:], bounds[1:], strict=False):
        if rows < bound:
            return f"{low}<n<{high}"
    return "n>1T"


def _yaml(text: str) -> str:
    """A text as YAML writes it: JSON's quotes are YAML's too."""
    return json.dumps(text, ensure_ascii=False)


# The body -------------------------------------------------------------------------------------------------------------


def _text(value: Json) -> str:
    return "" if value is None else str(value).strip()


def _texts(value: Json) -> list[str]:
    if value is None:
        return []
    return [_text(v) for v in value] if isinstance(value, (list, tuple)) else [_text(value)]


def _number(value: Json) -> str:
    return f"{value:,}" if isinstance(value, int) else _text(value)


def _cell(text: str) -> str:
    """A text in a table: one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns named ``rows ...`` stand to the right."""
    rule = ["---:" if h.startswith("rows") else "---" for h in heads]
    return "\n".join("| " + " | ".join(_cell(c) for c in row) + " |" for row in (heads, rule, *rows))


def _authors(card: Mapping[str, Json]) -> str:
    authors = _texts(card.get("authors"))
    return f"By {', '.join(authors)}." if authors else ""


def _columns(ctx: ExportContext, classes: Mapping[str, Sequence[str]]) -> str:
    def kind(name: str, type: str) -> str:
        if name not in classes:
            return shown(type)
        names = classes[name]
        more = f", ... ({len(names)} in all)" if len(names) > SHOWN_NAMES else ""
        listed = ", ".join(f"`{n}`" for n in names[:SHOWN_NAMES]) + more
        return f"{'a list of classes' if type.endswith(']') else 'class'}: {listed}"

    return "## Columns\n\n" + _table(("column", "type"), ((c.name, kind(c.name, c.type)) for c in ctx.parts[0].schema.columns))


def _parts(ctx: ExportContext, splits: Mapping[str, Sequence[str]]) -> str:
    def files(names: Sequence[str]) -> str:
        return f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` to `{names[-1]}`"

    rows = [(split, _number(part.rows), files(names)) for (split, names), part in zip(splits.items(), ctx.parts, strict=True)]
    return "## Parts\n\n" + _table(("part", "rows", "files"), rows)


def _sources(card: Mapping[str, Json]) -> str:
    sources = card.get("sources") or []
    if not sources:
        return ""
    rows = []
    for s in sources:
        files = s.get("files")
        listed = [] if isinstance(files, int) else _texts(files)
        more = f" and {len(listed) - SHOWN_FILES:,} more" if len(listed) > SHOWN_FILES else ""
        named = _number(files) if isinstance(files, int) else ", ".join(f"`{f}`" for f in listed[:SHOWN_FILES]) + more
        given = _text(s.get("license")) or "not given"
        rows.append((_text(s.get("name")), named, _number(s.get("rows")), given, f"`{_text(s.get('digest'))}`" if s.get("digest") else ""))
    return "## Sources\n\n" + _table(("source", "files", "rows", "licence", "digest"), rows)


def origin(card: Mapping[str, Json], what: str, title: str) -> str:
    """Rows of each table by the source that they, or the rows that they are copies of, came from."""
    rows = [
        (_text(t["name"]), _text(source) or "made by a step", _number(n))
        for t in card.get(what) or ()
        for source, n in (t.get("from") or {}).items()
    ]
    if not rows:
        return ""
    return f"## {title}\n\n" + _table((what.removesuffix("s"), "source", "rows"), rows)


def _steps(card: Mapping[str, Json]) -> str:
    steps = card.get("steps") or []
    if not steps:
        return ""
    rows = []
    for s in steps:
        dropped = " · ".join(f"{reason} {n:,}" for reason, n in (s.get("dropped") or {}).items() if n)
        rows.append((_text(s.get("name")), _text(s.get("kind")), _number(s.get("rows_in")), _number(s.get("rows_out")), dropped))
    return "## Steps\n\n" + _table(("step", "kind", "rows in", "rows out", "dropped, by reason"), rows)


def _licence(card: Mapping[str, Json]) -> str:
    licence = _text(card.get("license"))
    if not licence:
        return "## Licence\n\nThe recipe names none. The terms of the sources apply."
    return f"## Licence\n\n{licence}. The terms of the sources apply to what comes from them."


def _rebuild(card: Mapping[str, Json]) -> str:
    name = _text(card.get("recipe"))
    if not name:
        return ""
    version = _text(card.get("version"))
    fingerprint = _text(card.get("fingerprint"))
    file = _text(card.get("file"))
    how = f"run `recipec run {file}`" if file else "run it with `recipec run`"
    made = f"Made by recipec from the recipe `{name}`{f' {version}' if version else ''}; to make it again, {how}."
    sure = "The same sources give the same bytes" + (f"; this export's fingerprint is `{fingerprint}`." if fingerprint else ".")
    return f"## Rebuild\n\n{made} {sure}"
