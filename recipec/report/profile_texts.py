"""What reading the texts of a column says: languages, scripts, words and phrases, templates, repeated sentences, personal data.

Texts are read from a sample of rows where there are very many, each up to its first :data:`CUT` characters and all together up to
:data:`BUDGET`: time and memory have a bound, whatever the table. Rows of a sample are chosen by their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recipec.fast.profile_stats import spread
from recipec.functions.language import language
from recipec.functions.redact import find_pii
from recipec.functions.words import words
from recipec.language import SQL
from recipec.rand import rank64
from recipec.report.profile_columns import Column, Rows

if TYPE_CHECKING:
    from recipec.fast.profile_words import Counter, Words

CUT: Final = 100_000
BUDGET: Final = 64_000_000
EDGE: Final = 4
"""Words of an opening or an ending, where words are parted by blanks,"""
EDGE_ALONE: Final = 6
"""and characters where they are not."""
SENTENCE: Final = 5
SENTENCE_ALONE: Final = 8
COMMON: Final = 0.01
"""An opening is a template when this share of the rows has it, and three at least."""
WORDS, PHRASES, EXAMPLES = 12, 8, 3
PII_KINDS: Final = ("email", "phone", "ip", "card", "id", "iban", "url")


@dataclass
class Reading:
    """The texts of a column that were read: Arrow ``texts`` in the order of their keys, and for each its language and group."""

    texts: Any
    languages: list[str]
    groups: Any
    counter: Counter
    sizes: Any
    """How many different words the rows of each group have, summed over rows."""


def chosen(rows: Rows, count: int, seed: int) -> str:
    """SQL for ``count`` of the rows, chosen by key: the same whatever their order."""
    rank = rank64(seed, "profile", rows.order.rpartition(", ")[2])
    return f"(SELECT * FROM {rows.relation} ORDER BY {rank}, {rows.order} LIMIT {count})"


def within_budget(rows: Rows, text: str, seed: int) -> tuple[str, int]:
    """SQL for the rows of the sample whose texts are read, and how many were left out for length."""
    size = f"least(length({text}), {CUT})"
    total, filled = rows.one(f"SELECT coalesce(sum({size}), 0)::BIGINT, count({text}) FROM {rows.sample}")
    where = f"SELECT * FROM {rows.sample} WHERE {text} IS NOT NULL"
    if total <= BUDGET:
        return f"({where})", 0
    rank = rank64(seed, "profile", rows.order.rpartition(", ")[2])
    kept = f"({where} QUALIFY sum({size}) OVER (ORDER BY {rank}, {rows.order}) <= {BUDGET})"
    return kept, filled - rows.one(f"SELECT count(*) FROM {kept}")[0]


def read(rows: Rows, column: Column, seed: int) -> Reading:
    """Read a column's texts and put what they say into its facts."""
    import numpy as np

    text = column.text
    source, left_out = within_budget(rows, text, seed)
    start = f"left({text}, {CUT})"
    order = ", ".join(f"o{i}" for i, _ in enumerate(rows.order.split(", ")))
    keys = ", ".join(f"{o} AS o{i}" for i, o in enumerate(rows.order.split(", ")))
    inner = (
        f"SELECT {keys}, {start} AS t, {words(SQL(text))} AS w, {language(SQL(start))} AS l, coalesce({rows.group}, {len(rows.groups)})::INT AS g, "
        f"length({text}) > {CUT} AS cut FROM {source}"
    )
    table = rows.con.sql(f"SELECT t, w, l, g, cut FROM ({inner}) ORDER BY {order}").to_arrow_table()
    lengths, counts = np.unique(table.column("w").to_numpy(), return_counts=True)
    facts = column.facts
    facts["read"] = {"rows": len(table), "left_out": left_out, "cut": int(np.count_nonzero(table.column("cut").to_numpy()))}
    facts["words"] = spread(list(zip(lengths.tolist(), counts.tolist(), strict=True)))
    languages = table.column("l").to_pylist()
    facts["languages"] = shares("language", languages)
    reading = Reading(table.column("t"), languages, table.column("g").to_numpy(), *_count(rows, column, table))
    return reading


def shares(name: str, values: Iterable[str]) -> list[dict[str, Any]]:
    """How often each value occurs, most frequent first."""
    from collections import Counter as Tally

    tally = Tally(values)
    total = sum(tally.values())
    return [{name: v, "rows": n, "share": n / total} for v, n in sorted(tally.items(), key=lambda p: (-p[1], p[0]))]


