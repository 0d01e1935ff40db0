"""The command that is named to go on with is the one that was given, on the same workspace."""

from __future__ import annotations

from argparse import Namespace

from recipec.cli._project import again


def test_options_that_decide_what_is_run_come_along() -> None:
    given = Namespace(workspace="my place", sets=["k=2"], engine="ray", trust=True)
    assert again(given, "run", "a.recipe") == "recipec run a.recipe --workspace 'my place' --set k=2 --engine ray --trust"
    assert again(given, "plan", "a.recipe") == "recipec plan a.recipe --workspace 'my place' --set k=2 --engine ray"
    assert again(given, "show", "a.recipe", "final") == "recipec show a.recipe final --workspace 'my place'"
    assert again(Namespace(workspace=None, sets=[], engine="duckdb", trust=False), "run", "a.recipe") == "recipec run a.recipe"
