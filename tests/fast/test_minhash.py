"""Near-duplicates against an exhaustive comparison of plain Python sets, and the cases that break others."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Sequence
from uuid import UUID, uuid5

import duckdb
import pytest

from recipec.fast.minhash import Stats, near_clusters, near_duplicates

SPACE = UUID(int=7)
WORDS = [a + b + c for a in "bcdfgl" for b in "aeiou" for c in "mnrst"]

Row = tuple[str, str, float, str, float, str]


def keyed(texts: Sequence[str | None]) -> dict[str, str | None]:
    return {str(uuid5(SPACE, str(number))): text for number, text in enumerate(texts)}


def connect(rows: dict[str, str | None], threads: int = 2) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"set threads = {threads}")
    con.execute("create table t (_key uuid, text varchar)")
    if rows:
        con.execute("insert into t select unnest(?)::uuid, unnest(?)", [list(rows), list(rows.values())])
    return con


def duplicates(rows: dict[str, str | None], threshold: float, threads: int = 2, **options: str) -> tuple[Stats, list[Row]]:
    con = connect(rows, threads)
    stats = near_duplicates(con, "from t", text="text", threshold=threshold, out="found", **options)  # type: ignore[arg-type]
    query = "select _key::text, kept::text, similarity, neighbour::text, kept_similarity, cluster::text from found order by 1"
    return stats, con.execute(query).fetchall()


def shingles(text: str | None, ngram: int = 5) -> set[str]:
    """The definition in plain Python, for Latin text."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", (text or "").casefold()) if not unicodedata.combining(c))
    words = re.sub(r"\d", "0", " ".join(re.findall(r"[^\W_]+", plain))).split()
    if len(words) < ngram:
        return {"whole: " + " ".join(words)} if words else set()
    return {" ".join(words[i : i + ngram]) for i in range(len(words) - ngram + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def families(seed: int, count: int) -> list[str | None]:
    """Texts with near-copies at all similarities, in groups."""
    chance = random.Random(seed)
    texts: list[str | None] = []
    while len(texts) < count:
        words = chance.choices(WORDS, k=chance.randint(3, 90))
        for _ in range(chance.choice([1, 1, 2, 4, 9])):
            copy = list(words)
            for _ in range(chance.choice([0, 0, 1, 1, 2, 3, 6])):
                copy[chance.randrange(len(copy))] = chance.choice(WORDS)
            joint = chance.choice([" ", "  ", ", ", "\n"])
            texts.append(joint.join(copy).title() if chance.random() < 0.2 else joint.join(copy) + chance.choice(["", "!", " É"]))
    return texts[:count]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.72, 0.85, 1.0])
def test_agrees_with_comparing_all_pairs(threshold: float) -> None:
    rows = keyed(families(1, 400))
    sets = {key: shingles(text) for key, text in rows.items()}
    stats, found = duplicates(rows, threshold)
    kept = dict.fromkeys(rows, "")
    for key, root, similarity, neighbour, kept_similarity, cluster in found:
        kept[key] = root
        assert similarity == pytest.approx(jaccard(sets[key], sets[neighbour]), abs=1e-12)
        assert kept_similarity == pytest.approx(jaccard(sets[key], sets[root]), abs=1e-12)
        assert similarity >= threshold
        assert similarity >= kept_similarity
        assert cluster == root
    alike = [(a, b) for a, b in itertools.combinations(rows, 2) if jaccard(sets[a], sets[b]) >= threshold]
    together = [(kept[a] or a) == (kept[b] or b) for a, b in alike]
    assert len(alike) > 40
    assert sum(together) / len(together) >= 0.97
    assert stats.duplicates == len(found)
    assert stats.rows == len(rows)


@pytest.mark.parametrize("order", [None, "length(text) desc, text"])
def test_neither_the_order_of_rows_nor_threads_matter(order: str | None) -> None:
    rows = keyed(families(2, 2500))
    shuffled = dict(random.Random(3).sample(list(rows.items()), len(rows)))
    options = {} if order is None else {"order": order}
    expected = duplicates(rows, 0.6, threads=1, **options)
    assert expected[0].duplicates > 500
    assert duplicates(shuffled, 0.6, threads=1, **options) == expected
    assert duplicates(shuffled, 0.6, threads=3, **options) == expected


