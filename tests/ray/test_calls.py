"""Models of this machine asked by actors: in order, in the ledger before use, and each once whatever dies."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recipec.api import DataError
from recipec.engines.ray.calls import Spread
from recipec.models._base import Model
from recipec.models.kept import Kept


def lines(ledger: Path) -> Counter[str]:
    """How often each key is in a ledger."""
    return Counter(
        json.loads(line)["key"] for path in ledger.glob("answers-*.jsonl") for line in path.read_text().splitlines() if '"key"' in line
    )


def dying(folder: Path, times: int) -> Any:
    """A model whose process dies, ``times`` times, when it is asked for the unit of ``fall``."""

    class Dying(Model):
        apart = True
        name = "dying"

        def write(self, prompts: list[str]) -> list[tuple[str, str, int]]:
            with (folder / "asked").open("a") as file:
                file.write(f"{prompts[0]}\n")
            if "fall" in prompts and (folder / "asked").read_text().split().count("fall") <= times:
                os._exit(9)
            if "wrong" in prompts:
                raise DataError("there is no such word", "take another")
            return [(p[::-1], "stop", 1) for p in prompts]

    return Dying()


UNITS = [([f"a{n}", f"b{n}"],) for n in range(20)]


def test_an_actor_that_dies(cluster: Any, tmp_path: Path) -> None:
    """Its unit is asked of another; answers come in their order; each is in the ledger once, and none is asked for again."""
    units = [*UNITS[:7], (["fall", "down"],), *UNITS[7:]]
    spread, model = Spread(cluster, lambda: None), dying(tmp_path, 1)
    model.spread, model.kept = spread(model), Kept(tmp_path / "ledger", "m")
    try:
        made = list(model.each("write", units, keep=True))
    finally:
        spread.close()
        model.close()
    assert made == [[(p[::-1], "stop", 1) for p in unit[0]] for unit in units]
    kept = lines(tmp_path / "ledger")
    assert len(kept) == 2 * len(units)
    assert set(kept.values()) == {1}
    asked = (tmp_path / "asked").read_text().split()
    model.kept = Kept(tmp_path / "ledger", "m")
    assert list(model.each("write", [*units, (["new", "one"],)], keep=True)) == [*made, [("wen", "stop", 1), ("eno", "stop", 1)]]
    spread.close()
    model.close()
    assert (tmp_path / "asked").read_text().split() == [*asked, "new"], "what is kept is not asked again"
    assert model.kept.reused == 2 * len(units)


def test_a_unit_that_kills_whoever_is_asked(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipec.engines.ray.calls.RETRIES", 1)
    spread, model = Spread(cluster, lambda: None), dying(tmp_path, 9)
    model.spread, model.kept = spread(model), Kept(tmp_path / "ledger", "m")
    try:
        with pytest.raises(DataError, match="the process with the model `dying` died"):
            list(model.each("write", [*UNITS[:3], (["fall"],)], keep=True))
        with pytest.raises(DataError, match="there is no such word"):
            list(model.each("write", [*UNITS[:3], (["wrong"],), *UNITS[3:]], keep=True))
    finally:
        spread.close()
        model.close()
    assert set(lines(tmp_path / "ledger").values()) == {1}, "what was answered before is kept"


def test_several_askings_at_once(cluster: Any, tmp_path: Path) -> None:
    """As the members of an ensemble are asked: each in its order, none waits for another for ever."""
    spread, model = Spread(cluster, lambda: None), dying(tmp_path, 0)
    model.spread = spread(model)
    try:
        found = list(zip(model.each("write", UNITS), model.each("write", UNITS[::-1]), strict=True))
    finally:
        spread.close()
    assert [one[0][0] for one, _ in found] == [f"a{n}"[::-1] for n in range(20)]
    assert [other for _, other in found] == [one for one, _ in found][::-1]


def test_a_plan_tells_where_models_are_asked(tmp_path: Path) -> None:
    from recipec.engines.ray.cost import model_of, text
    from recipec.plan.planner import make_plan
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.workspace.database import open_workspace
    from tests.ray.every_kind import ASKING

    for name in ("mini", "tiny", "bert"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(
            '{"architectures": ["BertForMaskedLM"]}' if name != "tiny" else '{"architectures": ["GPT2LMHeadModel"]}'
        )
    program = load(Source(str(tmp_path / "kinds.recipe"), ASKING))
    program.resolve()
    assert not program.findings.errors, program.findings.errors
    with open_workspace(tmp_path / "w", doing="test") as workspace:
        model = model_of(make_plan(program, workspace), workspace, nodes=3, memory=None)
    told = "\n".join(text(model, 8))
    assert "clf        actors: one machine trains" in told
    assert "guess      actors: `clf` is loaded on 3 nodes" in told
    assert "said       here, by DuckDB (one ledger writes down every answer); `tiny` is loaded on 3 nodes" in told
    assert model.costs["argued"].asked == ("clf", "weak")
