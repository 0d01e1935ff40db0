"""``format: huggingface()``."""

from __future__ import annotations

import json
import re
from typing import Any

from recipec.api import ColumnName, DataError, ExportContext, ExportPart, Format, Schema, Settings, format, literal, quote
from recipec.formats._card import dataset_card
from recipec.formats._labels import found_classes, single
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import needs_folder, targets
from recipec.formats._table import Compression, write_parquet
from recipec.formats._types import INTEGERS, Type, is_list, is_text, parse
from recipec.formats.parquet import parquet_problems, parquet_rules
from recipec.resolve.types import shown
from recipec.settings import Field

HELP = 'leave `{0}` out of `labels:`, or name its classes: `names: {{ {0}: ["a", "b"] }}`'
USUAL_SPLITS = ("train", "validation", "test")


@format("huggingface")
class HuggingFace(Format):
    """A dataset folder for `datasets`: Parquet for each part and a card that says what it is and how it was made.

    ```recipe
    export hub from final { to: "build/packages"  format: huggingface(labels: [topic]) }
    export ner from final {
      to: "build/names"
      format: huggingface(labels: [tags], names: { tags: ["O", "B-PER", "I-PER"] }, tasks: ["token-classification"])
    }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `labels` | columns to write as `ClassLabel`: text, whole numbers, true/false, or lists of them | none |
    | `names` | the classes of a column in their order; for a column of whole numbers, the names of 0, 1, 2, ... | found in the rows |
    | `tasks` | the Hub's task categories, for the card | none |
    | `pretty_name` | the title of the card | the recipe's name |
    | `compression`, `row_group` | as for `parquet()` | `zstd`, 100,000 |

    Columns of an enumeration are classes without being named. Classes that are not given are the values of all parts
    together, sorted: numbers by value, texts by code point, tags with `O` first and then by entity (`O`, `B-LOC`, `I-LOC`,
    `B-PER`, ...). A value that is not among the given names is an error; a null stays null. The types of the other columns
    are those of `parquet()`.

    `README.md` has the Hub's header (license, language, tags, size, files of each split) and shows columns, parts, sources
    with their digests, and each step with its rows and what it dropped. A lone table that is not called train, validation
    or test becomes the split `train`, as `load_dataset` would call it.

    Read with `load_dataset("build/packages")`; upload with `hf upload USER/NAME build/packages . --repo-type dataset`.
    Classification and token classification scripts of transformers take the class names from there.
    """

    class Params(Settings):
        labels: tuple[ColumnName, ...] = ()
        names: dict[str, tuple[str, ...]] = Field(default_factory=dict)
        tasks: tuple[str, ...] = ()
        pretty_name: str | None = None
        compression: Compression = "zstd"
        row_group: int = Field(default=100_000, ge=1)

    extension = ""  # a folder, never one file
    beside = frozenset({"README.md", "dataset_info.json", "dataset_infos.json"})
    card = True

    def classes(self, schema: Schema) -> dict[str, Type]:
        """The columns to write as classes, in the order of the schema: those named, and enumerations."""
        asked = {c.name for c in self.params.labels} | set(self.params.names)
        types = {c.name: parse(c.type) for c in schema.columns}
        return {n: t for n, t in types.items() if n in asked or single(t).name == "ENUM"}

    def check(self, schema: Schema) -> Problems:
        if schema.unknown:
            return []
        found = parquet_problems(schema)
        for name in dict.fromkeys([*(c.name for c in self.params.labels), *self.params.names]):
            if name not in schema.types:
                found.append((f"`{name}` is to be a class, and is not exported", "add it to `columns:` of the export"))
        for name, t in self.classes(schema).items():
            one = single(t)
            if not (is_text(one) or one.name in INTEGERS or one.name == "BOOLEAN"):
                found.append(
                    (
                        f"`{name}` cannot be a class: it is {shown(schema.types[name])}",
                        "classes are text, whole numbers, true/false, or lists of them",
                    )
                )
        for name, names in self.params.names.items():
            twice = next((n for n in names if names.count(n) > 1), None)
            if twice is not None or not names:
                found.append((f"the names of `{name}` " + ("are none" if not names else f"have `{twice}` twice"), "name each class once"))
        for task in self.params.tasks:
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", task):
                found.append((f"`{task}` is no task category of the Hub", 'write it as the Hub does: "text-classification"'))
        return found

    def write(self, ctx: ExportContext) -> None:
        needs_folder(ctx, "huggingface", "a folder")
        schema = ctx.parts[0].schema
        other = next((p for p in ctx.parts if p.schema.types != schema.types), None)
        if other is not None:
            raise DataError(
                f"`{ctx.parts[0].name}` and `{other.name}` have different columns, and the splits of a dataset have the same",
                "choose them: `columns: [...]`, or make two exports",
            )
        columns = self.classes(schema)
        given = self.params.names
        names = {n: given.get(n) or found_classes(ctx, n, t, otherwise=HELP.format(n)) for n, t in columns.items()}
        known = [_known(n, t, names[n], n in given) for n, t in columns.items()]
        require(ctx, "a Hugging Face dataset", lambda _: [*parquet_rules(schema), *known])
        features = {n: _feature(t, names[n]) for n, t in columns.items()}

        def split(part: ExportPart) -> str:
            return _split(part, len(ctx.parts))

        write_parquet(
            ctx,
            compression=self.params.compression,
            row_group=self.params.row_group,
            codes={n: _codes(t, quote(n), names[n], n in given) for n, t in columns.items()},
            metadata={b"huggingface": json.dumps({"info": {"features": features}}).encode()} if features else None,
            name=split,
        )
        files = {split(p): [t.path.name for t in targets(ctx, p, ".parquet", name=split(p))] for p in ctx.parts}
        card = dataset_card(ctx, files, names, pretty_name=self.params.pretty_name, tasks=self.params.tasks)
        (ctx.folder / "README.md").write_text(card, encoding="utf-8", newline="\n")


