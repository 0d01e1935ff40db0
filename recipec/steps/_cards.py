"""Facts for the cards that exports write: what was made, every step between the sources and it, and where its rows came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import Json, ModelRef, TableRef
from recipec.resolve.program import Program, ResolvedStep
from recipec.resolve.values import BrokenName, NotAConstant, constant
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

OTHERS = ""
"""The source of rows that a step made and that have no row of a source as their parent."""
FOLLOWED = 20
"""So many generations of copies are followed back to the row that they were made of."""


def header(program: Program, names: Iterable[str]) -> list[Json]:
    """What the cards say beside the results of steps, and so what decides their bytes."""
    h = program.header
    licences = sorted((s.name, licence(s)) for s in program.above(names) if s.kind.name == "source")
    return [
        program.recipe,
        h.version,
        h.description,
        h.license,
        list(h.language),
        list(h.authors),
        list(h.tags),
        [list(x) for x in licences],
    ]


def licence(step: ResolvedStep) -> str:
    """A source's ``license:``, empty where it says none."""
    for s in step.entry.node.body:
        if isinstance(s, tree.Setting) and s.key.id == "license":
            try:
                return str(constant(s.value, step.entry.module.param))
            except (NotAConstant, BrokenName):
                return ""
    return ""


def card(ctx: RunContext, rows: Sequence[tuple[str, TableRef, int]], what: str) -> dict[str, Json]:
    """The facts of ``ExportContext.card``. ``rows`` are tables as (name, table, rows): the parts of a data set, or what a model learned
    from. ``what`` is `parts` or `tables`."""
    from recipec.plan.fingerprint import digest as fingerprint
    from recipec.plan.lock import static_keys

    program = ctx.program
    h = program.header
    steps: list[Json] = []
    sources: list[dict[str, Any]] = []
    code: list[str] = []
    for made in program.above(p.step for p in ctx.step.parents):
        facts = ctx.history(made.name)
        steps.append({"name": made.name, "kind": made.kind.name, **{k: facts[k] for k in ("rows_in", "rows_out", "dropped")}})
        if made.kind.name == "source":
            digest = contents(ctx, facts["relation"])
            listed = {"name": made.name, "files": sorted(facts["files"]), "rows": facts["rows_out"], "digest": digest}
            sources.append({**listed, "license": licence(made)})
        else:
            code += sorted(facts["files"].values())
    return {
        "recipe": program.recipe,
        "version": h.version,
        "description": h.description,
        "license": h.license,
        "language": list(h.language),
        "authors": list(h.authors),
        "tags": list(h.tags),
        "fingerprint": fingerprint([static_keys(program)[ctx.step.name], [s["digest"] for s in sources], code]),
        "sources": sources,
        "steps": steps,
        what: [{"name": n, "rows": count, "from": origins(ctx, ref)} for n, ref, count in rows],
    }


def contents(ctx: RunContext, table: str) -> str:
    """A digest of a table's rows, whatever their order: a keyed source says the same when its lines are shuffled."""
    return f"{int(ctx.one(f'SELECT coalesce(bit_xor(md5_number(t::VARCHAR)), 0) FROM {table} AS t')[0]):032x}"


