"""Build what is not built yet or has changed, reuse the rest.

Results are kept in the workspace, .recipec/ beside the recipe. Ctrl-C keeps every finished step; run again to go on.
Exit status: 0 done, 1 a step or test failed, 2 cannot run, 130 interrupted.

examples:
  recipec run
  recipec run packages.recipe --set min_words=8
  recipec run - < packages.recipe           from standard input, as if it lay in this folder
  recipec run --only tidy                   this step and what it needs
  recipec run --memory 4GB --threads 4
  recipec run --engine ray                  on a Ray cluster: see recipec docs ray
  recipec run --locked                      in CI: nothing may have drifted
  recipec run --no-fetch                    sources on servers and in stores: the last copies, whatever has changed there
  recipec run --ask-above 20                ask before the calls of a run are expected to cost more than $20
  recipec run --yes                         do not ask
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli._bring import brought_up_to_date
from recipec.cli._consent import consent
from recipec.cli._errors import CannotRun
from recipec.cli._files import STDIN
from recipec.cli._options import add_sets
from recipec.cli._parser import choice, number
from recipec.cli._project import add_recipe, add_workspace, again, program_of, workspace_folder
from recipec.cli._supervise import Supervised
from recipec.cli.lock import drifts, report
from recipec.cli.plan import add_engine, add_only, chosen, engine_there, memory
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from recipec.cli._agree import Agreement
    from recipec.engines.runner import RunResult
    from recipec.plan.lock import Drift
    from recipec.plan.planner import Plan
    from recipec.report.progress import Progress
    from recipec.resolve.program import Program
    from recipec.workspace.database import Workspace


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    add_only(parser)
    add_workspace(parser)
    add_engine(parser)
    parser.add_argument(
        "--ask-above", type=usd, metavar="USD", help="ask before model calls expected to cost more, or of unknown cost (default: 1.00)"
    )
    parser.add_argument("--trust", action="store_true", help="run the recipe's own code in this run: see recipec trust")
    parser.add_argument("--yes", action="store_true", help="do not ask, whatever it costs; budgets hold all the same")
    parser.add_argument("--locked", action="store_true", help="only if everything is as the lock has it: see recipec lock")
    parser.add_argument("--no-fetch", action="store_true", help="read the last copies of what lies elsewhere; ask no server")
    parser.add_argument("--memory", type=memory, metavar="SIZE", help="memory for the run: 4GB; beyond it, work goes to disk")
    parser.add_argument("--spill", type=Path, metavar="DIR", help="where such work goes (default: in the workspace)")
    parser.add_argument("--threads", type=number(1, 4096), metavar="N", help="the database's threads (default: one a core)")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def usd(text: str) -> float:
    """The type of ``--ask-above``."""
    try:
        value = float(text.removeprefix("$"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no sum in dollars: 0, 2.50, 20")
    return value


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.plan.lock import lock_path
    from recipec.plan.planner import make_plan
    from recipec.report.progress import Progress
    from recipec.report.runs import name_column, run_data
    from recipec.workspace.database import open_workspace

    if args.locked and args.recipe == STDIN:
        raise CannotRun("--locked needs a recipe with a name: the lock lies beside it")
    run_plan = engine(args)
    program = program_of(args, err, lints=True)
    if program is None:
        return 1
    only = chosen(args.only, program)
    if not program.steps:
        raise CannotRun(f"`{program.root.source.path}` has no steps")
    folder = workspace_folder(args, program.root.source.path)
    # With --format json standard output is for the data alone.
    screen = err if args.format == "json" else out
    with (
        consent(program, only, args.trust, screen),
        open_workspace(folder, doing="run", memory=args.memory, threads=args.threads, spill=args.spill, files=program.files) as workspace,
    ):
        try:
            # A locked run reads the copies that the lock speaks of, so that drift is told and not copied over them.
            fresh = brought_up_to_date(program, only, args, lambda names: Progress(screen, name_column(names)), err, again=not args.locked)
        except KeyboardInterrupt:
            screen.line(f"interrupted: what has been copied is kept; to go on: {again(args, 'run', program.root.source.path)}")
            return 130
        if fresh is None:
            return 1
        program = fresh
        if args.locked and (drifted := [*elsewhere(program, only, args), *drifts(program, workspace)]):
            report(drifted, str(lock_path(program.root.source.path)), err)
            return 1
        plan = make_plan(program, workspace, only)
        if screen.live:
            for setting in ("enable_progress_bar = true", "enable_progress_bar_print = false"):
                workspace.con.execute(f"SET {setting}")
        watcher = Progress(screen, name_column([p.name for p in plan.steps]), workspace.con.query_progress if screen.live else None)

        def stop() -> None:
            watcher.cancel()
            workspace.con.interrupt()

        agreed = None if args.yes else agreement(args, screen, watcher, program.root.source.path)
        try:
            with watcher:
                result = Supervised(lambda: run_plan(plan, workspace, watcher, agreed), stop).result()
        except KeyboardInterrupt as stopped:
            more = f", and {stopped}" if str(stopped) else ""
            screen.line(f"interrupted: every finished step is kept{more}; to go on: {again(args, 'run', program.root.source.path)}")
            return 130
    if args.format == "json":
        out.line(json.dumps(run_data(program, result), ensure_ascii=not out.unicode, indent=2))
    failures(program, result, err)
    screen.line()
    screen.line(last_words(args, program, result, screen))
    return 1 if result.failed else 0


def elsewhere(program: Program, only: list[str], args: argparse.Namespace) -> list[Drift | str]:
    """What has changed where sources lie elsewhere since it was copied."""
    from recipec.mirror.refresh import changes

    return [] if args.no_fetch else [f"source {step}: {news}" for step, news in changes(program, only or None).items()]


def engine(args: argparse.Namespace) -> Callable[..., RunResult]:
    """What carries out the plan. Raises CannotRun where the engine lacks something."""
    if args.engine == "duckdb":
        from recipec.engines.runner import run as run_plan

        return run_plan
    engine_there(args.engine)

    def on_cluster(plan: Plan, workspace: Workspace, watcher: Progress, agreed: Agreement | None) -> RunResult:
        from recipec.engines.ray.cluster import joined
        from recipec.engines.ray.runner import Cutting
        from recipec.engines.ray.runner import run as run_plan
        from recipec.engines.ray.sizes import bytes_of

        with joined() as cluster:
            return run_plan(plan, workspace, cluster, watcher, agreed, Cutting(memory=bytes_of(args.memory) if args.memory else None))

    return on_cluster


def agreement(args: argparse.Namespace, screen: Terminal, watcher: Progress, path: str) -> Agreement:
    """Who is asked before a run spends more than ``--ask-above``, or what the configuration says, or a dollar."""
    from recipec.cli._agree import ASK_ABOVE, Agreement, asker
    from recipec.cli._config import config_for

    above = args.ask_above
    if above is None:
        above = config_for(path).ask_above
    ask = asker(screen, watcher.check)
    return Agreement(
        ASK_ABOVE if above is None else above,
        (lambda q: watcher.quiet(lambda: ask(q))) if ask else None,
        again(args, "run", path),
        lambda text: watcher.quiet(lambda: screen.line(text)),
    )


def failures(program: Program, result: RunResult, err: Terminal) -> None:
    """Every failed step as a finding at its place in the recipe."""
    from recipec.report.failures import StepFailure
    from recipec.report.text import finding

    for step in result.failed:
        err.line()
        err.write(finding(StepFailure.of(program, step), err))


def last_words(args: argparse.Namespace, program: Program, result: RunResult, screen: Terminal) -> str:
    """How it went, and the command that is wanted next."""
    from recipec.report.costs import spent_sum
    from recipec.report.runs import seconds

    counts = {status: sum(s.status == status for s in result.steps) for status in ("run", "reused", "skipped", "failed")}
    listed = ", ".join(f"{n} {'run' if status == 'run' else status}" for status, n in counts.items() if n)
    done = screen.paint("bad", "failed") if counts["failed"] else screen.paint("good", "done")
    tables = [s.name for s in result.steps if s.built is not None and s.built.parts]
    path = program.root.source.path if program.root.source.path != STDIN else ""
    following = (
        again(args, "run", path or STDIN)
        if counts["failed"]
        else again(args, "show", *([path] if path else []), tables[-1])
        if tables
        else again(args, "plan", path or STDIN)
    )
    spent = screen.draw(spent_sum(result.spent.values()))
    return f"{done} in {seconds(result.seconds)}: {listed}   {spent}{'   ' * bool(spent)}" + screen.paint("dim", following)
