"""CPU seconds of the commands that people and CI wait for, each in a process of its own.

    python tests/benchmarks/startup.py [RUNS]

``check`` of a 500-line recipe typed by the binder: the first ever (nothing is kept of it or of any other; only the parser's tables
are there, as after any first use), after an edit of one line, and unchanged; a ``run`` with nothing to do. The edit is of a condition
deep in the chain: what the binder said of all other steps is kept from before. Beside them, in the same turn, a process that
imports DuckDB and pydantic as programs do and binds one query: the floor of a program that uses them so, and what a
busy machine is measured by. Prints medians and least values of user and system time together, and the ratio to the floor.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

FLOOR = "import duckdb, pydantic; from pydantic import BaseModel; duckdb.connect().sql('select 1').types"


def recipe(steps: int = 41) -> str:
    """500 lines: a source and a chain of ``clean`` steps."""
    lines = [
        'recipe "long" { version: "1.0.0"  seed: 7 }',
        "param least: int = 5",
        "def short(t) = length(t) < least",
        "",
        'source rows = csv("rows.csv") {',
    ]
    lines += ["  key: id", "  columns: { id: text, section: text, description: text, summary: text }", "}"]
    before = "rows"
    for i in range(steps):
        lines += [
            f"clean step{i} from {before} {{",
            "  description = trim(description) |> lower",
            '  drop where short(description) as "too short"',
            f"  n{i % 5} = length(description) + {i}",
            f'  keep where n{i % 5} between 1 and 10000 as "size"',
            f'  keep where section not in ["games{i}", "science{i}", "sound{i}", "web{i}"]',
            r'  drop where description matches r/\b(player|puzzle)\b/i as "games"',
            '  summary = case when summary is null then "" else upper(summary) end',
            '  flag = length(summary) > 3 and description like "a%"',
            "  select(id, section, description, summary)",
            "}",
            "",
        ]
        before = f"step{i}"
    return "\n".join(lines[:500]) + "\n"


def cpu(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.csv").write_text(
            "id,section,description,summary\n" + "".join(f"{i},games,text number {i} of all,short\n" for i in range(100))
        )
        text = recipe()
        (folder / "long.recipe").write_text(text)
        (folder / "small.recipe").write_text("\n".join(text.splitlines()[:32]) + "\n")
        # Compiled modules are kept, as everywhere that recipec is installed.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"XDG_CACHE_HOME": str(folder / "cache")}
        ours = [sys.executable, "-m", "recipec"]
        cpu([*ours, "run", "small.recipe"], folder, environment)

        def cold() -> float:
            for kept in (folder / "cache" / "recipec").iterdir():
                if not kept.name.startswith("grammar-"):
                    kept.unlink()
            (folder / "long.recipe").write_text(text)
            return cpu([*ours, "check", "long.recipe"], folder, environment)

        def edited() -> float:
            (folder / "long.recipe").write_text(text.replace('"games20"', f'"games{os.urandom(4).hex()}"'))
            return cpu([*ours, "check", "long.recipe"], folder, environment)

        cases: dict[str, Callable[[], float]] = {
            "floor: imports": lambda: cpu([sys.executable, "-c", FLOOR], folder, environment),
            "check, 500 lines, the first ever": cold,
            "check, 500 lines, after an edit": edited,
            "check, 500 lines, unchanged": lambda: cpu([*ours, "check", "long.recipe"], folder, environment),
            "run, nothing to do": lambda: cpu([*ours, "run", "small.recipe"], folder, environment),
        }
        found: dict[str, list[float]] = {case: [] for case in cases}
        for _ in range(runs):
            for case, measure in cases.items():
                found[case].append(measure())
    floor = statistics.median(found["floor: imports"])
    print(f"CPU seconds over {runs} runs, {len(text.splitlines())} lines      median   least   / floor")
    for case, times in found.items():
        print(f"{case:40} {statistics.median(times):9.3f} {min(times):7.3f} {statistics.median(times) / floor:9.2f}")


if __name__ == "__main__":
    main()
