"""A folder that somebody else wrote, who means harm: the fixture ``hostile``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = '''recipe "hostile" { version: "1.0.0"  seed: 1 }
import "inner.recipe" as inner
source x = csv("data/x.csv") { key: id  columns: { id: text, text: text, label: text } }
source away = csv("https://example.invalid/rows.csv") { columns: { id: text, text: text } }
python ran from x { call: "evil:run"  columns: { text: text } }
label voted from x { classes: ["a", "b"]  vote plugin("evil:vote") as v  vote keywords({ a: ["hello"] }) as k  combine: majority() }
model far = openai("m", base_url: "http://example.invalid/v1", api_key: env("RECIPEC_SECRET"))
model hub = embedding("nobody/nothing")
template ask(text) """{{ text }} which?"""
generate more from x { with: far  prompt: ask(text)  answer: { said: text } }
clean near from x { dedupe(text, meaning: 90%, with: hub)  n = tokens(text, "nobody/nothing")  w = zzwords(text) }
zzkind odd from x { }
train clf from x { task: classify(text => label)  base: "nobody/nothing" }
export out from x { to: "../outside"  format: jsonl() }
'''
EVIL = 'open({mark!r}, "w").close()\n\ndef run(batch):\n    return batch\n\ndef vote(batch):\n    return None\n'
SHADOWS = ("json", "lark", "duckdb", "jinja2", "nltk", "tokenizers", "opencc", "typing", "dataclasses", "evil", "sitecustomize")


class Hostile:
    def __init__(self, folder: Path) -> None:
        self.folder, self.mark, self.secret = folder / "repository", folder / "ran", folder / "secret.toml"
        (self.folder / "data").mkdir(parents=True)
        self.secret.write_text("[m]\nin = 1.0\nout = 1.0\n[secret-word]\nin = 'SECRETWORD'\n", encoding="utf-8")
        self.write("t.recipe", RECIPE)
        self.write("inner.recipe", "param a: int = 1\n")
        self.write("data/x.csv", "id,text,label\n1,hello there,a\n2,good bye,b\n")
        for name in SHADOWS:
            self.write(f"{name}.py", EVIL.format(mark=str(self.mark)))
        self.write("evil.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
        groups = ("step", "function", "reader", "lint", "operator")
        self.write("evil.egg-info/entry_points.txt", "".join(f"[recipec.{g}]\nzz{g} = evil:run\nzzkind = evil:run\n" for g in groups))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        """The variables of a command that is looked at: nothing is trusted, and there is a secret."""
        made = {k: v for k, v in os.environ.items() if k not in ("RECIPEC_TRUST", "PYTHONSAFEPATH")}
        home = self.folder.parent
        made |= {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        return made | {"RECIPEC_SECRET": "s3cret", **variables}

    def go(self, *words: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        """A command line of Python's in the folder, with nothing trusted."""
        command = [*before, sys.executable, *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(**variables), capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)
