"""``show STEP --render TEMPLATE`` (or VOTER) where the step asks a model with the template: the prompts as they are sent."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from recipec.cli import _render
from recipec.cli._errors import CannotRun
from recipec.cli._project import program_of, step_name, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.workspace.database import Workspace


def render(args: argparse.Namespace, recipe: str | None, wanted: str, out: Terminal, err: Terminal) -> int | None:
    """Print the prompts of the step's input rows; None where the step asks no model with that template, and its own rows are meant.

    The step need not be built, only what it reads. Nothing is asked, and no model is loaded: where examples are found by a model's
    vectors, that is said instead.
    """
    import duckdb

    from recipec.api import DataError
    from recipec.cli.plan import looked_at
    from recipec.engines.estimate import NotKnown, asked_rows, askings_of, first_line, look_at, prompts
    from recipec.plan.planner import make_plan

    args.recipe = recipe
    try:
        program = program_of(args, err)
    except CannotRun:
        if recipe is not None:
            raise
        # Several recipes here, and the step will tell which is meant.
        return None
    if program is None:
        return 1
    known = {s.name for s in program.steps}
    if wanted not in known and wanted not in program.root.steps:
        return None
    step = step_name(wanted, known, program.root.steps)
    with looked_at(workspace_folder(args, program.root.source.path)) as workspace:
        plan = make_plan(program, workspace)
        local = args.render.rpartition(".")[2]
        found = askings_of(plan, step, local)
        if not found:
            return None
        if len(found) > 1:
            names = ", ".join(a.name for a in found)
            raise CannotRun(
                f"several voters of `{step}` ask with `{local}`: {names}", f"name one: recipec show {wanted} --render {found[0].name}"
            )
        asking = found[0]
        look = None
        try:
            look = look_at(plan, plan[step].step, workspace)
            source = chosen(args, workspace, asked_rows(asking, look.relation(plan[step].step.inputs[0])))
            made = [pair for part in prompts(look, asking, source) for pair in part]
        except NotKnown as error:
            raise CannotRun(f"the prompts of `{step}` are {error}", f"recipec run {program.root.source.path} --only {step}") from None
        except DataError as error:
            raise CannotRun(error.message, error.help) from None
        except duckdb.Error as error:
            problem = look.problem if look is not None else None
            raise CannotRun(
                problem.message if problem is not None else first_line(error), problem.help if problem is not None else ""
            ) from None
        finally:
            if look is not None:
                look.close()
    return _render.printed(args, local, made, out)


def chosen(args: argparse.Namespace, workspace: Workspace, relation: str) -> str:
    """The rows asked for, as a relation."""
    from recipec.cli.show import Selection

    selection = Selection(workspace, f"SELECT * FROM {relation}", args)
    # The condition and the order are the user's own words: what is wrong with them is told here.
    selection.checked(f"SELECT count(*) FROM (SELECT _key {selection.rest})")
    return f"(SELECT * {selection.rest})"
