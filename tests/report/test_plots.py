"""Drawings: well-formed, escaped, in their frame, aligned."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from xml.etree import ElementTree

import numpy as np
import pytest

from recipec.metrics._data import ClassData, class_data
from recipec.metrics.curves import calibration, precision_recall, roc
from recipec.metrics.tables import class_table, confusion_matrix
from recipec.report.cells import width
from recipec.report.plots import STYLE, Series, calibration_plot, confusion_plot, fewer, learning_plot, pr_plot, roc_plot, ticks
from recipec.report.plots_text import blocks, calibration_lines, confusion_lines
from recipec.report.scores import read_calibration, read_confusion, read_curve, read_table

NAMES = ["体育新闻", "a & b", '<script>alert("x")</script>', "a-name-that-is-much-too-long-for-a-drawing", "e\u202e"]


def example(names: list[str], rows: int = 200) -> ClassData:
    k = len(names)
    rng = np.random.RandomState(0)
    gold = rng.randint(0, k, rows)
    p = rng.dirichlet(np.ones(k), rows) + 0.6 * (gold[:, None] == np.arange(k))
    p /= p.sum(axis=1, keepdims=True)
    guess = [None if i % 17 == 0 else names[j] for i, j in enumerate(p.argmax(axis=1))]
    return class_data([names[g] for g in gold], guess, p, names)


DATA = example(NAMES)
PLOTS = {
    "confusion": confusion_plot(confusion_matrix(DATA)),
    "many": confusion_plot(confusion_matrix(example([f"class {i}" for i in range(60)], 3000))),
    "roc": roc_plot([roc(DATA, n) for n in NAMES]),
    "pr": pr_plot([precision_recall(DATA, n) for n in NAMES]),
    "calibration": calibration_plot(calibration(DATA)),
    "learning": learning_plot(
        [Series(n, ((0, 1), (50, 0.5), (100, math.nan), (150, 0.2)), ((0.9, 1.1), (0.4, 0.6), (0, 0), (0.1, 0.3))) for n in NAMES]
    ),
    "nothing": confusion_plot(confusion_matrix(class_data([], []))),
    "no curve": roc_plot([]),
    "no bins": calibration_plot(calibration(class_data([], [], np.zeros((0, 2)), ["a", "b"]))),
    "no values": learning_plot([Series("x", ())]),
    "one value": learning_plot([Series("x", ((3, 7),))]),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_drawing_is_well_formed_and_inside_its_frame(name: str) -> None:
    drawn = PLOTS[name]
    root = ElementTree.fromstring(drawn)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert root.find("{http://www.w3.org/2000/svg}desc") is not None
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert "nan" not in drawn.lower().replace("finance", "")
    assert " style=" not in drawn
    _, _, wide, tall = map(float, root.attrib["viewBox"].split())
    for item in root.iter():
        if item.tag.endswith("rect"):
            x, y, w, h = (float(item.attrib[k]) for k in ("x", "y", "width", "height"))
            assert -0.1 <= x <= x + w <= wide + 0.1
            assert -0.1 <= y <= y + h <= tall + 0.1
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", item.attrib.get("d", "")):
            assert 0 <= float(x) <= wide
            assert 0 <= float(y) <= tall
    used = {c for item in root.iter() for c in item.attrib.get("class", "").split()} - {"plot"}
    assert all(re.search(rf"\.{c}\b", STYLE) for c in used)


def test_both_sets_of_colours_have_the_same_names() -> None:
    light, dark = STYLE.split("@media")
    defined = re.compile(r"(--plot-\w+):")
    assert set(defined.findall(light)) == set(defined.findall(dark))
    assert set(re.findall(r"var\((--plot-\w+)\)", STYLE)) <= set(defined.findall(light))


def test_of_many_classes_the_others_are_added_up() -> None:
    found = confusion_matrix(example([f"class {i}" for i in range(60)], 3000))
    names, counts, none = fewer(found)
    assert len(names) == 20
    assert names[-1] == "41 others"
    assert sum(map(sum, counts)) + sum(none) == 3000


def test_ticks() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0, 1950) == [0, 500, 1000, 1500]
    assert ticks(0.31, 0.34) == pytest.approx([0.31, 0.32, 0.33, 0.34])
    assert ticks(-5, 5) == [-4, -2, 0, 2, 4]
    assert ticks(3, 3) == [3]


@pytest.mark.parametrize("unicode", [True, False])
def test_terminal_drawings_are_aligned(unicode: bool) -> None:
    for room in (40, 80, 120):
        lines = confusion_lines(confusion_matrix(DATA), room, unicode)
        assert all(width(line) <= room for line in lines)
        # The class's letter stands in the same cell of every line.
        at = {width(m.group(1)) for line in lines[1:] if (m := re.match(r"(.*?) [a-z] {2,5}[\d·.]", line))}
        assert len(at) == 1
        bars = calibration_lines(calibration(DATA), room, unicode)
        assert len({width(line) for line in bars[1:-1]}) == 1
        if not unicode:
            assert all(c.isascii() for line in bars for c in line)
    assert confusion_lines(confusion_matrix(class_data([], []))) == ["no rows"]
    assert calibration_lines(calibration(class_data([], [], np.zeros((0, 2)), ["a", "b"]))) == ["no rows with probabilities"]


def test_bars() -> None:
    assert blocks(0.5, 4) == "██  "
    assert blocks(1 / 16, 2) == "▏ "
    assert blocks(2, 3) == "███"
    assert blocks(0.5, 4, unicode=False) == "##  "


def test_what_a_run_keeps_as_json_can_be_drawn_again() -> None:
    found = calibration(DATA)
    for thing, read in (
        (class_table(DATA), read_table),
        (confusion_matrix(DATA), read_confusion),
        (roc(DATA, NAMES[0]), read_curve),
        (found, read_calibration),
    ):
        assert read(json.loads(json.dumps(asdict(thing), allow_nan=False))) == thing  # type: ignore[operator,call-overload]
