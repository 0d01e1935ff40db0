"""Rows a second that templates render, in a run with two threads, beside the same step without the template.

    python tests/benchmarks/templates.py [ROWS] [RUNS]

``plain`` puts one text into a prompt; ``typed`` is the same with its type declared, ``few`` adds four examples to each row, and
``chat`` makes three messages. Prints the median of the whole step's rows a second (reading, rendering in worker processes,
writing), and of a bare Jinja2 environment in one process over the same texts, which is what a person's own loop does.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

TEMPLATES = '''
template plain(text) """
  Classify the text below as spam or ham.
  {{ text }}
  Answer:"""
template typed(text: text) """
  Classify the text below as spam or ham.
  {{ text }}
  Answer:"""
template few(text: text, examples: [{ text: text, label: text }]) """
  {% for e in examples %}{{ e.text }} [SEP] The label of the above text is {{ e.label }}
  {% endfor %}{{ text }} [SEP] The label of the above text is"""
template chat(text: text) { system """Be brief.""" user """{{ text }}""" assistant """ham""" }
'''
SHOTS = ", ".join(f'{{text: "an example of the usual length, number {i}", label: "ham"}}' for i in range(4))
CALLS = {"nothing": "text || '!'", "plain": "plain(text)", "typed": "typed(text)", "few": f"few(text, [{SHOTS}])", "chat": "chat(text)"}


def seconds(name: str, rows: int, folder: Path) -> float:
    """How long the step takes, workers started anew as in every run."""
    from recipec.engines.runner import run
    from recipec.plan.planner import make_plan
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.workspace.database import open_workspace

    call = CALLS[name].replace("'", '"')
    recipe = f'''{TEMPLATES}
sql rows """
  select i as id, 'some text of a usual length, as a person would write it, number ' || i as text from range({rows}) r(i)""" {{ key: id }}
clean prompts from rows {{ a = {call}  select(a) }}'''
    program = load(Source(str(folder / f"{name}.recipe"), recipe))
    program.resolve()
    assert not program.findings.errors, [d.message for d in program.findings.errors]
    with open_workspace(folder / name, doing="benchmark", threads=2) as workspace:
        run(make_plan(program, workspace, ["rows"]), workspace)
    with open_workspace(folder / name, doing="benchmark", threads=2) as workspace:
        started = time.perf_counter()
        result = run(make_plan(program, workspace), workspace)
        took = time.perf_counter() - started
    assert not result.failed
    return took


def bare(rows: int) -> float:
    from jinja2 import Environment

    template = Environment().from_string("Classify the text below as spam or ham.\n{{ text }}\nAnswer:")
    started = time.perf_counter()
    for i in range(rows):
        template.render(text=f"some text of a usual length, as a person would write it, number {i}")
    return time.perf_counter() - started


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    times: dict[str, list[float]] = {name: [] for name in (*CALLS, "bare Jinja2")}
    for _ in range(runs):
        for name in CALLS:
            with tempfile.TemporaryDirectory() as folder:
                times[name].append(seconds(name, rows, Path(folder)))
        times["bare Jinja2"].append(bare(rows))
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:12} {rows / middle:12,.0f} rows/s   median {middle:.2f} s, least {min(found):.2f} s")


if __name__ == "__main__":
    main()
