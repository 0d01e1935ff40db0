"""How long the language server takes for a keystroke in a recipe of five hundred lines.

    python tests/lsp/figures.py

Prints milliseconds of CPU, the median of several keystrokes in several places: what is done at once, and what in the pause.
The recipe is a chain of 34 cleaning steps, each reading the one before, which is the worst there is: a new column at its head
changes them all.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

STEP = """
clean tidy{n} from tidy{before} {{
  text = text |> fix_unicode |> strip_html |> squeeze_space
  intent = lower(trim(intent))

  drop where intent is null or intent == ""     as "no intent"
  drop where length(text) < 8         as "too short"
  drop where language(text) not in ["en", "zh"] as "another language"
  dedupe(text)
  dedupe(text, near: 85%)

  lang{n} = language(text)
  expect intent in ["delivery", "returns", "sizing", "payment", "product", "other"]
}}
"""
EDITS: dict[str, Callable[[str, int], str]] = {
    "a number in a condition": lambda text, n: nth(text, "< 8", f"< {n + 9}", n),
    "a letter of an operator": lambda text, n: nth(text, "dedupe(text)", "dedup(text)", n),
    "a bracket left open": lambda text, n: nth(text, "trim(intent))", "trim(intent)", n),
    "a column's name": lambda text, n: nth(text, "\n  lang", f"\n  lang{n}x", n),
    "a comment": lambda text, n: nth(text, "\n  dedupe(text)\n", "\n  # x\n  dedupe(text)\n", n),
}


def nth(text: str, old: str, new: str, number: int) -> str:
    parts = text.split(old)
    number %= len(parts) - 1
    return old.join(parts[: number + 1]) + new + old.join(parts[number + 1 :])


def main() -> None:
    from recipec.lsp.analysis import Desk

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.csv").write_text("text,intent\na,b\n", encoding="utf-8")
        head = 'source s = csv("in.csv") {\n  columns: { text: text, intent: text }\n}\n\nclean tidy0 from s { }\n'
        text = head + "".join(STEP.format(n=n, before=n - 1) for n in range(1, 35))
        path = str(Path(folder, "x.recipe"))
        desk = Desk()
        start = time.process_time()
        document = desk.open(path, text)
        desk.program(document)
        print(f"{text.count(chr(10))} lines; opened in {1000 * (time.process_time() - start):.0f} ms")
        print(f"{'':28}{'at once':>10}{'(worst)':>10}{'in the pause':>14}")
        for what, edit in EDITS.items():
            quick: list[float] = []
            later: list[float] = []
            for number in range(0, 34, 5):
                for changed in (edit(text, number), text):
                    start = time.process_time()
                    desk.change(path, changed)
                    desk.findings(document, desk.program(document, quick=True))
                    middle = time.process_time()
                    desk.findings(document, desk.program(document))
                    quick.append(1000 * (middle - start))
                    later.append(1000 * (time.process_time() - middle))
            print(f"{what:28}{statistics.median(quick):10.1f}{max(quick):10.1f}{statistics.median(later):10.1f}, at most {max(later):.0f}")


if __name__ == "__main__":
    main()