def _count(rows: Rows, column: Column, table: Any) -> tuple[Counter, Any]:
    import numpy as np

    from recipec.fast.profile_words import BITS, MASK, SCRIPT_NAMES, Counter, batches, edges, ngrams, sentences

    texts, groups = table.column("t"), table.column("g").to_numpy()
    units, phrases = Counter(), Counter()
    letters = np.zeros(len(SCRIPT_NAMES), np.int64)
    mains: list[Any] = []
    found: dict[str, list[Any]] = {"opening": [], "ending": [], "sentence": []}
    alone, sizes = None, np.zeros(len(rows.groups) + 1, np.int64)
    for batch in batches(texts):
        if alone is None and len(batch.row):
            # One choice for the column, from its first texts.
            alone = bool(batch.alone.mean() > 0.5)
        here = groups[batch.first : batch.first + len(batch.rows)]
        for counter, n, of in ((units, 2 if alone else 1, here), (phrases, 4 if alone else 3, None)):
            at, hashes = ngrams(batch, n)
            counter.add(batch.row[at], hashes, of)
        first, _, hashes = sentences(batch, SENTENCE_ALONE if alone else SENTENCE)
        found["sentence"].append((batch.row[first] + batch.first, hashes & MASK))
        for name in ("opening", "ending"):
            at, hashes = edges(batch, EDGE_ALONE if alone else EDGE, opening=name == "opening")
            found[name].append((batch.row[at] + batch.first, hashes & MASK))
        letters += batch.scripts.sum(axis=0)
        some = batch.scripts.sum(axis=1) > 0
        mains.append(np.bincount(batch.scripts.argmax(axis=1)[some], minlength=len(SCRIPT_NAMES)))
    by_rows = sum(mains, np.zeros(len(SCRIPT_NAMES), np.int64))
    total = int(letters.sum())
    facts = column.facts
    facts["scripts"] = [
        {"script": SCRIPT_NAMES[i], "letters": int(letters[i]), "share": int(letters[i]) / total, "rows": int(by_rows[i])}
        for i in np.lexsort((np.arange(len(letters)), -letters)).tolist()
        if letters[i]
    ]
    units.settle()
    np.add.at(sizes, (units.keys >> np.uint64(BITS)).astype(np.int64), units.counts)
    count, stop = len(texts), stopwords(facts["languages"])
    facts["unit"] = "character" if alone else "word"
    facts["top_words"] = top(texts, units.total(), 2 if alone else 1, WORDS, count, stop, any_stop=True)
    facts["top_phrases"] = top(texts, phrases, 4 if alone else 3, PHRASES, count, stop)
    for name, key in (("opening", "openings"), ("ending", "endings"), ("sentence", "sentences")):
        facts[key] = templates(texts, found[name], name, bool(alone), count)
    return units, sizes


def stopwords(languages: Sequence[dict[str, Any]]) -> frozenset[str]:
    """The function words of the languages that a twentieth of the rows are in."""
    from recipec.fast.text_stopwords import STOPWORDS

    return frozenset().union(*(STOPWORDS.get(one["language"], frozenset()) for one in languages if one["share"] >= 0.05))


def spell(texts: Any, wanted: Iterable[int], n: int) -> dict[int, tuple[int, list[str]]]:
    """N-grams by hash, from the first text that has each: its place among all words, then the n-gram and its words."""
    import numpy as np

    from recipec.fast.profile_words import MASK, among, batches, ngrams

    left = np.array(sorted(set(wanted)), np.uint64)
    out: dict[int, tuple[int, list[str]]] = {}
    if not len(left):
        return out
    before = 0
    for batch in batches(texts):
        at, hashes = ngrams(batch, n)
        hits = np.flatnonzero(among(hashes, left))
        keys, first = np.unique(hashes[hits] & MASK, return_index=True)
        for key, place in zip(keys.tolist(), at[hits[first]].tolist(), strict=True):
            out[key] = before + place, [batch.text(place, place + n - 1), *(batch.text(i, i) for i in range(place, place + n))]
        before += len(batch.row)
        left = left[~np.isin(left, keys)]
        if not len(left):
            break
    return out


def top(
    texts: Any, counter: Counter, n: int, most: int, rows: int, stop: frozenset[str], *, any_stop: bool = False
) -> list[dict[str, Any]]:
    """The n-grams in most rows: without those with function words in them (``any_stop``), or of nothing else.

    Of n-grams that are one phrase moved by a word, in about as many rows, the most frequent stands for all.
    """
    candidates = counter.top(most * 12 + (200 if any_stop else 0))
    spelt = spell(texts, (h for h, _ in candidates), n)
    out: list[dict[str, Any]] = []
    taken: list[tuple[list[str], int]] = []
    for hash, count in sorted(candidates, key=lambda c: (-c[1], spelt[c[0]][0])):
        shown, *parts = spelt[hash][1]
        stopped = [p in stop for p in parts]
        if (any(stopped) if any_stop else all(stopped)) or (any_stop and all(p.isdigit() or len(p) < 2 for p in parts) and n == 1):
            continue
        if n > 2 and any(count >= 0.7 * c and _moved(parts, p) for p, c in taken):
            taken.append((parts, count))
            continue
        taken.append((parts, count))
        out.append({"text": shown, "rows": count, "share": count / rows})
        if len(out) == most:
            break
    return out


