"""The parts of near-duplicate detection: tokens, shingle sets, bands, components."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.bands import FUNCTIONS, RECALL, Bands, band_hashes
from recipec.fast.components import Components
from recipec.fast.shingles import shingle_sets
from recipec.fast.tokens import LONGEST, By, tokenise


def hashes(texts: list[str | None], by: By = "auto", kind: pa.DataType | None = None) -> list[list[int]]:
    """The token hashes of each text."""
    result: list[list[int]] = [[] for _ in texts]
    seen = []
    for group in tokenise(pa.array(texts, kind or pa.string()), by):
        ends = np.cumsum(group.counts).tolist()
        for row, count, end in zip(group.rows.tolist(), group.counts.tolist(), ends, strict=True):
            result[row] = group.hashes[end - count : end].tolist()
            seen.append(row)
    assert sorted(seen) == list(range(len(texts)))
    return result


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café NAÏVE, 12.5", "cafe naive 99 0"),
        ("Straße ﬁnden", "STRASSE finden"),
        ("ＡＢＣ　１２", "abc 00"),
        ("中文ab，语言", "中文AB 语言"),
        (unicodedata.normalize("NFD", "한국어 각"), "한국어 각"),
        (unicodedata.normalize("NFD", "ガギグ"), "ガギグ"),
        ("ｶﾞｷﾞ", "ガギ"),
        (unicodedata.normalize("NFD", "Tiếng Việt"), "tieng viet"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("שָׁלוֹם", "שלום"),
        ("٣٤ ½", "12 1/2"),
        ("❤️", "❤"),
    ],
)
def test_alike_after_normalisation(one: str, other: str) -> None:
    first, second = hashes([one, other])
    assert first == second
    assert first


@pytest.mark.parametrize(("one", "other"), [("👍", "👎"), ("कि", "कु"), ("が", "か"), ("ab", "a b"), ("a", "b"), ("ก", "กา")])
def test_different_after_normalisation(one: str, other: str) -> None:
    first, second = hashes([one, other])
    assert first != second


@pytest.mark.parametrize(
    ("by", "counts"),
    [("auto", [2, 6, 2, 3]), ("words", [2, 2, 2, 3]), ("characters", [6, 7, 3, 7])],
)
def test_what_a_token_is(by: By, counts: list[int]) -> None:
    assert [len(row) for row in hashes(["one two!", "你好吗 こんab", "한국 👍", "a bb cccc"], by)] == counts


def test_a_token_is_the_same_wherever_it_stands() -> None:
    (alone,) = hashes(["word"])
    rows = hashes(["x word", "wörd", None, "", "WORD", "é word 中"], kind=pa.large_string())
    assert rows[0][1:] == alone
    assert rows[1] == rows[4] == alone
    assert rows[2] == rows[3] == []
    assert rows[5][1:2] == alone
    sliced = pa.array(["skip", "word", "wörd", None]).slice(1)
    assert [group.hashes.tolist() for group in tokenise(sliced, "auto")] == [alone, alone]


def test_hashes_never_change() -> None:
    """What was decided by them is kept in people's tables, so these values are for ever."""
    assert hashes(["hello world", "你好"]) == [
        [17580759272176231321, 2906992676835148838],
        [4228260555819714059, 1788876008671962669],
    ]
    (group,) = tokenise(pa.array(["a b c d e f g"]), "auto")
    sets = shingle_sets(group, 5)
    assert sets.shingles.tolist() == [93767891982587, 146803716121697, 279411049136894]
    assert sets.whole.tolist() == [7286170986723206945]
    assert band_hashes(sets, Bands(2, 3)).tolist() == [[10223217383119134650], [14566229542219656596]]


def test_long_runs_are_cut() -> None:
    (row,) = hashes(["a" * (2 * LONGEST + 3)])
    assert len(row) == 3
    assert row[0] == row[1] != row[2]


TEXT = st.text(st.one_of(st.sampled_from("ab A1-_é中か한\u0301\u3099👍 \n"), st.characters(exclude_categories=["Cs"])), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXT), min_size=1, max_size=8))
def test_every_row_reads_alike_beside_others_and_alone(texts: list[str | None]) -> None:
    for by in ("auto", "words", "characters"):
        assert hashes(texts, by) == [hashes([text], by)[0] for text in texts]


def test_shingle_sets() -> None:
    texts = pa.array(["a b c d", "a b c", "x y", None, "b c d a b c", "A B C D"])
    (group,) = tokenise(texts, "auto")
    sets = shingle_sets(group, 3)
    # The last row equals the first and is not stored again.
    assert sets.sizes.tolist() == [2, 1, 0, 0, 4, 0]
    assert sets.whole[0] == sets.whole[5]
    assert sets.whole[3] == 0
    assert len(set(sets.whole.tolist())) == 5
    parts = np.split(sets.shingles, np.cumsum(sets.sizes)[:-1])
    assert set(parts[1].tolist()) <= set(parts[0].tolist()) <= set(parts[4].tolist())
    assert all((np.diff(part.astype(np.int64)) > 0).all() for part in parts)


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.3, 0.5, 0.6, 0.72, 0.8, 0.85, 0.9, 0.95, 0.999, 1.0])
def test_bands_reach_the_recall_within_the_functions(threshold: float) -> None:
    cut = Bands.for_threshold(threshold)
    assert cut.chance(threshold) >= RECALL
    assert cut.bands * cut.rows <= FUNCTIONS


def test_bands_agree_as_often_as_the_formula_says() -> None:
    chance = random.Random(9)
    cut = Bands.for_threshold(0.72)
    pairs, size, shared = 1500, 60, 50
    texts = []
    for _ in range(pairs):
        common = [f"w{chr(97 + i % 26)}{chance.getrandbits(48):x}" for i in range(shared)]
        texts += [" ".join(common + [f"v{chance.getrandbits(60):x}" for _ in range(size - shared)]) for _ in range(2)]
    groups = list(tokenise(pa.array(texts), "words"))
    bands = np.concatenate([band_hashes(shingle_sets(group, 1), cut) for group in groups], axis=1)
    agreed = (bands[:, 0::2] == bands[:, 1::2]).any(axis=0).mean()
    assert agreed == pytest.approx(cut.chance(shared / (2 * size - shared)), abs=0.02)


def test_components() -> None:
    chance = random.Random(11)
    edges = [(chance.randrange(500), chance.randrange(500)) for _ in range(300)]
    name = list(range(500))
    for a, b in edges:
        low, high = sorted((name[a], name[b]))
        name = [low if n == high else n for n in name]
    for order in (edges, edges[::-1], sorted(edges)):
        components = Components(500)
        for start in range(0, len(order), 40):
            left, right = np.array(order[start : start + 40]).T
            components.join(left, right)
        assert components.find(np.arange(500)).tolist() == name