def test_five_distinct_short_texts_stay_five() -> None:
    assert duplicates(keyed(["yes", "no", "maybe so", "one two three", "one two four"]), 0.3)[1] == []


def test_short_texts_equal_after_normalisation_are_copies() -> None:
    stats, found = duplicates(keyed(["Thank you!", "thank you", "THANK  YOU...", "thanks"]), 0.9)
    assert stats.copies == len(found) == 2
    assert {(row[2], row[4]) for row in found} == {(1.0, 1.0)}


def test_blank_texts_are_never_duplicates() -> None:
    stats, found = duplicates(keyed([None, None, "", "", " ", "\n", "?!", "?!", "\u200b", "---"]), 0.5)
    assert stats.blank == 10
    assert found == []


def test_nothing_at_all() -> None:
    stats, found = duplicates({}, 0.8)
    assert (stats.rows, found) == (0, [])


def test_chinese_is_compared_by_characters() -> None:
    texts = [
        "实时战略游戏，重写西方文明史，时间跨度为公元前五百年至公元五百年，包括先进的三维图像和细致的插图",
        "实时战略游戏，重写西方文明史，时间跨度为公元前五百年\n至公元五百年，包括先进的三维图像和细致的插画",
        "这是一个完全不同的软件包，提供用于处理音频文件的命令行工具，并支持多种常见的编码格式和采样率",
        "日本語の文章もここに入れておきます。これは短い説明文であり、ほかのどれとも似ていません。",
    ]
    rows = keyed(texts)
    one, other = list(rows)[:2]
    for by in ("auto", "characters"):
        _, found = duplicates(rows, 0.7, by=by)
        assert [{row[0], row[1]} for row in found] == [{one, other}]
        assert found[0][2] > 0.8


def test_emoji_and_right_to_left_texts() -> None:
    texts = [
        "I love this song 👍",
        "I love this song 👎",
        "אני אוהב את השיר הזה מאוד",
        "אֲנִי אוהב את השיר הזה מאוד",
        "هذه جملة عربية قصيرة جدا هنا",
    ]
    rows = keyed(texts)
    _, found = duplicates(rows, 0.9)
    assert [{row[0], row[1]} for row in found] == [set(list(rows)[2:4])]


def test_order_decides_what_is_kept() -> None:
    base = "the quick brown fox jumps over the lazy dog and runs away into the deep dark forest"
    rows = keyed([base, base + " tonight", base + " again tonight"])
    longest = list(rows)[2]
    _, found = duplicates(rows, 0.7, order="length(text) desc")
    assert {row[1] for row in found} == {longest}
    assert {row[5] for row in found} == {min(rows)}


def test_a_chain_is_one_component_and_says_so() -> None:
    words = WORDS[:60]
    texts = [" ".join(words[3 * step : 3 * step + 40]) for step in range(6)]
    rows = keyed(texts)
    sets = {key: shingles(text) for key, text in rows.items()}
    first, *_, last = rows
    assert jaccard(sets[first], sets[last]) < 0.5
    _, found = duplicates(rows, 0.8)
    assert len(found) == 5
    assert min(row[4] for row in found) < 0.8 <= min(row[2] for row in found)


def test_one_repeated_value_costs_no_comparisons() -> None:
    con = connect({})
    con.execute("insert into t select md5(i::varchar)::uuid, 'the same words over and over again' from range(20000) r(i)")
    stats = near_duplicates(con, "from t", text="text", threshold=0.8, out="found")
    assert (stats.compared, stats.duplicates, stats.clusters) == (0, 19999, 1)
    assert con.execute("select count(distinct kept), min(_key = kept), min(similarity) from found").fetchall() == [(1, False, 1.0)]