def _moved(one: list[str], other: list[str]) -> bool:
    return any(one[i:] == other[: len(other) - i] or other[i:] == one[: len(one) - i] for i in (1, 2) if i < len(one))


def templates(texts: Any, found: list[tuple[Any, Any]], name: str, alone: bool, count: int) -> dict[str, Any]:
    """Openings, endings or sentences that many rows share: how many rows have one, and the most frequent."""
    import numpy as np

    least = 2 if name == "sentence" else max(3, -int(-COMMON * count // 1))
    row = np.concatenate([r for r, _ in found]) if found else np.zeros(0, np.int64)
    hashes = np.concatenate([h for _, h in found]) if found else np.zeros(0, np.uint64)
    order = np.lexsort((row, hashes))
    row, hashes = row[order], hashes[order]
    new = np.ones(len(row), np.bool_)
    new[1:] = (row[1:] != row[:-1]) | (hashes[1:] != hashes[:-1])
    row, hashes = row[new], hashes[new]
    keys, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    common = counts >= least
    share = np.repeat(common, counts)
    best = np.flatnonzero(common)
    best = best[np.lexsort((row[first[best]], -counts[best]))][:EXAMPLES]
    size = (SENTENCE_ALONE if alone else SENTENCE) if name == "sentence" else EDGE_ALONE if alone else EDGE
    rows = len(np.unique(row[share]))
    return {
        "words": size,
        "least_rows": least,
        "rows": rows,
        "share": rows / count if count else 0.0,
        "top": [
            {"text": _example(texts, int(row[first[i]]), int(keys[i]), name, size), "rows": int(counts[i]), "share": int(counts[i]) / count}
            for i in best.tolist()
        ],
    }


def _example(texts: Any, row: int, wanted: int, name: str, size: int) -> str:
    """The words behind a hash, as the row ``row`` writes them."""
    import numpy as np

    from recipec.fast.profile_words import MASK, batches, edges, sentences

    batch: Words = next(batches(texts.slice(row, 1)))
    if name == "sentence":
        first, last, hashes = sentences(batch, size)
        at = int(np.flatnonzero(hashes & MASK == np.uint64(wanted))[0])
        return batch.text(int(first[at]), int(last[at]), whole=True)[:200]
    place, _ = edges(batch, size, opening=name == "opening")
    return batch.text(int(place[0]), int(place[0]) + size - 1, whole=True)[:200]


# Personal data --------------------------------------------------------------------------------------------------------


def personal(rows: Rows, column: Column, seed: int) -> list[dict[str, Any]]:
    """Kinds of personal data in a column: how many, in how many rows, and examples with their middle masked."""
    source, _ = within_budget(rows, column.text, seed)
    text = f"left({column.text}, {CUT})"
    rank = rank64(seed, "pii", rows.order.rpartition(", ")[2])
    found = f"SELECT {rank} AS r, unnest({find_pii(SQL(text), list(PII_KINDS))}) AS f FROM {source}"
    base = f"(SELECT r, f.kind AS kind, f.value AS value, f.start AS s FROM ({found}))"
    counted = rows.all(
        f"SELECT kind, count(*) AS n, count(DISTINCT r), count(DISTINCT value), min(struct_pack(r := r, s := s, v := value)).v AS one, "
        f"max(struct_pack(r := r, s := s, v := value)).v AS other FROM {base} GROUP BY kind ORDER BY n DESC, kind"
    )
    read_rows = column.facts.get("read", {}).get("rows") or rows.one(f"SELECT count(*) FROM {source}")[0]
    return [
        {
            "kind": kind,
            "count": n,
            "rows": r,
            "share": r / read_rows,
            "distinct": d,
            "examples": list(dict.fromkeys(mask(kind, v) for v in (one, other))),
        }
        for kind, n, r, d, one, other in counted
    ]


def mask(kind: str, value: str) -> str:
    """A value that shows of what form it is, and no more: at most a quarter of its letters and digits is left."""
    if kind == "email":
        name, _, host = value.partition("@")
        return f"{name[:1] if len(name) > 3 else ''}***@{host[:1] if len(host) > 7 else ''}***.{host.rpartition('.')[2]}"
    if kind == "url":
        scheme, mark, rest = value.partition("://")
        place = rest if mark else value
        return f"{scheme + mark if mark else ''}{place[:3] if len(place) > 12 else ''}***"
    if kind == "ip":
        return f"{value[:1]}***"
    signs = [i for i, c in enumerate(value) if c.isalnum()]
    open_ = {*signs[: len(signs) // 8], *signs[len(signs) - len(signs) // 8 :]}
    return "".join(c if i in open_ or not c.isalnum() else "*" for i, c in enumerate(value))
