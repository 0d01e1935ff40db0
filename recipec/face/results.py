"""What runs built, for Python: tables by the names of steps, as data frames, Arrow tables or rows.

Nothing is held open: every question opens the workspace, asks and closes it again, so that ``recipec run`` in a terminal
and a notebook can share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.face.errors import RecipecError, tidy

if TYPE_CHECKING:
    from recipec.cli._project import Results
    from recipec.engines.runner import RunResult
    from recipec.plan.explain import Life
    from recipec.report.terminal import Terminal
    from recipec.workspace.database import Built, Workspace

HEAD = 10
"""Rows that a notebook shows."""


class Rows:
    """The rows of a query over a workspace. Nothing is read before it is asked for; every form is a copy in memory."""

    def __init__(self, folder: Path, query: str, *, title: str = "", this: str | None = None) -> None:
        self._folder, self._query, self._title, self._this = folder, query, title, this

    # Forms

    def df(self) -> Any:
        """A pandas ``DataFrame``. Raises RecipecError where pandas is not installed."""
        installed("pandas")
        return self._asked(lambda relation: relation.df())

    def arrow(self) -> Any:
        """A ``pyarrow.Table``."""
        return self._asked(lambda relation: relation.to_arrow_table())

    def polars(self) -> Any:
        """A polars ``DataFrame``. Raises RecipecError where polars is not installed."""
        polars = installed("polars")
        return polars.from_arrow(self.arrow())

    def rows(self) -> list[dict[str, Any]]:
        """A list of dicts, a row each, with Python's own values."""
        names, found = self._fetched(None)
        return [dict(zip(names, row, strict=True)) for row in found]

    def head(self, count: int = HEAD) -> Rows:
        """The first rows."""
        return Rows(self._folder, f"SELECT * FROM ({self._query}) LIMIT {int(count)}", title=self._title, this=self._this)

    @property
    def columns(self) -> dict[str, str]:
        """Names to DuckDB's types."""
        found: dict[str, str] = self._asked(lambda relation: {n: str(t) for n, t in zip(relation.columns, relation.types, strict=True)})
        return found

    def __len__(self) -> int:
        return int(self._asked(lambda relation: relation.aggregate("count(*)").fetchall()[0][0]))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    # Display

    def __repr__(self) -> str:
        import io

        from recipec.report.rows import table
        from recipec.report.terminal import Terminal

        names, found, total = self._shown()
        text, hidden = table(names, self._types(names), found, Terminal(io.StringIO()))
        more = f"; {len(hidden)} more columns: {', '.join(hidden)}" if hidden else ""
        return f"{text}{self._caption(len(found), total)}{more}"

    def _repr_html_(self) -> str:
        from recipec.face.html import table
        from recipec.report.rows import NUMBERS, shown

        names, found, total = self._shown()
        right = [i for i, t in enumerate(self._types(names)) if t.startswith((*NUMBERS, "DECIMAL"))]
        return table(names, [[shown(v) for v in row] for row in found], right=right, caption=self._caption(len(found), total))

    def _types(self, names: Sequence[str]) -> list[str]:
        types = self.columns
        return [types[n] for n in names]

    def _caption(self, count: int, total: int) -> str:
        facts = f"{count:,} of {total:,} rows" if total > count else f"{total:,} row{'s' * (total != 1)}"
        return f"{self._title}: {facts}" if self._title else facts

    def _shown(self) -> tuple[list[str], list[tuple[Any, ...]], int]:
        names, found = self._fetched(HEAD)
        return names, found, len(found) if len(found) < HEAD else len(self)

    # Asking

    def _fetched(self, limit: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
        def ask(relation: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
            chosen = relation if limit is None else relation.limit(limit)
            return list(chosen.columns), chosen.fetchall()

        made: tuple[list[str], list[tuple[Any, ...]]] = self._asked(ask)
        return made

    def _asked(self, ask: Any) -> Any:
        """What ``ask`` makes of the query's relation while the workspace is open. DuckDB's refusals are RecipecErrors."""
        with opened(self._folder) as workspace:
            import duckdb

            try:
                if self._this is not None:
                    workspace.con.execute(f"CREATE OR REPLACE TEMPORARY VIEW this AS {self._this}")
                return ask(selected(workspace, self._query))
            except duckdb.Error as error:
                lines = str(error).splitlines()
                raise RecipecError(lines[0].partition("Error: ")[2] or lines[0], "\n  ".join(x for x in lines[1:] if x.strip())) from None


class Table(Rows):
    """A step's table, or a part's, in the order of the table. ``run["tidy"]``, ``run["final.train"]``."""

    def __init__(self, folder: Path, name: str, built: Built, part: str | None, recipe: str, *, keys: bool = False) -> None:
        from recipec.api import HIDDEN, ORDER, quote

        self.name, self._built, self._part, self._recipe = name, built, part, recipe
        with opened(folder) as workspace:
            view = workspace.view(built.run_key, part)
            present = [r[0] for r in workspace.con.execute(f"DESCRIBE {view}").fetchall()]
        listed = ", ".join(quote(n) for n in present if n not in HIDDEN or (keys and n != ORDER))
        order = ", ".join(quote(c) for c in (ORDER, "_key") if c in present)
        super().__init__(folder, f"SELECT {listed} FROM {view} ORDER BY {order}", title=name)

    def with_keys(self) -> Table:
        """The same rows with ``_key`` and ``_parent``, by which lineage, votes and dropped rows speak of them."""
        return Table(self._folder, self.name, self._built, self._part, self._recipe, keys=True)

    def sql(self, query: str) -> Rows:
        """A query over this table, which it calls ``this``: ``run["tidy"].sql("select count(*) from this")``.

        Every other table of the workspace is there too, under its step's name.
        """
        return Rows(self._folder, query, this=self._query)

    def dropped(self, reason: str | None = None) -> Rows:
        """The rows that the step dropped, for all reasons or one, as the step found them, with ``reason`` and ``because``.

        Raises RecipecError for a reason that the step does not have.
        """
        from recipec.api import quote
        from recipec.cli.show import EVERY, dropped

        with opened(self._folder) as workspace, tidy():
            query = dropped(results_of(workspace, self._recipe), self._recipe, self._built, EVERY if reason is None else reason)
            names = [r[0] for r in workspace.con.execute(f"DESCRIBE {query}").fetchall()]
        listed = ", ".join(quote(n) for n in names if n not in ("_key", "_parent", "_order"))
        return Rows(self._folder, f"SELECT {listed} FROM ({query}) ORDER BY _key", title=f"{self.name}, dropped")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many rows the step dropped, by reason."""
        return dict(self._built.dropped)

    @property
    def notes(self) -> list[str]:
        """What the step had to say when it ran."""
        return [*(self._built.extra.get("told") or []), *self._built.notes]


class Run:
    """What a recipe's last run left. ``run["tidy"]`` is a step's table, ``run["final.train"]`` a part's.

    ``run.sql(...)`` asks all of them at once. ``steps`` says how each step went, where this run is the one just done.
    """

    def __init__(self, path: str, folder: Path, result: RunResult | None = None) -> None:
        self.path, self.workspace, self._result = path, folder, result

    def __getitem__(self, name: str) -> Table:
        """The table of a step (``tidy``, ``clf@2``) or part (``final.train``). Raises RecipecError, with the nearest name."""
        with opened(self.workspace) as workspace, tidy():
            found = results_of(workspace, self.path)
            recipe, step, part = found.find(name)
            built = found.by_recipe[recipe][step]
        from recipec.resolve.program import article

        if not built.parts or (part is None and "" not in built.parts):
            parts = ", ".join(f"{step}.{p}" for p in built.parts)
            raise RecipecError(
                f"`{step}` is {article(built.kind.partition('@')[0])}: it has no table of its own", f"it has {parts}" if parts else ""
            )
        return Table(self.workspace, name, built, part, recipe)

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def tables(self) -> list[str]:
        """Every name that ``run[...]`` knows, in the order of the steps' names."""
        with opened(self.workspace) as workspace, tidy():
            found = results_of(workspace, self.path)
        return [
            f"{step}.{part}" if part else step
            for steps in found.by_recipe.values()
            for step, built in steps.items()
            for part in built.parts
        ]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """How each step went, as ``recipec run --format json`` says it; empty where this is not a run just done."""
        from recipec.report.runs import step_data

        return [step_data(s) for s in self._result.steps] if self._result is not None else []

    @property
    def seconds(self) -> float | None:
        return self._result.seconds if self._result is not None else None

    def sql(self, query: str) -> Rows:
        """A query over the workspace, where every step's table has its name: ``run.sql("from final.train limit 3")``.

        Only queries: results are recipec's to write.
        """
        return Rows(self.workspace, query)

    def explain(self, step: str, key: str) -> Lives:
        """The life of a row: what each step did to it, as ``recipec explain STEP KEY`` tells it."""
        from recipec.cli import _files
        from recipec.cli._analysis import analyse
        from recipec.cli._project import step_name
        from recipec.plan.explain import explain

        with tidy():
            program = analyse(_files.read(self.path), {}, offline=False)
            name = step_name(step, [s.name for s in program.steps], program.root.steps)
        with opened(self.workspace) as workspace, tidy():
            return Lives(explain(program, workspace, name, key))

    def __repr__(self) -> str:
        import io

        from recipec.report.runs import done_line, name_column, seconds
        from recipec.report.terminal import Terminal

        if self._result is None:
            return f"<Run {self.path}: {', '.join(self.tables)}>"
        terminal, steps = Terminal(io.StringIO()), self._result.steps
        column = name_column([s.name for s in steps])
        return "".join(done_line(s, column, terminal) for s in steps) + f"\n{seconds(self._result.seconds)}"

    def _repr_html_(self) -> str:
        import html

        from recipec.face.html import table
        from recipec.report.runs import seconds

        if self._result is None:
            return f"<p>{html.escape(repr(self))}</p>"
        lines = []
        for s in self._result.steps:
            built = s.built
            dropped = " · ".join(f"{reason} {n:,}" for reason, n in built.dropped.items() if n) if built is not None else ""
            words = s.error.message if s.error is not None else s.why if s.status == "skipped" else dropped
            counts = [f"{built.rows_in:,}" if built.rows_in else "", f"{built.rows_out:,}"] if built is not None else ["", ""]
            lines.append([s.name, s.kind, s.status, *counts, seconds(s.seconds) if s.status == "run" else "", words])
        head = ["step", "kind", "", "rows in", "rows out", "time", ""]
        return table(head, lines, right=(3, 4, 5), caption=f"{self.path}: {seconds(self._result.seconds)}")


class Lives(tuple["Life", ...]):
    """The lives of the rows that answer to a key, usually one; each has its ``events``. Printed, they are told in words."""

    def __str__(self) -> str:
        import io

        from recipec.report.terminal import Terminal

        return self._text(Terminal(io.StringIO()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from recipec.face.html import paper, pre

        return pre(self._text(paper()))

    def _text(self, terminal: Terminal) -> str:
        from recipec.report.life_text import life_text

        return "\n".join(life_text(life, terminal, diff=True) for life in self).rstrip()


@contextmanager
def opened(folder: Path) -> Iterator[Workspace]:
    """The workspace for one question. Raises RecipecError when nothing is built, or another process is at work in it."""
    from recipec.workspace.database import open_workspace

    with tidy(), open_workspace(folder, doing="look", create=False) as workspace:
        yield workspace


def results_of(workspace: Workspace, path: str) -> Results:
    from recipec.cli._project import Results

    return Results(workspace, path)


def selected(workspace: Workspace, query: str) -> Any:
    """The relation of a query; raises RecipecError for a statement that is none."""
    import duckdb

    statements = workspace.con.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RecipecError("one query, please: results are recipec's to write", "select ..., or: from STEP limit 3")
    return workspace.con.sql(query)


def installed(name: str) -> Any:
    """An optional package; raises RecipecError with how to get it."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec(name) is None:
        raise RecipecError(f"{name} is not installed", f"pip install {name}; or .arrow(), .rows()")
    return import_module(name)
