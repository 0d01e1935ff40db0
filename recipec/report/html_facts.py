"""What the report of a run says, as data: read from the workspace alone, so that it tells of what ran and not of what the recipe says now.

======================  ========================================================================================================
key                     meaning
======================  ========================================================================================================
``recipe``, ``run``     the recipe's file; ``number version started finished status`` of its last run (UTC)
``steps``               a list in the order of the graph, each with ``name kind inputs parts rows_in rows_out dropped seconds notes told
                        settings stale`` (``told``: what the run said without warning of it; ``stale``: made of results that are no longer
                        the present ones) and, by kind:
``part_rows``           of a step with parts: their rows
``columns``             of a table: what ``recipec profile`` finds by SQL alone, of each column ``before`` (in its first input, null
                        where it is not there or the same) and ``after``
``sample``              of a table: ``names`` and ``rows``
``mixture``             of a mix step: of each input ``name holds rows units epochs share wanted cut``; ``unit`` is what units are, null for rows
``copies``              of an augment step: what :func:`recipec.engines.diversity.compare` found, and ``changed``, copies by augmenter
``label``               of a label step: ``analysis voters classes balance tags many``
``training``            of a train step: ``metrics history trained parameters steps best_step truncated validation classes memory``, and ``preview`` (rows as
                        tokens, each with whether it is trained)
``scores``              of an evaluate step: as kept by the run, with ``slice_rows``, and the texts of the errors in ``worst``
``calls``               what its model calls cost
``tests``, ``files``    tests and how they went; what an export wrote
``rounds``              loops: ``steps`` (names), and ``rounds``, each a list of what became of them
======================  ========================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recipec.api import HIDDEN, ORDER, quote
from recipec.report.costs import spent_data
from recipec.report.rows import plain

if TYPE_CHECKING:
    from recipec.workspace.database import Built, Workspace

MOST_COLUMNS = 12
"""Columns of a table that are measured and shown; wider tables say how many more they have."""
MOST_TEXT = 1200
"""Characters of a text that an error keeps,"""
MOST_CELL = 240
"""and a value of a row in a sample."""
TRAINING = (
    "metrics",
    "history",
    "trained",
    "parameters",
    "steps",
    "best_step",
    "truncated",
    "validation",
    "classes",
    "task",
    "steps_per_second",
    "memory",
)
LABEL = ("analysis", "voters", "classes", "balance", "tags", "many")


def facts(workspace: Workspace, recipe: str, built: Mapping[str, Built], samples: int) -> dict[str, Any]:
    """Everything about the steps of a recipe as its last run left them; ``samples`` rows of each table and errors of each evaluation."""
    reader = Reader(workspace, built, samples)
    order = ordered(built)
    return {
        "recipe": recipe,
        "run": last_run(workspace, recipe),
        "steps": [reader.step(name, built[name]) for name in order],
        "rounds": list(loops(order, built)),
    }


def last_run(workspace: Workspace, recipe: str) -> dict[str, Any] | None:
    """The last run that built something, if the books have one."""
    rows = workspace.con.execute(
        "SELECT run, version, started, finished, status FROM recipec.runs WHERE recipe = ? ORDER BY run DESC LIMIT 1", [recipe]
    ).fetchall()
    return dict(zip(("number", "version", "started", "finished", "status"), map(plain, rows[0]), strict=True)) if rows else None


def source_of(text: str, built: Mapping[str, Built]) -> tuple[str, str | None] | None:
    """The step and part that an input like ``final.train`` names; None for one that is not there."""
    if text in built:
        return text, None
    head, _, tail = text.rpartition(".")
    return (head, tail) if head in built else None


def parents(step: Built, built: Mapping[str, Built]) -> list[tuple[str, str | None]]:
    """The steps that a step reads, with their parts; a split as a whole is left out where its parts are named."""
    found = [p for text in step.inputs if (p := source_of(text, built)) is not None]
    parted = {name for name, part in found if part is not None}
    return [(name, part) for name, part in found if part is not None or name not in parted]


def ordered(built: Mapping[str, Built]) -> list[str]:
    """Names so that inputs come first: sources in the order of their names, others as soon as what they read is there."""
    above = {name: {p for p, _ in parents(b, built)} for name, b in built.items()}
    out: list[str] = []
    placed: set[str] = set()
    waiting = sorted(built)
    while waiting:
        ready = [n for n in waiting if above[n] <= placed]
        # What reads the step placed last comes next: a chain stays together.
        last = out[-1] if out else None
        name = next((n for n in ready if last in above[n]), ready[0] if ready else waiting[0])
        out.append(name)
        placed.add(name)
        waiting.remove(name)
    return out


def loops(order: list[str], built: Mapping[str, Built]) -> Iterator[dict[str, Any]]:
    """The rounds of ``repeat``: steps ``clf@1``, ``clf@2`` stand in one line, by round."""
    rounds: dict[int, list[str]] = {}
    for name in order:
        head, _, number = name.rpartition("@")
        if head and number.isdigit() and int(number) > 0:
            rounds.setdefault(int(number), []).append(name)
    if not rounds:
        return
    names = list(dict.fromkeys(n.rpartition("@")[0] for number in sorted(rounds) for n in rounds[number]))
    yield {
        "steps": names,
        "rounds": [{"round": number, "steps": [moment(built.get(f"{n}@{number}")) for n in names]} for number in sorted(rounds)],
    }


def moment(step: Built | None) -> dict[str, Any] | None:
    """What became of a step in a round."""
    if step is None:
        return None
    out: dict[str, Any] = {"kind": step.kind.partition("@")[0], "rows_in": step.rows_in, "rows_out": step.rows_out}
    scores = step.extra.get("scores")
    if scores:
        out["scores"] = {name: {k: m.get(k) for k in ("value", "low", "high")} for name, m in scores["metrics"].items()}
    labels = [s for s in (step.extra.get("analysis") or {}).get("scores", ()) if s["accuracy"] is not None]
    if labels:
        out["gold"] = labels[0]["accuracy"]
    return out


class Reader:
    """Reads the tables of a workspace."""

    def __init__(self, workspace: Workspace, built: Mapping[str, Built], samples: int) -> None:
        self.workspace, self.con, self.built, self.samples = workspace, workspace.con, built, samples
        self.measured: dict[str, dict[str, dict[str, Any]]] = {}

    def step(self, name: str, step: Built) -> dict[str, Any]:
        """A step under its present name: one result can stand for two steps that mean the same, and keeps the first one's name."""
        kind = step.kind.partition("@")[0]
        above = parents(step, self.built)
        out: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "inputs": [{"step": parent, "part": part} for parent, part in above],
            "parts": [p for p in step.parts if p],
            "table": bool(step.parts),
            "rows_in": step.rows_in,
            "rows_out": step.rows_out,
            "dropped": {k: v for k, v in step.dropped.items() if v},
            "seconds": step.seconds,
            "notes": step.notes,
            "told": step.extra.get("told") or [],
            "settings": {k.removeprefix("settings."): v for k, v in step.shown.items()},
            "stale": any(self.built[p].output_id != step.inputs.get(f"{p}.{part}" if part else p) for p, part in above),
        }
        if step.parts:
            out["part_rows"] = {p: self.count(self.workspace.view(step.run_key, p)) for p in step.parts if p}
            if kind != "evaluate":
                out["columns"], out["more_columns"] = self.columns(step, above)
                out["sample"] = self.sample(step)
        if kind == "label":
            out["label"] = {k: step.extra[k] for k in LABEL if k in step.extra}
        if kind == "mix" and step.extra.get("mixture"):
            out["mixture"] = step.extra["mixture"]
            out["unit"] = step.extra.get("unit")
        if kind == "augment" and step.extra.get("diversity"):
            out["copies"] = self.copies(step)
        if kind == "train":
            out["training"] = {k: step.extra[k] for k in TRAINING if k in step.extra}
            if self.samples and "preview" in step.extra:
                out["training"]["preview"] = step.extra["preview"]
        if "scores" in step.extra:
            out["scores"] = {**step.extra["scores"], "slice_rows": self.slices(step), "worst": self.worst(step, above)}
        for what, value in (
            ("calls", spent_data(step)),
            ("tests", step.extra.get("tests")),
            ("files", step.extra.get("files")),
            ("to", step.extra.get("to")),
        ):
            if value:
                out[what] = [{k: f[k] for k in ("path", "size", "digest")} for f in value] if what == "files" else value
        return out

    def count(self, view: str) -> int:
        return int(self.con.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0])

    def copies(self, step: Built) -> dict[str, Any]:
        """The copies of a step; without samples, none of their texts."""
        found = {**step.extra["diversity"], "changed": step.extra.get("changed") or {}}
        if not self.samples:
            found["nearest"] = []
            if "flips" in found:
                found["flips"] = {**found["flips"], "rows": []}
        return found

    # Columns

    def columns(self, step: Built, above: list[tuple[str, str | None]]) -> tuple[list[dict[str, Any]], int]:
        """What the columns hold, beside what they held in the first input that is a table; and how many more there are."""
        after = self.look(self.workspace.view(step.run_key))
        first = next(((p, part) for p, part in above if self.built[p].parts), None)
        before = self.look(self.workspace.view(self.built[first[0]].run_key, first[1])) if first is not None else {}
        out = []
        for name, made in after.items():
            was = before.get(name)
            out.append(
                {
                    "name": name,
                    "after": made,
                    "before": was if was is not None and was != made else None,
                    "new": bool(before) and was is None,
                }
            )
        return out, max(0, self.wide(self.workspace.view(step.run_key)) - len(after))

    def wide(self, view: str) -> int:
        return len([r for r in self.con.execute(f"DESCRIBE {view}").fetchall() if r[0] not in HIDDEN])

    def look(self, view: str) -> dict[str, dict[str, Any]]:
        """The columns of a view, by name, measured once."""
        from recipec.report.profile_columns import Rows, columns_of, look

        if view not in self.measured:
            count = self.count(view)
            rows = Rows(self.con, view, count, sample=view, sampled=count)
            found: dict[str, dict[str, Any]] = {}
            for column in columns_of(rows):
                if len(found) == MOST_COLUMNS:
                    break
                if count and not column.type.startswith("MAP("):
                    look(rows, column)
                    found[column.name] = plain(column.facts)
            self.measured[view] = found
        return self.measured[view]

    # Rows

    def fetched(self, sql: str) -> dict[str, Any]:
        """Names and rows of a query, long texts cut."""
        result = self.con.execute(sql)
        names = [d[0] for d in result.description]
        keep = [i for i, n in enumerate(names) if n not in HIDDEN]
        return {"names": [names[i] for i in keep], "rows": [[cut(plain(row[i]), MOST_CELL) for i in keep] for row in result.fetchall()]}

    def sample(self, step: Built) -> dict[str, Any] | None:
        """Some rows, the same ones every time: those of the smallest hash of their keys."""
        if not self.samples:
            return None
        view = self.workspace.view(step.run_key)
        types = {r[0]: r[1] for r in self.con.execute(f"DESCRIBE {view}").fetchall()}
        listed = ", ".join(quote(n) for n in types)
        by = ", ".join(quote(c) for c in (ORDER,) if c in types)
        chosen = f"SELECT {listed} FROM {view} ORDER BY md5(_key::VARCHAR), _key LIMIT {self.samples}"
        return self.fetched(f"SELECT * FROM ({chosen}) ORDER BY {by + ', ' if by else ''}_key")

    def worst(self, step: Built, above: list[tuple[str, str | None]]) -> list[dict[str, Any]]:
        """The surest errors of an evaluation with the rows they are about, from its first input."""
        found = list(step.extra["scores"].get("worst") or ())[: 2 * self.samples]
        first = next(((p, part) for p, part in above if self.built[p].parts), None)
        if not found or first is None:
            return found
        view = self.workspace.view(self.built[first[0]].run_key, first[1])
        types = {r[0]: r[1] for r in self.con.execute(f"DESCRIBE {view}").fetchall()}
        given = next((a for a in (step.meaning.get("answers") or ()) if isinstance(a, str) and a[:1] == '"' and a[1:-1] in types), None)
        texts = [given] if given is not None else [quote(n) for n, t in types.items() if t == "VARCHAR"][:6]
        if not texts:
            return found
        keys = ", ".join(f"'{w['key']}'" for w in found)
        rows = self.con.execute(f"SELECT _key::VARCHAR, {', '.join(texts)} FROM {view} WHERE _key::VARCHAR IN ({keys})").fetchall()
        by_key = {r[0]: [cut(v) for v in r[1:] if v is not None] for r in rows}
        return [{**w, "texts": by_key.get(w["key"], [])} for w in found]

    def slices(self, step: Built) -> list[dict[str, Any]]:
        rows = self.con.execute(f"SELECT slices FROM {self.workspace.view(step.run_key)}").fetchall()
        return [plain(s) for s in (rows[0][0] or [])] if rows else []


def cut(value: Any, most: int = MOST_TEXT) -> Any:
    """A value with its texts cut to what a report has room for."""
    match value:
        case str():
            return value if len(value) <= most else value[:most] + f"… ({len(value):,} characters)"
        case list():
            return [cut(v, most) for v in value[:60]] + ([f"… {len(value):,} in all"] if len(value) > 60 else [])
        case dict():
            return {k: cut(v, most) for k, v in list(value.items())[:60]}
        case _:
            return value
