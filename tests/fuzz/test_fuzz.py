"""The fuzzers for some seconds at every run of the tests; ``python tests/fuzz/run.py --minutes 60`` is the long run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest


def module(name: str) -> Any:
    """A file beside this one, which is a program too."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


targets, run = module("targets"), module("run")
INPUTS = {"resolver": 6, "expressions": 6, "csv": 12, "jsonl": 12, "json": 12, "conll": 12, "parser": 25, "formatter": 25, "template": 80}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_whatever_is_read_is_read_or_refused(name: str) -> None:
    random, target = Random(f"{name} 1"), targets.TARGETS[name]
    seeds, words = targets.seeds(name), targets.words(name)
    for _ in range(INPUTS.get(name, 100)):
        data = run.damaged(random.choice(seeds), seeds, words, random)
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"{run.where(error)} for {data!r}")


FOUND: dict[str, list[bytes]] = {
    "ledger": [b'{"key":"00"}\n', b"[]\n", b'{"key":3}\n', b"[" * 100_000 + b"\n"],
    "resolver": [b'import "a\x00b" as a\n', b'export o from x { to: "a\x00b"  format: jsonl() }\n'],
    "expressions": [b'"\xf9wrowsritten"'],
    "template": [b"{{ a|truncate(2) }}", b"{{ 1e999 + 1 }}{{ '1e400'|float|int }}", b"{{ [nope] }}"],
}
"""What the long run and the search for holes found, mended since."""


@pytest.mark.parametrize(("name", "data"), [(n, d) for n, listed in FOUND.items() for d in listed])
def test_what_was_found_stays_mended(name: str, data: bytes) -> None:
    targets.TARGETS[name](data)
