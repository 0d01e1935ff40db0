"""What the model calls of a plan will cost: every prompt rendered, the ledger's answers subtracted, prices applied.

Nothing is sent and no model is loaded. A step is estimated where what it reads is built; elsewhere the estimate says which step has to run
first. Prompts are made by the template's own renderer in this process, a block of rows at a time, so that memory does not grow with
the rows; a plan does not load what a run needs for it. Where the examples of each row are searched for, a plan looks at :data:`SAMPLE`
rows, which are a random sample since keys are, and scales what it finds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipec.api import Asking, DataError, Estimate, ModelRef, TableRef
from recipec.plan.planner import Plan, Planned
from recipec.resolve.passed import Passed
from recipec.resolve.program import ResolvedStep
from recipec.workspace.database import Workspace

BLOCK = 10_000
"""Rows rendered at a time."""
SAMPLE = 2_000
"""Rows looked at where finding the examples of a row takes long."""


class NotKnown(Exception):
    """Why something cannot be told before a run."""


@dataclass
class Look:
    """What an asking gets to make its prompts: the workspace's tables, and none of its models."""

    con: Any
    relations: dict[str, str]
    threads: int = 1
    kernels: Any = field(default=None, init=False)

    def relation(self, ref: TableRef) -> str:
        return self.relations[str(ref)]

    def model(self, ref: ModelRef) -> Any:
        raise NotKnown(f"not known before the run: its examples are found by the vectors of `{ref}`")

    def execute(self, sql: str) -> Any:
        """Run a query. The project's own functions are made known to the database only when a query calls one: they load Arrow."""
        import duckdb

        try:
            return self.con.execute(sql)
        except duckdb.CatalogException:
            if self.kernels is not None:
                raise
            from recipec.engines.batches import Kernels

            self.kernels = Kernels(self.con, self.threads)
            self.kernels.register()
            return self.con.execute(sql)

    @property
    def problem(self) -> DataError | None:
        """What one of the project's functions said is wrong, where the database only says that it failed."""
        found: DataError | None = self.kernels.problem if self.kernels is not None else None
        return found

    def close(self) -> None:
        if self.kernels is not None:
            self.kernels.stop()
        self.con.close()


def look_at(plan: Plan, step: ResolvedStep, workspace: Workspace) -> Look:
    """The tables that a step reads. Raises :class:`NotKnown` where one is not built as it would be."""
    relations: dict[str, str] = {}
    for ref in step.parents:
        parent = plan[ref.step]
        if not parent.step.kind.table:
            continue
        if parent.built is None or not parent.built.parts:
            raise NotKnown(f"not known before `{ref.step}` runs")
        relations[str(ref)] = workspace.view(parent.built.run_key, ref.part)
    return Look(workspace.con.cursor(), relations)


def asks(planned: Planned) -> bool:
    """Whether a step asks anything: one that runs only to be tested again asks nothing."""
    if planned.status != "run":
        return False
    return planned.built is None or planned.step.kind.stale(planned.step.bound.plan, planned.built.extra) is not None


def estimates(plan: Plan, workspace: Workspace) -> dict[str, list[Estimate]]:
    """For every step to run that asks a served model, its estimates: one for each voter, or one for the step itself. What two of them
    ask alike is counted for the first."""
    out: dict[str, list[Estimate]] = {}
    seen: dict[str, set[bytes]] = {}
    for planned in plan.steps:
        if not asks(planned):
            continue
        askings = planned.step.kind.askings(planned.step.bound.plan)
        made = [e for a in askings if (e := estimate(a, plan, planned, workspace, seen.setdefault(a.model.step, set()))) is not None]
        made += uncounted(plan, planned, {a.model.step for a in askings})
        if made:
            out[planned.name] = made
    return out


def uncounted(plan: Plan, planned: Planned, counted: Collection[str]) -> Iterator[Estimate]:
    """One for each model behind a server that a step reads and that is not among the ``counted``: what it is asked depends on what the step
    does to its rows before, and nobody can tell without doing it."""
    for name in dict.fromkeys(ref.step for ref in planned.step.parents if ref.step not in counted):
        model = plan[name].step.bound.model
        if model is not None and model.external:
            yield Estimate("", name, unknown=f"not known before the run: what `{planned.name}` asks of it is not counted")


def estimate(asking: Asking, plan: Plan, planned: Planned, workspace: Workspace, seen: set[bytes]) -> Estimate | None:
    """What one asking will cost; None for a model of this machine. ``seen`` are the keys of the model's new requests so far."""
    import duckdb

    look = None
    quote = None
    try:
        quote = quote_of(asking.model, plan, workspace.folder)
        if quote is None:
            return None
        quote.earlier = seen
        look = look_at(plan, planned.step, workspace)
        source = asked_rows(asking, look.relation(planned.step.inputs[0]))
        sampled = whole = None
        if asking.slow:
            whole = int(look.con.execute(f"SELECT count(*) FROM {source}").fetchone()[0])
            if whole > SAMPLE:
                source, sampled = f"(SELECT * FROM {source} ORDER BY _key LIMIT {SAMPLE})", SAMPLE
        for part in prompts(look, asking, source):
            asking.count(quote, part)
        if asking.beside is not None:
            asking.count(quote, asking.beside(look))
        seen |= quote.new
        made: Estimate = quote.estimate(asking.name, rows=sampled, of=whole if sampled else None)
        return made
    except NotKnown as error:
        return Estimate(asking.name, str(asking.model), unknown=str(error))
    except DataError as error:
        return Estimate(asking.name, str(asking.model), unknown=error.message)
    except duckdb.Error as error:
        # What a value does to an expression shows only when it is worked out: the run will say it in full.
        problem = look.problem if look is not None else None
        return Estimate(asking.name, str(asking.model), unknown=problem.message if problem is not None else first_line(error))
    finally:
        if look is not None:
            look.close()
        if quote is not None:
            quote.ledger.close()