def origins(ctx: RunContext, ref: TableRef) -> dict[str, int]:
    """How many rows of a table come from each source: by their own key, or that of the row that they are a copy of, or that one's, ..."""
    program = ctx.program
    steps = program.above([ref.step])
    relations = {s.name: ctx.history(s.name)["relation"] for s in steps if s.kind.table}
    sources = [s.name for s in steps if s.kind.name == "source"]
    if not sources:
        return {OTHERS: int(ctx.one(f"SELECT count(*) FROM {view(ctx, ref)}")[0])}
    known = " UNION ALL ".join(f"SELECT _key, {n} AS n FROM {relations[name]}" for n, name in enumerate(sources))
    links = " UNION ".join(f"SELECT _key, _parent FROM {r} WHERE _parent IS NOT NULL AND _parent <> _key" for r in relations.values())
    # Temporary tables of the step: the runner removes them.
    here, up = ctx.temp("origin"), ctx.temp("links")
    ctx.con.execute(f"CREATE OR REPLACE TEMP TABLE {up} AS SELECT _key AS k, min(_parent) AS p FROM ({links}) GROUP BY _key")
    ctx.con.execute(f"CREATE OR REPLACE TEMP TABLE {here} AS SELECT _key AS k, count(*)::BIGINT AS c FROM {view(ctx, ref)} GROUP BY _key")
    whole = int(ctx.one(f"SELECT coalesce(sum(c), 0) FROM {here}")[0])
    firsts = f"SELECT _key AS k, min(n) AS n FROM ({known}) GROUP BY _key"
    found: dict[str, int] = {}
    for _ in range(FOLLOWED):
        counted = f"SELECT f.n, sum(h.c)::BIGINT FROM {here} AS h JOIN ({firsts}) AS f ON f.k = h.k GROUP BY f.n ORDER BY f.n"
        for n, count in ctx.con.execute(counted).fetchall():
            found[sources[n]] = found.get(sources[n], 0) + int(count)
        left = f"SELECT k, c FROM {here} AS h WHERE NOT EXISTS (FROM ({known}) AS s WHERE s._key = h.k)"
        parents = f"SELECT u.p AS k, sum(l.c)::BIGINT AS c FROM ({left}) AS l JOIN {up} AS u ON u.k = l.k GROUP BY u.p"
        ctx.con.execute(f"CREATE OR REPLACE TEMP TABLE {here} AS {parents}")
        if not ctx.one(f"SELECT count(*) FROM {here}")[0]:
            break
    if whole > sum(found.values()):
        found[OTHERS] = whole - sum(found.values())
    return {name: found[name] for name in (*sources, OTHERS) if name in found}


def view(ctx: RunContext, ref: TableRef) -> str:
    """The kept rows of a table of the recipe, whether this step reads it or one above does."""
    made: str = ctx.history(ref.step)["view"](ref.part)
    return made


def model_facts(ctx: RunContext, model: ModelRef, scores: Sequence[TableRef]) -> dict[str, Json]:
    """What the model was trained on and how, and how it scores: for its card."""
    resolved = ctx.program.resolved[model.step]
    assert resolved is not None
    tables = [(str(ref), ref, int(ctx.one(f"SELECT count(*) FROM {view(ctx, ref)}")[0])) for ref in resolved.inputs]
    facts = ctx.history(model.step)
    kept = (
        "task",
        "classes",
        "trained",
        "parameters",
        "steps",
        "best_step",
        "truncated",
        "metrics",
        "versions",
        "members",
        "trials",
        "identity",
    )
    training = {k: facts["extra"][k] for k in kept if k in facts["extra"]}
    measured: list[Json] = []
    for ref in scores:
        step = ctx.program.resolved[ref.step]
        found = ctx.history(ref.step)
        on = ", ".join(str(r) for r in step.inputs) if step is not None else ""
        told = found["extra"].get("scores", {})
        metrics = {n: {k: m.get(k) for k in ("value", "low", "high")} for n, m in told.get("metrics", {}).items()}
        measured.append({"step": ref.step, "on": on, "rows": found["rows_in"], "metrics": metrics, "majority": told.get("majority")})
    return {
        **card(ctx, tables, "tables"),
        "model": model.step,
        "training": {
            **training, "rows": facts["rows_out"], "dropped": facts["dropped"],
            "settings": {k.removeprefix("settings."): nameless(v) for k, v in facts["settings"].items()},
        },
        "scores": measured,
    }  # fmt: skip


def nameless(value: str) -> str:
    """A setting as the recipe writes it; of a whole path the last part, since the rest says where this machine keeps its files."""
    path = value.strip('"')
    return f'"{path.rpartition("/")[2]}"' if value.startswith('"/') else value
