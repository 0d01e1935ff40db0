"""Say what a run would do, and why.

For each step whether it is reused or runs, and the field that changed, old and new. `=` is reused, `~` runs again,
`+` runs for the first time. Where a step asks a model behind a server, its prompts are made, those that the ledger has answers to are
taken away, and the calls, tokens and cost of the others are shown, as expected and at most; "unknown" where no price or no bound is
known. Nothing is run, sent or written, and no server asked: what lies elsewhere is told as of its last copy, unless --online.

examples:
  recipec plan
  recipec plan packages.recipe --set min_words=8
  recipec plan --only tidy
  recipec plan --engine ray --nodes 8 --memory 64GB      what it takes on a cluster: see recipec docs ray
  recipec plan --online                     ask the places that sources lie at whether they have changed since the last copy
  git show main:packages.recipe | recipec plan -
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import choice, number
from recipec.cli._project import add_recipe, add_workspace, again, opened, program_of, step_name, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.engines.ray.cost import Model
    from recipec.plan.planner import Plan
    from recipec.resolve.program import Program
    from recipec.workspace.database import Workspace


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    add_only(parser)
    add_workspace(parser)
    add_engine(parser)
    parser.add_argument("--nodes", type=number(1, 1_000_000), metavar="N", help="with --engine ray: machines of the cluster (default: 1)")
    parser.add_argument("--memory", type=memory, metavar="SIZE", help="with --engine ray: memory of each: 64GB")
    parser.add_argument("--online", action="store_true", help="ask where sources lie elsewhere whether they have changed (copies nothing)")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def add_only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", default=[], metavar="STEP", help="this step and what it needs; may be repeated")


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", type=choice("duckdb", "ray"), default="duckdb", metavar="ENGINE", help="what carries it out: duckdb, or ray, a cluster"
    )


def engine_there(name: str) -> None:
    """Raises CannotRun where an engine's packages are not installed: before anything starts."""
    if name == "ray":
        from recipec.engines.ray.cluster import INSTALL, lacking

        problem = lacking()
        if problem is not None:
            raise CannotRun(problem, INSTALL)


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.engines.estimate import estimates
    from recipec.plan.planner import make_plan
    from recipec.report.runs import plan_data, plan_text

    engine_there(args.engine)
    if args.engine != "ray" and (args.nodes is not None or args.memory is not None):
        raise CannotRun("--nodes and --memory are for --engine ray", "recipec plan --engine ray --nodes 4 --memory 64GB")
    program = program_of(args, err, lints=True)
    if program is None:
        return 1
    only = chosen(args.only, program)
    news: dict[str, str] | None = None
    if args.online:
        from recipec.cli._supervise import Supervised
        from recipec.mirror.refresh import changes

        news = Supervised(lambda: changes(program, only or None), lambda: None).result()
    with looked_at(workspace_folder(args, program.root.source.path)) as workspace:
        plan = make_plan(program, workspace, only, news)
        costs = estimates(plan, workspace)
        cluster = on_cluster(args, plan, workspace)
    if args.format == "json":
        data = plan_data(plan, costs)
        for step in data["steps"] if cluster is not None else ():
            if cluster is not None and step["name"] in cluster.costs:
                step["ray"] = cluster.costs[step["name"]].data()
        out.line(json.dumps(data, ensure_ascii=not out.unicode, indent=2))
        return 0
    out.write(plan_text(plan, out, costs))
    out.line()
    if cluster is not None and cluster.costs:
        from recipec.engines.ray.cost import text
        from recipec.report.cells import wrap

        for line in text(cluster, max(len(name) for name in cluster.costs)):
            indent = " " * (4 if line.startswith(" ") else 0)
            out.line(("\n" + indent).join(wrap(line, out.width)))
        out.line()
    following = again(args, "run", program.root.source.path)
    out.line(out.paint("dim", following if plan.to_run else "nothing to run: recipec show STEP, recipec explain STEP KEY"))
    return 0


def on_cluster(args: argparse.Namespace, plan: Plan, workspace: Workspace) -> Model | None:
    """What the plan would cost on a cluster, where that is asked for."""
    if args.engine != "ray":
        return None
    from recipec.engines.ray.cost import model_of
    from recipec.engines.ray.sizes import bytes_of

    return model_of(plan, workspace, args.nodes or 1, bytes_of(args.memory) if args.memory else None)


def memory(text: str) -> str:
    """The type of ``--memory``: a number with a unit."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?B)", text, re.I):
        raise argparse.ArgumentTypeError(f"`{text}` is not a size: 512MB, 4GB")
    return text


def chosen(only: list[str], program: Program) -> list[str]:
    """``--only`` as global names of steps. Raises CannotRun for one that does not exist."""
    known = [s.name for s in program.steps]
    return [step_name(name.strip(), known, program.root.steps) for item in only for name in item.split(",")]


@contextmanager
def looked_at(folder: Path) -> Iterator[Workspace]:
    """The workspace, or where there is none yet an empty one in memory: looking leaves no trace on disk."""
    if (folder / "work.duckdb").exists():
        with opened(folder, "plan") as workspace:
            yield workspace
        return
    import duckdb

    from recipec.workspace.database import Workspace, prepare

    con = duckdb.connect(":memory:")
    try:
        workspace = Workspace(folder, con)
        prepare(workspace)
        yield workspace
    finally:
        con.close()
