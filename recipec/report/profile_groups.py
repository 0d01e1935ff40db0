"""How groups of rows differ: lengths, numbers, classes, languages, words; each with counts, a size of the effect and how sure it is.

A group is compared with all other rows. Groups of fewer than :data:`FEW` rows are counted and shown, but nothing is said of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final

from recipec.api import literal, quote
from recipec.fast.profile_stats import (
    Pairs,
    association,
    cliff,
    cohen_h,
    histogram,
    log_odds,
    normal_tail,
    quantile,
    residual,
    size_of_cliff,
    size_of_h,
    size_of_v,
)
from recipec.report.profile_columns import GROUP, Column, Rows, by_group
from recipec.report.profile_texts import Reading, spell, stopwords

FEW: Final = 30
"""Rows below which a group is too small to say anything of."""
MOST_GROUPS: Final = 12
MOST_VALUES: Final = 60
SURE: Final = 0.05
"""A difference is told when the chance of one as large, were there none, is below this, shared among all that were looked at."""
WORDS: Final = 8

_LANGUAGE = re.compile(r"language\((.+)\)")


def grouped(rows: Rows, by: str, columns: Sequence[Column]) -> Rows:
    """The rows with the groups that a column's values make: numbers in quarters, other values each its own, the rarest together."""
    found = _LANGUAGE.fullmatch(by)
    if found is not None:
        from recipec.functions.language import language
        from recipec.language import SQL

        column = next(c for c in columns if c.name == found[1])
        kept, code = rows.order, language(SQL(f"left({column.text}, 1000)"))
        rows.con.execute(f"CREATE OR REPLACE TEMP TABLE profile_language AS SELECT {kept}, {code} AS language FROM {rows.relation}")
        relation = f"(SELECT r.*, l.language AS __value FROM {rows.relation} AS r JOIN profile_language AS l USING ({kept}))"
        names, code = _values(rows, relation, "__value")
        return _with(rows, f"(SELECT * EXCLUDE (__value), {code} AS {GROUP} FROM {relation})", names)
    column = next(c for c in columns if c.name == by)
    if column.kind in ("number", "moment"):
        names, code = _quarters(rows, column)
    else:
        names, code = _values(rows, rows.relation, column.sql)
    return _with(rows, f"(SELECT *, {code} AS {GROUP} FROM {rows.relation})", names)


def _with(rows: Rows, relation: str, names: Sequence[str]) -> Rows:
    return Rows(rows.con, relation, rows.count, rows.order, GROUP, tuple(names))


def _values(rows: Rows, relation: str, x: str) -> tuple[list[str], str]:
    found = rows.all(f"SELECT ({x})::VARCHAR, count(*) FROM {relation} GROUP BY 1 ORDER BY 2 DESC, 1")
    values = [v for v, _ in found if v is not None]
    most = MOST_GROUPS if len(values) <= MOST_GROUPS else MOST_GROUPS - 1
    names, rest = values[:most], len(values) - most
    others = len(names) if rest > 0 else None
    # A group without a visible name needs one.
    shown = [*(v if v.strip() else f'"{v}"' for v in names), *([f"({rest:,} other values)"] if rest > 0 else [])]
    nothing = None
    if len(values) < len(found):
        nothing = len(shown)
        shown.append("(null)")
    code = f"list_position({literal(names)}::VARCHAR[], ({x})::VARCHAR) - 1"
    return shown, f"CASE WHEN {x} IS NULL THEN {literal(nothing)} ELSE coalesce({code}, {literal(others)}) END::INT"


def _quarters(rows: Rows, column: Column) -> tuple[list[str], str]:
    x = column.sql
    cuts = rows.one(f"SELECT quantile_disc({x}, [0.25, 0.5, 0.75])::VARCHAR[] FROM {rows.relation}")[0] or []
    cuts = list(dict.fromkeys(cuts))
    typed = [f"{literal(c)}::{column.type}" for c in cuts]
    code = (
        f"CASE WHEN {x} IS NULL THEN {len(cuts) + 1} "
        + " ".join(f"WHEN {x} <= {c} THEN {i}" for i, c in enumerate(typed))
        + f" ELSE {len(cuts)} END"
    )
    shown = [f"{float(c):.6g}" if column.kind == "number" else c for c in cuts]
    names = [f"to {c}" for c in shown] + ([f"above {shown[-1]}"] if cuts else ["(all)"]) + ["(null)"]
    filled = {g for (g,) in rows.all(f"SELECT DISTINCT {code} FROM {rows.relation}")}
    kept = [i for i in range(len(names)) if i in filled]
    return [names[i] for i in kept], f"list_position({kept}, {code}) - 1"


