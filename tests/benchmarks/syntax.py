"""How long the parser and the formatter take.

    python tests/benchmarks/syntax.py

Prints milliseconds of CPU, the least of several runs: a cold import, the first parse, five hundred lines of the worked
recipes parsed and formatted, the same with ten mistakes, and the slowest of the texts in ``tests/syntax/hostile.py``, which
are as large as the parser accepts.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "syntax")]


def least(runs: int, task: Callable[[], object]) -> float:
    """Milliseconds of CPU of the fastest of ``runs``."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        task()
        times.append(1000 * (time.process_time() - start))
    return min(times)


def cold(code: str) -> float:
    """Milliseconds of CPU that a statement takes in a fresh process."""
    timed = f"import time; t = time.process_time(); {code}; print(1000 * (time.process_time() - t))"
    done = [subprocess.run([sys.executable, "-c", timed], cwd=TESTS.parent, capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(process.stdout) for process in done)


def main() -> None:
    from hostile import hostile

    from recipec.source import Source
    from recipec.syntax.format import format_source
    from recipec.syntax.parse import parse

    recipes = re.findall(r"```recipe\n(.*?)```", (TESTS / "syntax" / "good.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(recipes * 6).splitlines()[:500]
    while parse(Source("x", "\n".join(lines)))[1]:
        del lines[-1]
    text = "\n".join(lines)
    broken = text.replace("keep where", "keep").replace("seed: 7", "seed 7").replace("from tidy", "form tidy")
    start = "from recipec.source import Source; from recipec.syntax.parse import parse"
    print(f"import, cold                 {cold(start):7.1f} ms")
    print(f"import and first parse, cold {cold(start + '; parse(Source(str(), str()))'):7.1f} ms")
    print(f"parse {len(lines)} lines              {least(10, lambda: parse(Source('x', text))):7.1f} ms")
    mistakes = len(parse(Source("x", broken))[1])
    print(f"parse with {mistakes:2} mistakes       {least(10, lambda: parse(Source('x', broken))):7.1f} ms")
    print(f"format {len(lines)} lines             {least(5, lambda: format_source(Source('x', text))):7.1f} ms")
    slow = max((least(2, lambda text=text: parse(Source("x", text))), text[:24], len(text)) for text in hostile(1))  # type: ignore[misc]
    print(f"slowest hostile text         {slow[0]:7.1f} ms  {slow[1]!r}..., {slow[2]:,} characters")


if __name__ == "__main__":
    main()
