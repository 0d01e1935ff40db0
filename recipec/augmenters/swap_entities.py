"""``swap_entities(tokens, tags)``"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recipec.api import ColumnName, Kernel, RunTools, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.settings import Field
from recipec.syntax import tree

ENTITIES = Kernel(
    "augment_swap_entities", "recipec.fast.augment_parts:swap_entities", ("VARCHAR[]", "VARCHAR[]", "UBIGINT", "DOUBLE", "VARCHAR"),
    "STRUCT(tokens VARCHAR[], tags VARCHAR[])",
)  # fmt: skip


class SwapEntitiesParams(Settings):
    tokens: ColumnName
    tags: ColumnName
    rate: float = Field(1.0, gt=0, le=1)


@augmenter("swap_entities")
class SwapEntities(Augmenter):
    """Put other entities of the same type, from anywhere in the table, in the place of ``rate`` of the entities, at least one.

    ```recipe
    augment more from train { swap_entities(tokens, tags, rate: 50%) }
    ```

    ``tokens`` and ``tags`` are lists of the same length, tags in BIO (or IO, BIOES, BILOU). The new entity may have more or fewer tokens;
    its tags are written in the table's own scheme, so that both lists stay aligned. Each name of a type is as likely as it is
    frequent, and never the one that stands there (Dai and Adel, COLING 2020, "mention replacement"). Sentences without entities, or
    whose lists differ in length, stay as they are.
    """

    Params = SwapEntitiesParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: SwapEntitiesParams = self.params
        for column in (p.tokens, p.tags):
            if column.type != "VARCHAR[]" and not schema.unknown:
                message = f"`swap_entities` needs lists of texts; `{column.name}` is {shown(column.type)}"
                bind.report(WrongType(span=column.span, message=message, help=("conll() reads such lists",)))
        name = f"entities-{bind.randoms}-{len(bind.ops)}.parquet"
        made = ENTITIES(p.tokens.sql, p.tags.sql, "{seed}", literal(p.rate), f"{{scratch}} || {literal('/' + name)}")
        columns = {p.tokens.name: "({made}).tokens", p.tags.name: "({made}).tags"}
        return Change(columns, made=made, prepare=writer(p, name))


def writer(p: SwapEntitiesParams, name: str) -> Callable[[RunTools, str], None]:
    """What gathers the entities of the originals, in key order, for the kernel to draw from."""

    def write(tools: RunTools, relation: str) -> None:
        from recipec.fast.augment_parts import gather_entities

        path = Path(tools.folder) / "augment" / name
        reading = tools.con.cursor()
        query = f"SELECT {p.tokens.sql}, {p.tags.sql} FROM {relation} WHERE len({p.tokens.sql}) = len({p.tags.sql}) ORDER BY _key"
        gather_entities(reading.sql(query).to_arrow_reader(10_000), str(path))

    return write
