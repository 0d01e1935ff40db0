"""``unused-name``"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipec.api import lint
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.syntax import tree

_INCLUDE = re.compile(r"""\{%[-+]?\s*include\s+["']([^"']+)["']""")


@lint("unused-name")
class UnusedName(Lint):
    """A ``param``, ``def``, ``template`` or ``import`` of a recipe that exports, which nothing in it uses.

    A parameter that nothing reads is the worst of them: ``--set min_words=8`` is accepted and changes nothing. In a file
    without an export nothing is said: such a file may be there for others to import.

    Xu and others (Do Not Blame Users for Misconfigurations, SOSP 2013) found 743 places in seven systems that react badly to
    wrong settings; the worst say nothing, and leave those who made the setting to find out.

    Bad:

    ```recipe
    param min_words: int = 5
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { drop where words(text) < 5 }
    export out from tidy { to: "build/out"  format: parquet() }
    ```

    Good:

    ```recipe
    param min_words: int = 5
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { drop where words(text) < min_words }
    export out from tidy { to: "build/out"  format: parquet() }
    ```

    Silence: ``# allow: unused-name because the next release uses it``.
    """

    name = "unused-name"
    code = "W313"

    @classmethod
    def find(cls, view: View) -> Iterator[UnusedName]:
        if not any(not w.entry.module.prefix for w in view.writers):
            return
        items = view.program.root.file.items
        mentioned = {name for item in items for name in mentions(item)}
        for item in items:
            match item:
                case tree.Param(name=name):
                    what, why = "parameter", "setting it changes nothing"
                case tree.Def(name=name):
                    what, why = "`def`", "remove it, or use it"
                case tree.Template(name=name):
                    what, why = "template", "remove it, or use it"
                case tree.Import(alias=name):
                    what, why = "import", "remove it, or use it"
                case _:
                    continue
            if name.id not in mentioned:
                yield cls(span=name.span, message=f"nothing uses the {what} `{name.id}`", help=(why,))


def mentions(item: tree.Item) -> Iterator[str]:
    """Every name that an item speaks of, its own and those that it declares left out."""
    match item:
        case tree.Param(default=default):
            nodes: tuple[tree.Node, ...] = (default,) if default is not None else ()
        case tree.Def(name=own, params=params, body=body):
            hidden = {own.id, *(p.id for p in params)}
            yield from (n.id for n in tree.walk(body) if isinstance(n, tree.Name) and n.id not in hidden)
            return
        case tree.Step():
            nodes = (*item.inputs, *item.body, *((item.reader,) if item.reader is not None else ()))
        case tree.Template(parts=parts):
            # What it includes is named in its text, perhaps with the import's name before it.
            yield from (name.split(".")[0] for _, text in parts for name in _INCLUDE.findall(text.value))
            return
        case tree.Import():
            nodes = ()
        case _:
            nodes = (item,)
    for node in nodes:
        yield from (n.id for n in tree.walk(node) if isinstance(n, tree.Name))
