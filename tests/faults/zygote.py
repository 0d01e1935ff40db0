"""Runs of ``recipec`` from a process that has loaded all that is heavy: told by lines of JSON, each is forked and waited for.

``{"argv": [...], "cwd": DIR, "out": FILE, "err": FILE, "state": FILE, "facts": FILE, "hook": {...}, "environment": {...}}`` gives a line with the
process and, when it has ended, one with its status as :func:`os.waitstatus_to_exitcode` says it.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any


def load(heavy: bool) -> None:
    # Worker processes come from one server that all runs share: each run would take half a second to start its own.
    from multiprocessing import forkserver, resource_tracker

    import duckdb  # noqa: F401
    import numpy  # noqa: F401
    import pyarrow  # noqa: F401

    import recipec.cli.run
    import recipec.engines.runner
    import recipec.models.client
    import recipec.plan.planner
    import recipec.report.progress
    import recipec.resolve.loading  # noqa: F401

    forkserver.set_forkserver_preload(["pyarrow", "recipec.engines.batches", "recipec.fast.text_unicode", "ftfy"])
    forkserver.ensure_running()
    resource_tracker.ensure_running()
    if heavy:
        from recipec.training._fit import require

        require()
        from recipec.training._trainer import classes

        classes()


def child(told: dict[str, Any]) -> int:
    os.setsid()
    os.chdir(told["cwd"])
    os.environ.update(told["environment"])
    for place, name in ((1, "out"), (2, "err")):
        file = os.open(told[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, place)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if told.get("state"):
        os.environ["FAULTS_STATE"] = told["state"]
        shim = ctypes.CDLL(None)
        shim.faults_open(told["state"].encode())
    from multiprocessing import forkserver

    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined]  # its parent is not this process, and asks after it
    from tests.faults.hooks import install

    install(told.get("hook") or {}, told["facts"])
    from recipec.cli import main

    status = main(told["argv"])
    Path(told["facts"]).with_name("modules").write_text(json.dumps(sorted(sys.modules)))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def learn(modules: Path) -> None:
    """Load what a run has loaded, for those to come."""
    for name in json.loads(modules.read_text()):
        if name.partition(".")[0] not in ("tests", "__main__"):
            with suppress(ImportError):
                import_module(name)


def serve() -> None:
    load("heavy" in sys.argv[1:])
    from multiprocessing import forkserver

    print(json.dumps({"ready": forkserver._forkserver._forkserver_pid}), flush=True)  # type: ignore[attr-defined]
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = child(told)
            except BaseException:  # what came through the last line of defence is for the harness to see
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        print(json.dumps({"pid": pid}), flush=True)
        _, ended = os.waitpid(pid, 0)
        if told.get("learn"):
            learn(Path(told["facts"]).with_name("modules"))
        print(json.dumps({"status": os.waitstatus_to_exitcode(ended)}), flush=True)


if __name__ == "__main__":
    serve()
