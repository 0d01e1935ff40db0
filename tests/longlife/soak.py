"""Many runs of one workspace, with edits between them as people make them, each against a build from nothing: always equal.

``python -m tests.longlife.soak [--runs 500] [--seed 1] [--every 10]`` prints how the disk and the memory went. An edit changes a threshold, adds
or removes a rule or a step, renames one, puts statements into another order, changes data, touches files without changing them, removes or
spoils an export, or goes back to an earlier recipe; now and then old results are removed (``gc``), or a run is killed at some statement.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipec.cli.gc import sweep, taken
from recipec.engines.batches import Kernels
from recipec.engines.runner import prune, run
from recipec.plan.planner import make_plan
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.workspace.database import open_workspace

WORDS = [
    "the",
    "of",
    "to",
    "game",
    "player",
    "sound",
    "wave",
    "library",
    "fast",
    "small",
    "new",
    "data",
    "editor",
    "image",
    "network",
    "driver",
    "tool",
    "shell",
    "puzzle",
    "arcade",
    "audio",
    "music",
    "音乐",
    "游戏",
]
THEMES = {
    "games": ("game", "player", "puzzle", "arcade", "游戏"),
    "sound": ("sound", "wave", "audio", "music", "音乐"),
    "code": ("library", "shell", "tool"),
}


@dataclass
class Text:
    """A recipe as its author thinks of it."""

    least: int = 3
    near: int = 80
    train: int = 80
    names: dict[str, str] = field(default_factory=lambda: {n: n for n in ("tidy", "topic", "parts", "counts", "hub", "lines")})
    rules: list[str] = field(default_factory=lambda: ["games", "sound"])
    extra: int = 0
    """Steps beside the others."""
    order: int = 0
    lower: bool = False
    comment: int = 0
    only_train: bool = False

    def render(self) -> str:
        n = self.names
        rules = "\n".join(
            f'  when {" or ".join(f"contains(text, {json.dumps(w, ensure_ascii=False)})" for w in THEMES[r])} => "{r}" as r_{r}'
            for r in self.rules
        )
        blocks = [
            f"""clean {n["tidy"]} from all {{
  drop where text is null as "no text"
  drop where words(text) < {self.least} as "short"
  {"text = lower(text)" if self.lower else "kept = true"}
  dedupe(text, near: {self.near}%)
}}""",
            f"""label {n["topic"]} from {n["tidy"]} {{ classes: {json.dumps(sorted(THEMES))}
{rules}
}}""",
            f"""split {n["parts"]} from {n["topic"]} {{ train: {self.train}%  test: rest  group: customer }}""",
            f'''sql {n["counts"]} from {n["tidy"]} """select section, count(*) as rows from {n["tidy"]} group by 1""" {{ key: section }}''',
            f"""export {n["hub"]} from {f"{n['parts']}.train" if self.only_train else n["parts"]} {{ to: "build/hub"  format: jsonl() }}""",
            f"""export {n["lines"]} from {n["tidy"]} {{ to: "build/tidy.csv"  format: csv()  keys: true }}""",
            *(f'clean extra{i} from {n["tidy"]} {{ keep where len(text) > {10 * i} }}  # allow: unused-step because of the soak' for i in range(self.extra)),
        ]  # fmt: skip
        random.Random(self.order).shuffle(blocks)
        head = """recipe "soak" { seed: 7 }
