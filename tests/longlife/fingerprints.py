"""The golden file of fingerprints: every step of every worked recipe, and of those of real data sets, with its static key and its run key.

A key that changes makes people's finished steps run again, and pays for nothing twice only because answers have keys of their own: so a
change of a key is a change of meaning, or a mistake. Where it is meant::

    python -m tests.longlife.fingerprints --bless "dedupe@2: texts are compared without their marks"

writes the file anew with the reason, which also belongs into CHANGELOG.md. The file's last reason is sealed by a digest of all keys, so that
keys are not changed without one.

Run keys are those of a first run: the files' contents are in them, and the keys of the steps above in place of their outputs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("fingerprints.json")
FOLDERS = ("recipes", "tests/recipes")
ENVIRONMENT = {"LLM_URL": "http://localhost:8000/v1", "LLM_KEY": "none", "LLM_MODEL": "m"}
"""What recipes read from the environment."""

Keys = dict[str, dict[str, list[str]]]
"""By recipe and step: the static key and the run key."""


def recipes() -> list[Path]:
    return [p for folder in FOLDERS for p in sorted((ROOT / folder).glob("*.recipe"))]


def keys_of(path: Path) -> dict[str, list[str]] | None:
    """None where the recipe cannot be resolved here: its data, or a package that it needs, is not there."""
    from recipec.plan.fingerprint import file_digest, run_key
    from recipec.plan.lock import static_keys
    from recipec.resolve.loading import load
    from recipec.source import Source

    program = load(Source(str(path), path.read_text(encoding="utf-8")))
    program.resolve()
    if program.findings.errors or not all(step.bound.fetched for step in program.steps):
        return None
    static = static_keys(program)
    run: dict[str, str] = {}
    out = {}
    for step in program.steps:
        files = {f.name: file_digest(f) for f in step.bound.files}
        run[step.name] = run_key(step, [(run[p.step], p.part) for p in step.parents], files)
        out[step.name] = [static[step.name], run[step.name]]
    return out


def found(environment: Mapping[str, str] = ENVIRONMENT) -> Keys:
    """The keys of now, of every recipe that can be resolved here."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        made = {p.relative_to(ROOT).as_posix(): keys_of(p) for p in recipes()}
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return {name: keys for name, keys in made.items() if keys is not None}


def seal(keys: Keys) -> str:
    return blake2b(json.dumps(keys, sort_keys=True, ensure_ascii=False).encode(), digest_size=8).hexdigest()


def read() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return made


def changes(golden: Keys, now: Keys) -> list[str]:
    """What is another now: a recipe or step that is new or gone, or a step whose meaning or files are others."""
    out = []
    for recipe in sorted({*golden, *now}):
        if not (ROOT / recipe).exists():
            out.append(f"{recipe} is gone")
        elif recipe not in golden:
            out.append(f"{recipe} is new")
        elif recipe in now:
            for step in sorted({*golden[recipe], *now[recipe]}):
                old, new = golden[recipe].get(step), now[recipe].get(step)
                if old is None or new is None:
                    out.append(f"{recipe}: `{step}` is {'new' if old is None else 'gone'}")
                elif old[0] != new[0]:
                    out.append(f"{recipe}: `{step}` means something else, or a step above it: {old[0]} -> {new[0]}")
                elif old[1] != new[1]:
                    out.append(f"{recipe}: `{step}` has other files: {old[1]} -> {new[1]}")
    return out


def bless(why: str) -> int:
    from recipec import __version__

    old = read() if GOLDEN.exists() else {"reasons": [], "keys": {}}
    now = found()
    changed = changes(old["keys"], now)
    keys = {name: keys for name, keys in {**old["keys"], **now}.items() if (ROOT / name).exists()}
    if changed or not old["reasons"]:
        old["reasons"].append({"version": __version__, "why": why, "changed": len(changed), "seal": seal(keys)})
        text = json.dumps({"reasons": old["reasons"], "keys": keys}, ensure_ascii=False, indent=1, sort_keys=True)
        GOLDEN.write_text(text + "\n", encoding="utf-8")
    print("\n".join([*changed, f"{len(changed)} changes blessed: {why}"]))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bless", metavar="WHY", help="write the file anew, for this reason")
    args = parser.parse_args()
    if args.bless is not None:
        if len(args.bless.strip()) < 15:
            parser.error("say in a sentence what means something else now")
        return bless(args.bless.strip())
    changed = changes(read()["keys"], found())
    print("\n".join(changed) or "every fingerprint is what it was")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