def sizes(rows: Rows) -> list[dict[str, Any]]:
    found = dict(rows.all(f"SELECT {rows.group}, count(*) FROM {rows.relation} GROUP BY 1"))
    return [
        {"group": name, "rows": found.get(i, 0), "share": found.get(i, 0) / rows.count if rows.count else 0.0, "few": found.get(i, 0) < FEW}
        for i, name in enumerate(rows.groups)
    ]


def merged(groups: Sequence[Pairs]) -> list[tuple[float, int]]:
    total: dict[float, int] = {}
    for pairs in groups:
        for value, count in pairs:
            total[value] = total.get(value, 0) + count
    return sorted(total.items())


def lengths(rows: Rows, column: Column, groups: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """A column's lengths or numbers by group: quantiles, histogram in shared bins, and Cliff's delta against all other rows."""
    if column.measure is None:
        return None
    found = by_group(rows if column.kind != "number" or column.facts["distinct"] <= 100_000 else rows_of_sample(rows), column.measure)
    whole = merged(found)
    if not whole:
        return None
    edges = histogram(whole)["edges"]
    what = {"text": "characters", "name": "characters", "chat": "messages", "number": "value"}.get(column.kind, "elements")
    out = []
    for i, pairs in enumerate(found):
        one: dict[str, Any] = {
            "rows": sum(n for _, n in pairs),
            "p5": None,
            "p50": None,
            "p95": None,
            "histogram": None,
            "delta": None,
            "size": None,
        }
        if pairs:
            one |= {f"p{q}": quantile(pairs, q / 100) for q in (5, 50, 95)}
            one["histogram"] = _binned(pairs, edges)
            rest = merged([p for j, p in enumerate(found) if j != i])
            if rest and one["rows"] >= FEW and not groups[i]["few"]:
                delta = cliff(pairs, rest)
                assert delta is not None
                one |= {"delta": delta, "size": size_of_cliff(delta), "elsewhere": quantile(rest, 0.5)}
        out.append(one)
    return {"measure": what, "groups": out}


def rows_of_sample(rows: Rows) -> Rows:
    return Rows(rows.con, rows.sample, rows.sampled, rows.order, rows.group, rows.groups)


def _binned(pairs: Pairs, edges: Sequence[float]) -> list[int]:
    counts = [0] * max(1, len(edges) - 1)
    at = 0
    for value, count in pairs:
        while at < len(counts) - 1 and value >= edges[at + 1]:
            at += 1
        counts[at] += count
    return counts


def classes(rows: Rows, column: Column, groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Classes by group: counts, how far the two go together, and the cells that stand out."""
    found = rows.all(
        f"SELECT ({column.sql})::VARCHAR AS v, {rows.group} AS g, count(*) FROM {rows.relation} "
        f"WHERE {column.sql} IS NOT NULL AND {rows.group} IS NOT NULL GROUP BY ALL"
    )
    counts = {(v, g): n for v, g, n in found}
    return table_of(counts, [c["value"] for c in column.facts["classes"]], groups)


def languages(reading: Reading, groups: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    from collections import Counter

    counts = Counter(zip(reading.languages, reading.groups.tolist(), strict=True))
    return table_of({k: n for k, n in counts.items() if k[1] < len(groups)}, names, groups)


def table_of(counts: dict[tuple[str, int], int], values: Sequence[str], groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = list(values)[:MOST_VALUES]
    across = [sum(counts.get((v, g), 0) for v in values) for g in range(len(groups))]
    looked = [g for g, n in enumerate(across) if n >= FEW]
    total = sum(across[g] for g in looked)
    together = association(_pooled([[counts.get((v, g), 0) for g in looked] for v in values]))
    different: list[dict[str, Any]] = []
    for v in values:
        row = sum(counts.get((v, g), 0) for g in looked)
        for g in looked:
            if len(looked) < 2 or not row or across[g] == total:
                continue
            seen = counts.get((v, g), 0)
            z = residual(seen, row, across[g], total)
            share, rest = seen / across[g], (row - seen) / (total - across[g])
            h = cohen_h(share, rest)
            chance = min(1.0, normal_tail(z) * len(values) * len(looked))
            if chance < SURE and size_of_h(h) != "negligible":
                cell = {"group": groups[g]["group"], "value": v, "rows": seen, "of": across[g], "share": share, "elsewhere": rest}
                different.append(cell | {"h": h, "size": size_of_h(h), "p": chance})
    different.sort(key=lambda d: (-abs(d["h"]), d["group"], d["value"]))
    if together is not None:
        together["size"] = size_of_v(together["v"], min(len(looked), len(values)))
    return {
        "association": together,
        "too_few": [groups[g]["group"] for g, n in enumerate(across) if n < FEW],
        "values": [{"value": v, "rows": [counts.get((v, g), 0) for g in range(len(groups))]} for v in values],
        "group_rows": across,
        "different": different,
    }


def _pooled(table: list[list[int]]) -> list[list[int]]:
    """The same table with the classes too rare for chi-square together: those that expect fewer than 5 rows in some group."""
    across = [sum(r[j] for r in table) for j in range(len(table[0]))] if table else []
    if not across or not sum(across):
        return table
    least = min(across) / sum(across)
    rare = [r for r in table if sum(r) * least < 5]
    rest = [r for r in table if sum(r) * least >= 5]
    return [*rest, [sum(r[j] for r in rare) for j in range(len(across))]] if rare else rest


def words(reading: Reading, column: Column, groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The words that most tell a group's rows from the others, a word counted once a row."""
    import numpy as np

    from recipec.fast.profile_words import BITS, MASK

    keys, counts = reading.counter.keys, reading.counter.counts
    unique, place = np.unique(keys & MASK, return_inverse=True)
    totals = np.bincount(place, counts, len(unique))
    size = float(reading.sizes.sum())
    stop = stopwords(column.facts["languages"])
    n = 2 if column.facts["unit"] == "character" else 1
    # So far from nothing that among all words and groups looked at chance would hardly bring one.
    telling = NormalDist().inv_cdf(1 - SURE / 2 / max(1, int(np.count_nonzero(totals >= 5)) * len(groups)))
    group_of = (keys >> np.uint64(BITS)).astype(np.int64)
    out: list[tuple[str, list[tuple[int, float, int, int]]]] = []
    wanted: list[int] = []
    for g, group in enumerate(groups):
        here = np.zeros(len(unique))
        mine = group_of == g
        here[place[mine]] = counts[mine]
        own = float(reading.sizes[g])
        if group["few"] or not own or own == size:
            out.append((group["group"], []))
            continue
        z = log_odds(here, own, totals - here, size - own)
        z[(here < 3) | (totals < 5)] = 0
        best = np.lexsort((unique, -z))[: WORDS * 6]
        best = best[z[best] >= telling]
        wanted += unique[best].tolist()
        out.append((group["group"], [(int(unique[i]), float(z[i]), int(here[i]), int(totals[i] - here[i])) for i in best.tolist()]))
    spelt = spell(reading.texts, wanted, n)
    told = []
    for name, found in out:
        kept = [
            {"word": spelt[h][1][0], "z": z, "rows": a, "elsewhere": b}
            for h, z, a, b in found
            if not any(p in stop or p.isdigit() for p in spelt[h][1][1:])
        ]
        told.append({"group": name, "words": kept[:WORDS]})
    return told


def overlap(rows: Rows, column: Column) -> list[int]:
    """For each group, how many of its texts stand in another one too, apart from case and white space around them."""
    of = f"(SELECT {rows.group} AS g, hash(lower(trim({column.text}))) AS h FROM {rows.relation} WHERE {column.sql} IS NOT NULL)"
    shared = f"(SELECT h FROM {of} GROUP BY h HAVING count(DISTINCT g) > 1)"
    found = dict(rows.all(f"SELECT g, count(*) FROM {of} SEMI JOIN {shared} USING (h) GROUP BY g"))
    return [int(found.get(i, 0)) for i in range(len(rows.groups))]


def by_parts(views: Sequence[str]) -> str:
    """SQL for the rows of several tables, each a group of its own."""
    return "(" + " UNION ALL BY NAME ".join(f"SELECT *, {i} AS {quote(GROUP)} FROM {view}" for i, view in enumerate(views)) + ")"