def test_a_bucket_as_large_as_the_table_costs_in_proportion() -> None:
    """A long shared beginning puts all rows in common buckets without making them alike."""
    chance = random.Random(5)
    shared = " ".join(WORDS[:45])
    rows = keyed([shared + " " + " ".join(chance.choices(WORDS, k=18)) for _ in range(3000)])
    stats, found = duplicates(rows, 0.72)
    assert found == []
    assert stats.compared < 9 * stats.bands * len(rows)


def test_long_texts_are_cut_by_themselves_alone() -> None:
    """A text of several pieces is read alike beside other texts, in another batch and with accents elsewhere in it."""
    chance = random.Random(6)
    words = chance.choices(WORDS, k=700_000)
    long = " ".join(words)
    changed = " ".join([*words[:350_000], "é", *words[350_000:]])
    unspaced = "".join(chance.choices("abcdefg", k=1_500_000))
    rows = keyed([long, "short one", changed, unspaced, unspaced + "h" * 100, "中" * 500_000])
    stats, found = duplicates(rows, 0.9)
    names = list(rows)
    assert {frozenset(row[:2]) for row in found} == {frozenset((names[0], names[2])), frozenset((names[3], names[4]))}
    assert stats.copies == 0


def test_clusters_have_every_row() -> None:
    rows = keyed([*families(4, 300), None, "", "alone"])
    con = connect(rows)
    stats = near_clusters(con, "from t", text="text", threshold=0.7, out="grouped")
    grouped = dict(con.execute("select _key::text, cluster::text from grouped").fetchall())
    assert grouped.keys() == rows.keys()
    assert all(cluster <= key for key, cluster in grouped.items())
    assert len(rows) - len(set(grouped.values())) == stats.duplicates > 50
    near_duplicates(con, "from t", text="text", threshold=0.7, out="found")
    assert all(grouped[key] == cluster for key, cluster in con.execute("select _key::text, cluster::text from found").fetchall())


def test_progress_rises_to_one_and_settings_are_put_back() -> None:
    con = connect(keyed(families(7, 5000)))
    heard: list[float] = []
    near_duplicates(con, "from t", text="text", threshold=0.8, out="found", progress=heard.append)
    assert heard == sorted(heard)
    assert heard[0] > 0
    assert heard[-1] == pytest.approx(1.0)
    assert con.execute("select current_setting('arrow_large_buffer_size')").fetchall() == [(False,)]
    assert con.execute("select count(*) from duckdb_views() where view_name like '%near_dup%'").fetchall() == [(0,)]


def test_columns_of_other_names_and_types() -> None:
    con = duckdb.connect()
    con.execute('create table t as select md5(i::varchar)::uuid as id, [7, i % 2] as "odd ""name" from range(6) r(i)')
    stats = near_duplicates(con, "from t", key="id", text='odd "name', threshold=0.8, out='odd "out')
    assert stats.rows == 6
    assert con.execute('select count(*) from "odd ""out"').fetchall() == [(5,)]


@pytest.mark.parametrize("order", [None, "text"])
def test_a_key_of_two_rows_is_refused(order: str | None) -> None:
    con = connect(keyed(["a b c d e f", "g h i j k l"]))
    con.execute("insert into t select _key, 'another text' from t limit 1")
    with pytest.raises(ValueError, match="1 rows repeat the key of another row"):
        near_duplicates(con, "from t", text="text", threshold=0.8, out="found", order=order)
    con.execute("update t set _key = null")
    with pytest.raises(ValueError, match="3 rows have no key"):
        near_duplicates(con, "from t", text="text", threshold=0.8, out="found", order=order)


@pytest.mark.parametrize(
    ("threshold", "options"), [(0.0, {}), (1.1, {}), (float("nan"), {}), (0.5, {"ngram": 0}), (0.5, {"by": "letters"})]
)
def test_impossible_arguments_are_refused(threshold: float, options: dict[str, object]) -> None:
    con = connect({})
    with pytest.raises(ValueError, match="not"):
        near_duplicates(con, "from t", text="text", threshold=threshold, out="found", **options)  # type: ignore[arg-type]
