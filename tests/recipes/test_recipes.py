"""Every worked recipe, and every recipe of a real data set beside this file, is laid out, checks clean and runs; their own
``expect``s hold what the data is known to be. Rows lost on the way are counted here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recipec.source import Source
from recipec.syntax.format import format_source
from tests.models.server import serving
from tests.recipes.answering import Model

if TYPE_CHECKING:
    from tests.conftest import Lab

HERE = Path(__file__).resolve().parent
WORKED = HERE.parents[1] / "recipes"
DATA = HERE.parents[2] / "shared" / "data"

REAL = sorted(p.stem for p in HERE.glob("*.recipe"))
SHIPPED = sorted(p.stem for p in WORKED.glob("*.recipe"))

DROPPED = {
    "banking77": {"train": {"duplicate": 31, "duplicate of bench": 25}},
    "cmrc2018": {"questions": {"no question": 2}},
    "gsm8k": {"lessons": {"contaminated": 4}},
    "self_instruct": {"rows": {"too short or too long": 2}},
    "sms_spam": {"tidy": {"duplicate": 415}},
    "wnut17": {"tidy": {"one token": 2, "duplicate": 103}},
    "youtube_spam": {"tidy": {"duplicate": 223}},
    "conversations": {"replied@1": {"refused": 1, "empty": 1}, "going@3": {"ended before": 1}},
    "dialogues": {"chat": {"the agent speaks first": 1, "the last word is not the agent's": 3}},
    "distill": {"distilled": {"refused": 2}},
    "evolve": {
        "answered": {"empty": 2},
        "judged@1": {"no more than before": 2, "copied from the request": 2},
        "judged@2": {"no more than before": 1, "copied from the request": 3, "not novel": 1},
    },
    "folds": {"survey": {"does not parse": 1}, "tidy": {"no topic or no comment": 3}},
    "hash_split": {"tidy": {"no topic": 2, "duplicate": 5}},
    "grounded_qa": {"qa": {"the quote is not in the passage": 3}},
    "instructions": {
        "fresh@1": {"not of the asked form": 3, "too short or too long": 6, "not for text alone": 2, "no output": 1, "not novel": 3}
    },
    "names": {"tidy": {"too short": 2, "a name without its beginning": 1}},
    "personas": {"questions": {"not of the asked form": 4, "not novel": 30}},
    "preferences": {"answers": {"refused": 2}, "preferences": {"tie": 3, "the judge goes by the place": 15}},
    "python_step": {"short": {"longer than half a minute": 2}},
    "shared_parts": {"letters": {"too short": 4}},
    "rejection": {"traces": {"cut off": 2, "no number at the end": 10, "another number": 14}, "kept": {"duplicate": 9}},
    "time_split": {"mail": {"does not parse": 1}, "tidy": {"nothing to learn from": 8, "duplicate": 11}},
    "translate": {"parallel": {"not translated": 3, "numbers differ": 2, "does not come back": 3}},
    "two_judges": {"answers": {"refused": 1, "empty": 2}, "good": {"the judges disagree": 1, "not good enough": 23}},
}
"""What steps drop. The counts of the real data were found a second time with Python and DuckDB alone."""


@pytest.mark.parametrize("path", [*(WORKED / f"{n}.recipe" for n in SHIPPED), *(HERE / f"{n}.recipe" for n in REAL)], ids=lambda p: p.stem)
def test_is_laid_out_as_the_formatter_would(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_source(Source(str(path), text)) == text


@pytest.fixture
def worked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The folder of worked recipes, copied, so that a run leaves nothing behind; and a server for those that ask a language model."""
    shutil.copytree(WORKED, lab.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".recipec", "__pycache__"))
    with serving(says=Model()) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield lab


@pytest.mark.parametrize("name", SHIPPED)
def test_a_worked_recipe_runs(worked: Lab, name: str) -> None:
    text = (worked.folder / f"{name}.recipe").read_text(encoding="utf-8")
    assert not worked.check(text, name=f"{name}.recipe")
    ran = worked.run(text, name=f"{name}.recipe")
    for step, dropped in DROPPED.get(name, {}).items():
        assert ran.dropped(step) == dropped
    again = worked.run(text, name=f"{name}.recipe")
    # A loop that ended early has rounds that were skipped, and are again.
    assert {s.status for s in again.result.steps} <= {"reused", "skipped"}


def test_quickstart_keeps_what_it_promises(worked: Lab) -> None:
    text = (worked.folder / "quickstart.recipe").read_text(encoding="utf-8")
    ran = worked.run(text, name="quickstart.recipe")
    # One line cut off in each of three exports; 6 pages of questions become 25 rows.
    assert [ran.dropped(s) for s in ("mail", "chat", "survey")] == [{"does not parse": 1}] * 3
    assert ran.rows("select via, count(*) from messages group by via order by via") == [
        ("archive", 99), ("chat", 261), ("faq", 25), ("mail", 293), ("return", 84), ("survey", 129)
    ]  # fmt: skip
    reasons = ran.dropped("tidy")
    assert (reasons["no intent"], reasons["too short"]) == (10, 18)
    assert ran.rows("select count(*) from tidy where regexp_matches(text, 'â€|@|<p>|[Ａ-Ｚ０-９]|555-01')") == [(0,)]
    assert ran.rows("select count(*) from tidy where (lang = 'zh') <> regexp_matches(text, '\\p{Han}')") == [(0,)]
    parts = [ran.rows(f"select count(*) from final.{p}")[0][0] for p in ("train", "validation", "test")]
    assert all(abs(n - sum(parts) * share) <= 3 for n, share in zip(parts, (0.8, 0.1, 0.1), strict=True))
    folder = worked.folder / "build" / "quickstart"
    assert sorted(p.name for p in (folder / "jsonl").iterdir()) == ["test.jsonl", "train.jsonl", "validation.jsonl"]
    assert (folder / "hub" / "README.md").is_file()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA.name}/ beside the repository")
@pytest.mark.parametrize("name", REAL)
def test_a_recipe_of_real_data_runs(lab: Lab, name: str) -> None:
    text = (HERE / f"{name}.recipe").read_text(encoding="utf-8")
    sets = {"data": str(DATA)}
    assert not lab.check(text, name=f"{name}.recipe", sets=sets)
    # The 63,440 packages take ten seconds in full: here they are only read.
    only = ["packages"] if name == "packages" else None
    ran = lab.run(text, name=f"{name}.recipe", sets=sets, only=only)
    for step, dropped in DROPPED.get(name, {}).items():
        assert ran.dropped(step) == dropped
