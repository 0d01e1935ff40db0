"""``markdown``: one row a document, its front matter kept apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from recipec.api import ReadContext, Settings, SourceFile, quote, reader
from recipec.readers._card import front_matter
from recipec.readers._documents import Bad, DocumentReader, Row, decoded

_FRONT = re.compile(r"\A(?:---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)|\+\+\+[ \t]*\r?\n(.*?)^\+\+\+)[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_TITLE = re.compile(r"""^title[ \t]*[:=][ \t]*(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\r\n]*?))[ \t\r]*$""", re.M | re.I)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r"^ {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(?:=+|-+)[ \t]*$")


class MarkdownParams(Settings):
    path: str | list[str]


@reader("markdown")
class Markdown(DocumentReader):
    """Markdown documents, each a row with the columns ``path``, ``title``, ``meta`` and ``text``.

    ```recipe
    source faq = markdown("docs/**/*.md")
    source posts = markdown("blog/**/*.md") { columns: { path: text, title: text, date: date, tags: [text], text: text } }
    ```

    ``path`` is a glob, a file or a list of them. ``meta`` is the front matter as written, without its fences (YAML
    between lines of ``---``, TOML between lines of ``+++``), null where there is none; ``text`` is what follows, with its
    line ends. ``title`` is the front matter's ``title``, else the first heading (``# ...``, or a line underlined by ``===``
    or ``---``; not inside a code block), else null; the file's name is in ``path``. ``.gz``, ``.zst``, ``.bz2`` and ``.xz``
    are unpacked.

    Declared ``columns`` of other names are read from the front matter's top level: ``tags: [a, b]`` is a list (as is a single value where a
    list is declared), mappings convert to ``json``, a struct or a map; what a document does not say is null. YAML is read as
    far as front matter uses it: no anchors, tags or several documents.

    Bad rows: a file that is not the declared encoding, or longer than 64 MiB; where columns are read from it, front matter that
    cannot be read, or a value that does not convert to its declared type.

    Source of the format: CommonMark 0.31; front matter as Jekyll, Hugo and Pandoc write it.
    """

    Params = MarkdownParams
    extensions = (".md", ".markdown")
    columns: ClassVar[Mapping[str, str]] = {"path": "VARCHAR", "title": "VARCHAR", "meta": "VARCHAR", "text": "VARCHAR"}
    params: MarkdownParams

    @property
    def free_names(self) -> bool:
        return True

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        more = dict.fromkeys((n for n in declared or () if n not in self.columns), "VARCHAR")
        return {**more, **self.columns}

    def given(self, declared: Mapping[str, str] | None) -> dict[str, tuple[str, str]]:
        out = super().given(declared)
        for name, type in (declared or {}).items():
            if name not in self.columns and nested(type):
                out[name] = (f"{quote(name)}::JSON", "JSON")
        return out

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        if raw.startswith(b"PK\x03\x04"):
            yield Bad("not text: it is a ZIP archive")
            return
        text = decoded(raw, file, ctx.encoding)
        if isinstance(text, Bad):
            yield text
            return
        wanted = [(n, t) for n, t in (ctx.columns or {}).items() if n not in self.columns]
        front = _FRONT.match(text)
        meta = None if front is None else front[1] if front[1] is not None else front[2]
        body = text if front is None else text[front.end() :]
        try:
            said = read_front(meta, toml=front is not None and front[1] is None) if wanted and meta is not None else {}
        except ValueError as error:
            yield Bad(f"its front matter cannot be read: {error}", text)
            return
        title = heading(body) if meta is None else title_of(meta) or heading(body)
        more = [as_text(said.get(n), nested(t), t.endswith("]")) for n, t in wanted]
        yield (*more, file.name, title, None if meta is None else meta.rstrip("\r\n"), body)


def nested(type: str) -> bool:
    return type.endswith("]") or type.upper().startswith(("STRUCT", "MAP", "JSON", "UNION"))


def read_front(meta: str, *, toml: bool) -> Mapping[str, Any]:
    """What front matter says, by key. Raises ValueError."""
    if not toml:
        return front_matter(f"---\n{meta}\n---\n")
    import tomllib

    return tomllib.loads(meta.replace("\r\n", "\n"))


def as_text(value: Any, json_wanted: bool, list_wanted: bool) -> str | None:
    """A value as text, or as JSON for a column that is nested."""
    if value is None:
        return None
    if list_wanted and not isinstance(value, list):
        value = [value]
    if json_wanted or isinstance(value, list | dict):
        import json

        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)


def title_of(meta: str) -> str | None:
    """The value of ``title`` at the top level of YAML or TOML."""
    found = _TITLE.search(meta)
    if found is None:
        return None
    if found[1] is not None:
        return re.sub(r"\\(.)", r"\1", found[1])
    if found[2] is not None:
        return found[2].replace("''", "'")
    return found[3] or None


def heading(text: str) -> str | None:
    """The text of the first heading, its markup left in."""
    fence = ""
    paragraph: list[str] = []
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line.strip(" \t`~"):
                fence = ""
            continue
        if found:
            fence, paragraph = found[1], []
        elif (atx := _ATX.match(line)) is not None:
            if atx[1] and atx[1].strip("#"):
                return atx[1].strip()
            paragraph = []
        elif paragraph and _SETEXT.match(line):
            return " ".join(paragraph)
        elif line.strip() and not line.startswith(("    ", "\t")) and not re.match(r" {0,3}(?:[>*+-]|\d+[.)])(?:\s|$)", line):
            paragraph.append(line.strip())
        else:
            paragraph = []
    return None
