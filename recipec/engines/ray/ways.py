"""Which way each step goes on a cluster; known before anything runs, and without Ray.

===========  ============================================================================================================
``rows``     a task for each shard: what looks at one row at a time
``keys``     rows that must meet are brought together by a key, and every bucket of them is a task
``bands``    near-duplicates: texts are sketched shard by shard, and compared in tasks; who is compared with whom is decided in one place
``narrow``   a few columns of every row go to one place, which decides; then a task for each shard carries it out
``one``      one task has all rows
``actors``   a model is loaded once a graphics processor or machine, and asked batch by batch; or trained by a task
``driver``   the process that you started does it, with DuckDB, as without a cluster
===========  ============================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import Alike, Meeting

if TYPE_CHECKING:
    from recipec.resolve.chain import Chain, Stage
    from recipec.resolve.program import ResolvedStep

Way = Literal["rows", "keys", "bands", "narrow", "one", "actors", "driver"]
WIDTH: tuple[Way, ...] = ("rows", "keys", "bands", "narrow", "one", "actors", "driver")
"""From the way that is cut best to the one that is not cut at all."""


@dataclass(frozen=True)
class Pass:
    """Part of a chain that tasks do in one go: a stage that says how rows come together, and the stages of single rows after it."""

    way: Way
    stages: tuple[Stage, ...]

    @property
    def meeting(self) -> Meeting | Alike | None:
        return self.stages[0].meeting if self.stages and self.way in ("keys", "bands") else None

    @property
    def name(self) -> str:
        """The operator that decides the way."""
        return self.stages[0].what if self.stages and self.way != "rows" else ""


def stage_way(stage: Stage) -> Way:
    match stage.meeting:
        case Meeting():
            return "keys"
        case Alike():
            return "bands"
        case _:
            return "rows" if stage.scope == "row" else "one"


def passes(chain: Chain) -> list[Pass]:
    """A chain cut before every stage that must see rows together. The first pass is of single rows."""
    out: list[list[Stage]] = [[]]
    ways: list[Way] = ["rows"]
    for stage in chain.stages:
        way = stage_way(stage)
        # One task should do no more than it must; and a task that has a bucket of another table must not take it for the whole.
        alone = ways[-1] == "one" or (ways[-1] == "keys" and (stage.prepare is not None or "{table " in stage.query))
        if way != "rows" or alone:
            out.append([])
            ways.append(way)
        out[-1].append(stage)
    return [Pass(w, tuple(s)) for w, s in zip(ways, out, strict=True)]


@dataclass(frozen=True)
class Going:
    """A step's way, and why it is not a better one."""

    way: Way
    why: str = ""
    passes: tuple[Pass, ...] = ()


def going(step: ResolvedStep, models: bool = False) -> Going:
    """The way of a step. ``models`` says that it reads one."""
    from recipec.engines.ray.held import portable
    from recipec.engines.ray.narrow import augment_way, label_way, select_way
    from recipec.engines.ray.rest import export_way

    kind, plan = step.kind.name, step.bound.plan
    if kind == "predict" and plan.model.facts is not None and not plan.model.facts.external:
        return Going("actors")
    if kind == "train":
        return Going("actors", "one machine trains")
    refs = [*step.parents]
    odd = unportable([*(s for r in refs for s in r.schema.columns), *(c for s in step.bound.outputs.values() for c in s.columns)], portable)
    if odd:
        return Going("driver", f"`{odd}` is of a type that files do not hold")
    match kind:
        case "source":
            return source_way(plan)
        case "clean":
            if models:
                return Going("driver", "it asks a model")
            made = passes(plan.chain)
            worst = max((p.way for p in made), key=WIDTH.index)
            named = ", ".join(dict.fromkeys(p.name for p in made if p.way == worst and p.name))
            return Going(worst, f"`{named}` sees all rows" if worst == "one" else named, tuple(made))
        case "split":
            return Going("narrow", "shares are counted over all rows")
        case "label":
            return Going(*label_way(plan))
        case "select":
            return Going(*select_way(plan))
        case "augment":
            return Going(*augment_way(plan))
        case "mix":
            return Going("rows") if plan.plain else Going("narrow", "shares are counted over all rows")
        case "export":
            return Going(*export_way(plan))
        case "python":
            return Going("narrow", "keys say in which batch a row is")
        case "sql":
            return Going("one", "a query may look at all rows") if refs else Going("driver", "it reads no table")
    return Going("driver", WHY.get(kind, ""))


WHY = {
    "predict": "the server is what is waited for",
    "generate": "one ledger writes down every answer",
    "evaluate": "it reads answers and predictions, a few columns of all rows",
    "expect": "it reads the columns that its tests name",
}


def source_way(plan: Any) -> Going:
    """Files are read side by side where each can be understood alone, or beside a sample of all."""
    reader, archives = plan.reader, any(getattr(f, "pattern", None) is not None for f in plan.files)
    if not plan.files:
        return Going("driver", "it reads no file")
    if not getattr(reader, "extensions", ()):
        return Going("driver", "what it reads is no file that can be cut")
    # A column `value` may be a field, or whole records that are no objects.
    if len(plan.files) > 1 and (plan.declared is None or list(plan.declared) == ["value"]):
        if reader.columns_from == "files" and plan.declared is None:
            return Going("driver", "columns are not declared: what they are shows in all files together")
        if reader.columns_from == "sample" and archives:
            return Going("driver", "columns are not declared: what they are shows in files of all archives")
    if len(plan.files) > 1 and not getattr(reader, "alone", True):
        return Going("driver", "what becomes of a file that cannot be read depends on the others")
    return Going("rows")


def unportable(columns: Sequence[Any], portable: Any) -> str | None:
    return next((c.name for c in columns if not portable(c.type)), None)


def reads_model(step: ResolvedStep, kinds: dict[str, Any]) -> bool:
    """Whether one of the tables that a step reads is a model."""
    return any(kinds[ref.step].model for ref in step.parents if ref.step in kinds)


__all__ = ["WIDTH", "Going", "Pass", "Way", "going", "passes", "reads_model"]
