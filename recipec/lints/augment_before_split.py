"""``augment-before-split``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("augment-before-split")
class AugmentBeforeSplit(Lint):
    """Rows are copied, and then divided: copies of one row fall into different parts.

    A model is then tested on what it has learned by heart. Rows are copied by operators that make several of one
    (``explode``, ``chunk``), by ``mix`` with ``epochs``, and by mixing a table with a changed version of itself. All copies of
    a row must fall into one part: divide first and copy inside the part, or group the split by what the copies share.

    Vandewiele and others (Overly optimistic prediction results on imbalanced data, Artificial Intelligence in Medicine 111,
    2021) rebuilt studies that predict preterm birth with nearly perfect results: they had over-sampled their data before
    dividing it, and divided first, the same methods came out far lower.

    Bad: the pieces of one page are divided.

    ```recipe
    recipe "pages" { seed: 7 }
    source pages = jsonl("pages.jsonl") { columns: { url: text, text: text } }
    clean pieces from pages { chunk(text, words: 200) }
    clean tidy from pieces { text = squeeze_space(text) }
    split final from tidy { train: 80%  test: 20% }
    ```

    Good: all pieces of a page in one part.

    ```recipe
    recipe "pages" { seed: 7 }
    source pages = jsonl("pages.jsonl") { columns: { url: text, text: text } }
    clean pieces from pages { chunk(text, words: 200) }
    clean tidy from pieces { text = squeeze_space(text) }
    split final from tidy { train: 80%  test: 20%  group: url }
    ```

    A list that is known to have one element (``expect len(answers) == 1``) copies nothing when it is taken apart.

    Silence: ``# allow: augment-before-split because the pages share nothing``.
    """

    name = "augment-before-split"
    code = "W301"

    @classmethod
    def find(cls, view: View) -> Iterator[AugmentBeforeSplit]:
        for split in view.splits:
            table = view.tables.table(split.inputs[0])
            together = view.kept_together(split) if table.copying else None
            for way in table.copying:
                if together is None:
                    break
                if way.identical and together:
                    continue
                kept = [asked for value, asked in together if way.number not in view.tables.values.copies[value]]
                # Whole texts under each other may be near-duplicates of their originals; pieces of one text are not.
                near = any(asked == "near" for _, asked in together) and view.by_name[way.step].bound.traits.scope == "global"
                if kept or near:
                    continue
                source = view.by_name[way.step].entry.node.name.id
                held = [c for c, v in table.columns.items() if way.number not in view.tables.values.copies[v]]
                keys = view.tables.values
                better = [c for c in held if keys.shape[table.columns[c]][0] == "column"] or held
                help = ["divide first, and copy inside the part" if not table.walled else "divide before the rows are copied"]
                if better:
                    help.append(f"or keep copies together by a column that they share: group: {better[0]}")
                yield cls(
                    span=view.head(split),
                    message=f"copies of one row may fall into different parts of `{split.entry.node.name.id}`",
                    label="divides row by row" if not together else "what is kept together differs between the copies",
                    also=(Label(way.span, f"`{source}` makes several rows of one" if not way.identical else "uses rows more than once"),),
                    help=tuple(help),
                )
