"""``markdown``: one row a document, its front matter kept apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from recipec.api import Settings, SourceFile, reader
from recipec.readers._whole import WholeFileReader

_FRONT = re.compile(r"\A(?:---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)|\+\+\+[ \t]*\r?\n(.*?)^\+\+\+)[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_TITLE = re.compile(r"""^title[ \t]*[:=][ \t]*(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\r\n]*?))[ \t\r]*$""", re.M | re.I)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r"^ {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(?:=+|-+)[ \t]*$")


class MarkdownParams(Settings):
    path: str | list[str]


@reader("markdown")
class Markdown(WholeFileReader):
    """Markdown documents, each a row with the columns ``path``, ``title``, ``meta`` and ``text``.

    ```recipe
    source faq = markdown("docs/**/*.md")
    ```

    ``path`` is a glob, a file or a list of them. ``meta`` is the front matter as written, without its fences (YAML
    between lines of ``---``, TOML between lines of ``+++``), null where there is none; ``text`` is what follows, with its
    line ends. ``title`` is the front matter's ``title``, else the first heading (``# ...``, or a line underlined by ``===``
    or ``---``; not inside a code block), else null; the file's name is in ``path``. ``.gz``, ``.zst``, ``.bz2`` and ``.xz``
    are unpacked.

    Bad rows: a file that is not the declared encoding, or longer than 64 MiB.

    Source of the format: CommonMark 0.31; front matter as Jekyll, Hugo and Pandoc write it.
    """

    Params = MarkdownParams
    extensions = (".md", ".markdown")
    columns: ClassVar[tuple[str, ...]] = ("path", "title", "meta", "text")
    params: MarkdownParams

    def parts(self, file: SourceFile, text: str) -> Sequence[str | None]:
        front = _FRONT.match(text)
        if front is None:
            return heading(text), None, text
        meta = front[1] if front[1] is not None else front[2]
        body = text[front.end() :]
        return title_of(meta) or heading(body), meta.rstrip("\r\n"), body


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