def quote_of(ref: ModelRef, plan: Plan, folder: Path) -> Any:
    """What counts a model's calls; None for one that runs on this machine."""
    from recipec.models._base import Opening

    resolved = plan.program.resolved.get(ref.step)
    if resolved is None:
        raise NotKnown("not known: its model is wrong")
    return resolved.kind().quote(
        resolved.bound.plan,
        lambda settings: Opening(settings, folder / "ledger", ref.step, lambda note: None, base=plan.program.folder),
    )


def asked_rows(asking: Asking, relation: str) -> str:
    """Of a step's input, the rows that are asked about."""
    return f"(SELECT * FROM {relation} WHERE {asking.only})" if asking.only else relation


def prompts(look: Look, asking: Asking, source: str) -> Iterator[list[tuple[str, Any]]]:
    """(key, prompt) of the rows of ``source`` that have one, block by block in key order. A prompt is a text, or a list of ``{role, content}``;
    for a model that embeds, the text it is given."""
    if asking.prompt is None:
        cursor = look.execute(f"SELECT _key::VARCHAR, ({asking.texts})::VARCHAR AS t FROM {source} WHERE t IS NOT NULL ORDER BY _key")
        while rows := cursor.fetchmany(BLOCK):
            yield rows
        return
    if isinstance(asking.prompt.prompt, Passed):
        cursor = look.execute(f"SELECT _key::VARCHAR, {asking.prompt.sql()} AS p FROM {source} WHERE p IS NOT NULL ORDER BY _key")
        while rows := cursor.fetchmany(BLOCK):
            yield rows
        return
    from recipec.templates.render import Renderer

    prompt, given = asking.prompt.prompt, asking.prompt.arguments
    renderer = Renderer(prompt.state)
    # A value of a plain type goes to the template as it is, all others as JSON: the same as in a run.
    kinds = dict(renderer.params)
    names = [name for name, _ in prompt.params if name in given]
    columns = [f"({given[n].sql})" if kinds[n] != "json" else f"to_json({given[n].sql})::VARCHAR" for n in names]
    types = dict(prompt.params)
    columns = [f"{c}::{types[n]}" if kinds[n] != "json" else c for n, c in zip(names, columns, strict=True)]
    open_ones = [name for name, _ in prompt.params if name not in given]
    examples = asking.examples(look) if asking.examples is not None else None
    query = [f"coalesce({asking.query}, '')"] if examples is not None else []
    cursor = look.execute(f"SELECT {', '.join(['_key::VARCHAR', *query, *columns])} FROM {source} ORDER BY _key")
    while rows := cursor.fetchmany(BLOCK):
        keys, *listed = zip(*rows, strict=True)
        picked: Sequence[Any] = [None] * len(keys)
        if examples is not None:
            picked = examples(list(zip(keys, listed.pop(0), strict=True)))
        ready = [decoded(c) if kinds[n] == "json" else c for n, c in zip(names, listed, strict=True)]
        made: list[tuple[str, Any]] = []
        for place, key in enumerate(keys):
            values = {n: c[place] for n, c in zip(names, ready, strict=True)}
            for name in open_ones:
                values[name] = picked[place]
            if renderer.roles is None:
                text = renderer.text(values)
                if text is not None:
                    made.append((key, text))
            elif (messages := renderer.messages(values)) is not None:
                made.append((key, [{"role": role, "content": content} for role, content in messages]))
        yield made


def first_line(error: Exception) -> str:
    """What the database says is wrong, without the name of the error's class."""
    head = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return head.partition("Error: ")[2] or head


def decoded(column: Sequence[Any]) -> Sequence[Any]:
    """A column of JSON as Python's values."""
    made: list[Any] = json.loads(f"[{','.join('null' if v is None else v for v in column)}]")
    return made


def totals(found: Sequence[Estimate]) -> Estimate:
    """All estimates together. A sum is unknown where a part of it is; of calls, those that are known are counted all the same."""

    def total(name: str) -> Any:
        values = [getattr(e, name) for e in found]
        return None if any(v is None for v in values) else sum(values)

    unknown = next((e.unknown for e in found if e.unknown), "")
    out = Estimate(
        "", "", total("calls"), total("in_ledger"), total("tokens_in"), total("tokens_out"), total("usd"), total("usd_at_most"), unknown
    )
    return replace(out, calls=sum(e.calls or 0 for e in found), in_ledger=sum(e.in_ledger or 0 for e in found)) if unknown else out


def askings_of(plan: Plan, name: str, wanted: str) -> list[Asking]:
    """What a step asks with a template of that name, or else what its voter of that name asks."""
    with suppress(StopIteration):
        planned = plan[name]
        listed = [a for a in planned.step.kind.askings(planned.step.bound.plan) if a.prompt is not None]
        return [a for a in listed if a.prompt is not None and a.prompt.prompt.name == wanted] or [a for a in listed if a.name == wanted]
    return []


__all__ = ["Look", "NotKnown", "asked_rows", "askings_of", "estimates", "first_line", "look_at", "prompts", "totals"]
