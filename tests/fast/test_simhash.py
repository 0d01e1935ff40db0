"""SimHash against its definition in plain Python, and against comparing all pairs of fingerprints."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from recipec.fast.components import Components
from recipec.fast.keyed import copies
from recipec.fast.shingles import shingle_sets
from recipec.fast.simhash import BITS, SimhashStats, fingerprints, simhash_duplicates, tables
from recipec.fast.tokens import mix, tokenise


def word(chance: random.Random) -> str:
    return "".join(chance.choice("abcdefghij") for _ in range(4))


def texts(seed: int, count: int) -> list[str]:
    """Texts in families that differ in a word or two."""
    chance = random.Random(seed)
    made: list[str] = []
    while len(made) < count:
        words = [word(chance) for _ in range(chance.randrange(20, 120))]
        made.append(" ".join(words))
        for _ in range(chance.randrange(3)):
            other = list(words)
            other[chance.randrange(len(other))] = word(chance)
            made.append(" ".join(other))
    return made[:count]


def run(rows: Sequence[str | None], distance: int, **options: object) -> tuple[SimhashStats, list[tuple[Any, ...]]]:
    con = duckdb.connect()
    con.execute("create table t (_key uuid, n bigint, text varchar)")
    listed = list(range(len(rows)))
    con.execute("insert into t select md5(n::varchar)::uuid, n, text from (select unnest(?) as n, unnest(?) as text)", [listed, list(rows)])
    stats = simhash_duplicates(con, "from t", text="text", distance=distance, out="found", order="n", **options)  # type: ignore[arg-type]
    query = """select t.n, k.n, f.similarity, o.n, f.kept_similarity from found f join t using (_key)
               join t k on k._key = f.kept join t o on o._key = f.neighbour order by 1"""
    return stats, con.execute(query).fetchall()


def test_a_bit_is_what_most_shingles_have() -> None:
    column = pa.array(["one two three four five six", "中文字符相似的句子", "", None, "a b", " ".join(f"w{i}" for i in range(70_000))])
    found = fingerprints(column, "auto", 3)
    assert found.compared.tolist() == [True, True, False, False, False, True]
    for tokens in tokenise(column, "auto"):
        sets = shingle_sets(tokens, 3)
        start = 0
        for row, size in zip(sets.rows.tolist(), sets.sizes.tolist(), strict=True):
            hashes = mix(sets.shingles[start : start + size])
            start += size
            bits = sum(1 << b for b in range(BITS) if 2 * int(((hashes >> np.uint64(b)) & np.uint64(1)).sum()) > size)
            assert bits == int(found.bits[row])


@pytest.mark.parametrize("distance", [0, 1, 3, 6])
def test_all_pairs_are_found(distance: int) -> None:
    rows = list(dict.fromkeys(texts(3, 1500)))
    stats, found = run(rows, distance)
    prints = fingerprints(pa.array(rows), "auto", 3)
    components = Components(len(rows))
    apart = np.bitwise_count(prints.bits[:, None] ^ prints.bits[None, :])
    components.join(*np.nonzero(apart <= distance))
    roots = components.find(copies(prints.whole))
    assert {(r[0], r[1]) for r in found} == {(i, int(roots[i])) for i in range(len(rows)) if roots[i] != i}
    assert stats.duplicates == len(found) > 0
    for row, kept, similarity, neighbour, to_kept in found:
        assert similarity == 1 - apart[row, neighbour] / 64 >= 1 - distance / 64
        assert to_kept == 1 - apart[row, kept] / 64
        # Of rows with equal fingerprints the first speaks for all, and names another.
        if neighbour > row:
            assert similarity == 1 - min(apart[row, i] for i in range(len(rows)) if apart[row, i]) / 64


def test_a_choice_of_blocks_misses_no_pair() -> None:
    for distance in range(1, 7):
        for count in (10, 10_000, 10_000_000):
            chosen = tables(distance, count)
            assert len(chosen) <= 90
            assert all(sum(w for _, w in (*c.key, *c.rest)) == BITS for c in chosen)
            chance = random.Random(distance)
            for _ in range(50):
                mask = sum(1 << b for b in chance.sample(range(64), distance))
                flipped = [c for c in chosen if int(c.permuted(np.array([mask], np.uint64))[0]) >> (BITS - c.width) == 0]
                assert flipped


def test_short_blank_and_equal_texts() -> None:
    rows = ["a b", "A  b!", "a c", None, "", "...", "中文", "中文", "😀", "x" * 10]
    _, found = run(rows, 3)
    assert [(r[0], r[1]) for r in found] == [(1, 0), (7, 6)]
    assert run([], 3)[0] == SimhashStats(0, 0, 0, 0)
    assert run([None], 3)[0].duplicates == 0


def test_chinese_by_characters() -> None:
    long = "这是一个用来检查相似文本是否能够被正确识别出来的中文句子，它没有空格，但是每个字都算一个词。" * 3
    _, found = run([long, long.replace("检查", "检验"), "完全不同的另一段话，说的是别的事情，和上面没有关系。" * 3], 6)
    assert [(r[0], r[1]) for r in found] == [(1, 0)]


def test_threads_and_order_change_nothing() -> None:
    rows = texts(5, 400)
    assert run(rows, 3)[1] == run(rows, 3)[1]


def test_a_form_filled_in_many_ways_takes_linear_time() -> None:
    form = " ".join(f"word{i}" for i in range(200))
    stats, _ = run([f"{form} {i}th {i * 7}rd".replace("0", "o").replace("1", "i").replace("2", "z") for i in range(20_000)], 3)
    assert stats.duplicates > 15_000


@pytest.mark.parametrize(("options", "said"), [({"distance": 7}, "0 to 6"), ({"distance": 3, "ngram": 0}, "n-gram")])
def test_out_of_range(options: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(["a"], **options)