def _split(part: ExportPart, parts: int) -> str:
    """The name of the split that a part becomes."""
    if parts == 1 and part.name not in USUAL_SPLITS:
        return "train"
    if not re.fullmatch(r"\w+(\.\w+)*", part.name) or part.name == "all":
        raise DataError(
            f"`{part.name}` cannot be the name of a split", "Hugging Face takes letters, digits, _ and single dots, and not `all`"
        )
    return part.name


def _is_code(t: Type, given: bool) -> bool:
    """Whether the column's whole numbers are the places of the given names."""
    return given and single(t).name in INTEGERS


def _codes(t: Type, x: str, names: tuple[str, ...], given: bool) -> str:
    """SQL for the places of a column's values among the names."""
    if is_list(t):
        return f"list_transform({x}, lambda __c: {_codes(t.item, '__c', names, given)})"
    if _is_code(t, given):
        return f"CAST({x} AS BIGINT)"
    text = f"CAST({x} AS VARCHAR)"
    if any("\0" in n for n in names):  # cannot be written in a type
        return f"list_position({literal(list(names))}, {text}) - 1"
    return f"CAST(enum_code(CAST({text} AS ENUM ({', '.join(map(literal, names))}))) AS BIGINT)"


def _known(name: str, t: Type, names: tuple[str, ...], given: bool) -> Rule:
    """Every value is one of the names."""

    def strange(x: str) -> str:
        if _is_code(t, given):
            return f"{x} NOT BETWEEN 0 AND {len(names) - 1}"
        return f"NOT list_contains({literal(list(names))}, CAST({x} AS VARCHAR))"

    x = quote(name)
    help = f"add it to `names:`, or drop such rows; they are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    if is_list(t):
        wrong = f"list_filter({x}, lambda __c: {strange('__c')})"
        return Rule(f"len({wrong}) > 0", f"with a value in `{name}` that is none of its classes", help, show=f"{wrong}[1]")
    return Rule(strange(x), f"with a value in `{name}` that is none of its classes", help, show=x)


def _feature(t: Type, names: tuple[str, ...]) -> dict[str, Any]:
    """The feature as ``datasets`` writes it into the schema. ``Sequence`` is what old and new versions both read."""
    label: dict[str, Any] = {"names": list(names), "_type": "ClassLabel"}
    return {"feature": label, "_type": "Sequence"} if is_list(t) else label
