"""Who may import whom, and what a check may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "recipec"

STAGES: dict[str, set[str]] = {
    # stage: the stages that it may import at the top of a module, beside itself and `record`, how classes of values are written
    "record": set(),
    "source": set(),
    "settings": set(),
    "diagnostics": {"source"},
    "registry": set(),
    "language": {"registry"},
    "syntax": {"source", "diagnostics"},
    "given": {"source", "syntax"},
    "api": {"source", "diagnostics", "registry", "language", "settings", "syntax", "given"},
    "identity": {"api"},
    "rand": {"api"},
    "mirror": {"api"},
    "places": {"api"},
    "trust": {"api"},
    "resolve": {"source", "diagnostics", "registry", "settings", "syntax", "api", "rand", "mirror", "places", "trust"},
    "fast": {"api"},
    "workspace": {"api", "places"},
    "plan": {"source", "diagnostics", "registry", "syntax", "api", "identity", "resolve", "workspace"},
    "engines": {"source", "syntax", "api", "identity", "rand", "resolve", "plan", "workspace"},
}
"""The stages, each importing only from those before it. What plugs into them (steps, operators, readers, formats, functions, lints) may
import any of them, and each other within its own folder; ``report``, ``editors``, ``cli``, ``lsp`` and ``face`` stand last, and nothing imports them."""

PLUGS = {
    "steps", "operators", "functions", "readers", "formats", "lints", "templates", "models", "training", "votes", "combiners", "augmenters",
    "selectors", "metrics", "labels", "face",
}  # fmt: skip
LAST = {"cli", "report", "lsp", "editors", "face", "annotate"}
FINE = {
    # A step kind runs by way of the engine; what an operator writes is SQL over an input's hidden columns.
    ("operators", "functions"), ("steps", "operators"), ("steps", "functions"), ("steps", "readers"), ("steps", "formats"), ("steps", "templates"),
    # What a step of labels, models or training is made of.
    *(("steps", part) for part in ("models", "votes", "combiners", "augmenters", "selectors", "training", "metrics", "labels")),
    ("votes", "models"), ("votes", "labels"), ("combiners", "labels"), ("augmenters", "models"), ("selectors", "models"), ("selectors", "metrics"),
    ("training", "models"), ("metrics", "models"), ("operators", "models"),
}  # fmt: skip


def stage_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if parts else ""


def imports(path: Path) -> list[tuple[str, int]]:
    """recipec's modules imported when this one is, with the line: not those inside functions, nor those for types alone."""
    found: list[tuple[str, int]] = []

    def look(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "recipec":
                names = [node.module] if node.module != "recipec" else [f"recipec.{a.name}" for a in node.names]
                found.extend((name, node.lineno) for name in names)
            elif isinstance(node, ast.Import):
                found.extend((a.name, node.lineno) for a in node.names if a.name.split(".")[0] == "recipec")
            elif isinstance(node, ast.If):
                if "TYPE_CHECKING" not in ast.dump(node.test):
                    look(node.body)
                look(node.orelse)
            elif isinstance(node, ast.Try):
                look(node.body)

    look(ast.parse(path.read_text(encoding="utf-8")).body)
    return found


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name not in ("__init__.py", "__main__.py") or p.parent != PACKAGE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_stage_imports_only_from_those_before_it(path: Path) -> None:
    here = stage_of(path)
    for module, line in imports(path):
        parts = module.split(".")
        there = parts[1] if len(parts) > 1 else ""
        if here in LAST or there in ("", here):
            continue
        where = f"{path.relative_to(ROOT)}:{line} imports {module}"
        assert there not in LAST, where
        if here in STAGES:
            assert there in STAGES[here] | {"record"}, where
        else:
            assert here in PLUGS, where
            assert there in STAGES or (here, there) in FINE, where


def test_the_stages_are_in_order() -> None:
    seen: set[str] = set()
    for stage, may in STAGES.items():
        assert may <= seen, stage
        seen.add(stage)
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert folders <= set(STAGES) | PLUGS | LAST, "a new folder finds its place here"


def test_no_file_is_too_long() -> None:
    long = {
        p.relative_to(ROOT).as_posix(): n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert long == {}


HEAVY = {"torch", "transformers", "pyarrow", "ray", "rich", "numpy", "datasets", "pandas", "lark", "ftfy", "sklearn", "pygls"}
RECIPE = '''
source a = csv("a.csv") { key: id  columns: { id: int, text: text } }
clean k from a { text = text |> fix_unicode |> strip_html |> squeeze_space  drop where words(text) < 2 as "short"  dedupe(text)  dedupe(text, near: 85%) }
split s from k { train: 80%  test: rest  stratify: length(text) }
sql q from s.train """select count(*) as n from s.train""" { key: n }
export out from s { to: "out"  format: huggingface() }
'''


@pytest.mark.parametrize("verb", ["check", "fmt", "plan"])
def test_a_check_loads_nothing_heavy(tmp_path: Path, verb: str) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,a b c\n", encoding="utf-8")
    (tmp_path / "r.recipe").write_text(RECIPE, encoding="utf-8")
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport recipec.cli\n"
        f"code = recipec.cli.main(['{verb}', 'r.recipe'])\nprint('LOADED', code, *sorted(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    line = next((x for x in done.stdout.splitlines() if x.startswith("LOADED")), "")
    assert line, done.stderr
    loaded = {m.split(".")[0] for m in line.split()[2:]}
    assert loaded & HEAVY == set()


def test_importing_the_command_line_loads_little(tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport recipec.cli\nprint(*sorted(sys.modules))\n"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = {m.split(".")[0] for m in out.split()}
    assert loaded & (HEAVY | {"duckdb", "pydantic", "jinja2"}) == set()