source rows = csv("rows.csv") { key: id }
source more = jsonl("more.jsonl") { key: id }
mix all from rows, more
"""
        return head + f"# {self.comment}\n" + "\n".join(blocks) + "\n"


class Soak:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.here, self.there = folder / "long", folder / "fresh"
        self.text = Text()
        self.past: list[Text] = []
        self.done: dict[str, int] = {}
        self.wanted_of: list[str] = []
        self.wanted: dict[str, Any] = {}
        self.here.mkdir(parents=True)
        self.write_rows(60)
        self.write_more(30)

    # Data

    def rows(self, count: int, name: str) -> list[dict[str, Any]]:
        out = []
        for i in range(count):
            text = " ".join(self.draw.choice(WORDS) for _ in range(self.draw.randint(1, 12)))
            out.append(
                {
                    "id": f"{name}{i:03}",
                    "text": text,
                    "section": self.draw.choice(["web", "games", "网络"]),
                    "customer": f"c{self.draw.randint(0, 9)}",
                }
            )
        return out

    def write_rows(self, count: int) -> None:
        lines = ["id,text,section,customer", *(",".join(r.values()) for r in self.rows(count, "r"))]
        (self.here / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_more(self, count: int) -> None:
        lines = [json.dumps(r, ensure_ascii=False) + "\n" for r in self.rows(count, "m")]
        (self.here / "more.jsonl").write_text("".join(lines), encoding="utf-8")

    # Edits

    def edit(self) -> str:
        """Change something; says what."""
        draw, text = self.draw, Text(**{**self.text.__dict__, "names": dict(self.text.names), "rules": list(self.text.rules)})
        what = draw.choice(
            ["threshold", "threshold", "rename", "reorder", "rules", "extra", "touch", "data", "append", "export gone", "export spoilt", "comment", "back",
             "near", "share", "lower", "part", "nothing"]
        )  # fmt: skip
        match what:
            case "threshold":
                text.least = draw.randint(1, 6)
            case "near":
                text.near = draw.choice([70, 80, 90])
            case "share":
                text.train = draw.choice([50, 70, 80])
            case "lower":
                text.lower = not text.lower
            case "part":
                text.only_train = not text.only_train
            case "rename":
                name = draw.choice(sorted(text.names))
                text.names[name] = f"{name}_{draw.randint(1, 9)}" if draw.random() < 0.7 else name
            case "reorder":
                text.order = draw.randint(0, 99)
            case "rules":
                text.rules = draw.sample(sorted(THEMES), draw.randint(1, 3))
            case "extra":
                text.extra = draw.randint(0, 3)
            case "comment":
                text.comment += 1
            case "back" if self.past:
                text = draw.choice(self.past[-30:])
            case "touch":
                for path in (self.here / "rows.csv", self.here / "more.jsonl"):
                    os.utime(path)
            case "data":
                self.write_rows(draw.randint(40, 70))
            case "append":
                with (self.here / "more.jsonl").open("a", encoding="utf-8") as file:
                    file.write(
                        json.dumps(
                            {
                                "id": f"x{draw.getrandbits(40)}",
                                "text": " ".join(draw.choices(WORDS, k=6)),
                                "section": "web",
                                "customer": "c1",
                            }
                        )
                        + "\n"
                    )
            case "export gone":
                shutil.rmtree(self.here / "build", ignore_errors=True)
            case "export spoilt":
                for path in sorted((self.here / "build").rglob("*.csv")):
                    path.write_text("spoilt\n", encoding="utf-8")
        self.past.append(self.text)
        self.text = text
        return what

    # Runs

    def carry_out(self, folder: Path) -> None:
        program = load(Source(str(folder / "soak.recipe"), self.text.render()))
        program.resolve()
        errors = program.findings.errors
        assert not errors, [(d.message, d.help) for d in errors]
        with open_workspace(folder / ".recipec", doing="run", threads=2) as workspace:
            result = run(make_plan(program, workspace), workspace)
        assert not result.failed, [(s.name, s.error.message) for s in result.failed if s.error]
        for step in result.steps:
            self.done[step.status] = self.done.get(step.status, 0) + (folder == self.here)

    def killed(self) -> bool:
        """A run that is killed at some statement, in a process of its own; whether it was."""
        at = self.draw.randint(1, 160)
        child = os.fork()
        if child == 0:
            from tests.longlife.killing import kill_at

            try:
                kill_at(at)
                self.carry_out(self.here)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) == -signal.SIGKILL

    def gc(self) -> None:
        with open_workspace(self.here / ".recipec", doing="gc", create=False) as workspace:
            prune(workspace)
            sweep(self.here / ".recipec", [b.extra.get("caches", {}) for b in workspace.built.values()])

    def look(self, folder: Path) -> dict[str, Any]:
        """Everything that people see: tables, parts, books, files."""
        import duckdb

        with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('store', 'recipec') OR table_name IN ('dropped', 'lineage') ORDER BY ALL"
            ).fetchall()
            tables = {f"{s}.{t}": sorted(con.execute(f'SELECT t::VARCHAR FROM "{s}"."{t}" t').fetchall()) for s, t in names}
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "build").rglob("*")) if p.is_file()}
        return {**tables, **files}

    def fresh(self) -> dict[str, Any]:
        """What a build from nothing gives. Of the same text and data it is not made twice in a row; comments do not count."""
        texts = [
            re.sub(r"^# .*$", "", self.text.render(), flags=re.M),
            *((self.here / n).read_text(encoding="utf-8") for n in ("rows.csv", "more.jsonl")),
        ]
        if texts == self.wanted_of:
            return self.wanted
        shutil.rmtree(self.there, ignore_errors=True)
        self.there.mkdir()
        for name in ("rows.csv", "more.jsonl"):
            shutil.copy(self.here / name, self.there / name)
        self.carry_out(self.there)
        self.wanted_of, self.wanted = texts, self.look(self.there)
        return self.wanted

    def once(self, compare: bool = True) -> tuple[str, list[str]]:
        """One edit and one run: what was done, and what is not as a build from nothing has it."""
        what = self.edit()
        if self.draw.random() < 0.1 and self.killed():
            what += ", killed"
        # Folders of exports are the author's: one that no recipe writes any more stays, and would not be there from nothing.
        shutil.rmtree(self.here / "build", ignore_errors=True) if "part" in what else None
        self.carry_out(self.here)
        if self.draw.random() < 0.08:
            self.gc()
            what += ", gc"
        if not compare:
            return what, []
        found, wanted = self.look(self.here), self.fresh()
        return what, sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(folder: Path, runs: int, seed: int, every: int = 0, compare: int = 1) -> dict[str, Any]:
    """Figures of the whole; raises AssertionError at the first run that differs. ``compare`` is at how many runs a build from nothing is made."""
    made = Soak(folder, seed)
    memory: list[int] = []
    disk: list[int] = []
    began = time.process_time()
    edits: dict[str, int] = {}
    for number in range(1, runs + 1):
        with without_workers():
            what, differing = made.once(number % compare == 0)
        for word in what.split(", "):
            edits[word] = edits.get(word, 0) + 1
        assert differing == [], f"run {number} (seed {seed}), after {what}: {differing}\n{made.text.render()}"
        memory.append(resident())
        if "gc" in what:
            disk.append(taken(made.here / ".recipec"))
        if every and number % every == 0:
            print(f"{number} runs, {memory[-1] / 1e6:.0f} MB of memory, {taken(made.here / '.recipec') / 1e6:.1f} MB of disk, {time.process_time() - began:.0f} s", flush=True)  # fmt: skip
    made.gc()
    disk.append(taken(made.here / ".recipec"))
    return {"runs": runs, "edits": edits, "steps": made.done, "memory": memory, "disk": disk, "fresh": taken(made.there / ".recipec"), "seconds": time.process_time() - began}  # fmt: skip


@contextmanager
def without_workers() -> Iterator[None]:
    """No worker processes are started in advance: this recipe needs none, and a start takes longer than its run."""
    warm = Kernels.warm
    Kernels.warm = lambda self: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Kernels.warm = warm  # type: ignore[method-assign]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        figures = soak(Path(folder), args.runs, args.seed, args.every)
    memory, disk = figures.pop("memory"), figures.pop("disk")
    tenth = max(1, len(memory) // 10)
    print(json.dumps(figures, ensure_ascii=False))
    print("memory, MB, by tenths: " + " ".join(f"{max(memory[i : i + tenth]) / 1e6:.0f}" for i in range(0, len(memory), tenth)))
    print("disk after gc, MB: " + " ".join(f"{d / 1e6:.1f}" for d in disk))
    return 0


if __name__ == "__main__":
    sys.exit(main())
