"""``dedupe(text, unit: line)`` and ``unit: paragraph``: parts of texts that were seen before are taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnName, Rewrite, RunTools, Schema, literal, quote
from recipec.identity import derived_key
from recipec.operators._sql import projection

if TYPE_CHECKING:
    from recipec.operators.dedupe import DedupeParams

SPACES = " \t\n\r\x0b\x0c\x85\xa0\u2028\u2029\u3000"
JOINTS = {"line": "chr(10)", "paragraph": "chr(10) || chr(10)"}
"""SQL for what stands between the parts of a text that is put together again."""


def parts_of(text: str, unit: str) -> str:
    """SQL for the parts of a text, in order."""
    plain = f"replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    # Paragraphs lie between lines of mere white space; the spaces before a paragraph's first word are its own.
    return f"string_split({plain}, chr(10))" if unit == "line" else f"regexp_split_to_array({plain}, '\\n\\s*\\n')"


def compared(part: str, loose: bool) -> str:
    """SQL for what of a part must be equal."""
    if loose:
        part = f"regexp_replace(regexp_replace(lower(strip_accents({part})), '\\p{{Nd}}', '0', 'g'), '[\\p{{P}}\\p{{C}}]+', '', 'g')"
    return f"trim({part}, {literal(SPACES)})"


def without_repeated(schema: Schema, p: DedupeParams, column: ColumnName, unit: str, preferred: str) -> Rewrite:
    """The rewrite: of equal parts the first of the preferred row stays."""
    text, across = column.sql, [str(ref) for ref in p.across]

    def prepare(tools: RunTools, table: str) -> None:
        parts, gone, left = (quote(tools.scratch + name) for name in ("parts", "gone", "left"))
        rows = [f"SELECT _key, {text} AS _text, 1 AS _own, {preferred} AS _preferred FROM {table} WHERE _why IS NULL"]
        for number, name in enumerate(across):
            key = derived_key("_key", "across", str(number))
            rows.append(f"SELECT {key}, {text}, 0, 0 FROM {tools.relations[name]}")
        # Digests stand for the parts, so that no text but the changed ones is written down twice.
        one = f"unnest(range(1, len(_parts) + 1)) AS n, {compared('unnest(_parts)', p.loose)} AS _said"
        split = f"SELECT _key, _own, _preferred, {parts_of('_text', unit)} AS _parts FROM ({' UNION ALL '.join(rows)})"
        long = f"length(_said) >= {max(p.min_length, 1)}"
        tools.con.execute(
            f"CREATE TEMP TABLE {parts} AS SELECT _key, _own, _preferred, n, md5_number(_said) AS _digest "
            f"FROM (SELECT _key, _own, _preferred, {one} FROM ({split})) WHERE {long}"
        )
        place = "{'o': _own, 'p': _preferred, 'k': _key, 'n': n}"
        firsts = f"SELECT _digest, min({place}) AS _first FROM {parts} GROUP BY _digest HAVING count(*) > 1"
        tools.con.execute(
            f"CREATE TEMP TABLE {gone} AS SELECT p._key, p.n FROM {parts} AS p JOIN ({firsts}) AS f ON p._digest = f._digest "
            "WHERE p._own = 1 AND NOT (p._key = f._first.k AND p.n = f._first.n)"
        )
        tools.con.execute(f"DROP TABLE {parts}")
        changed = f"SELECT _key, {parts_of(text, unit)} AS _parts FROM {table} WHERE _key IN (SELECT _key FROM {gone})"
        again = f"SELECT _key, unnest(_parts) AS part, unnest(range(1, len(_parts) + 1)) AS n FROM ({changed})"
        stay = f"SELECT a._key, a.part, a.n FROM ({again}) AS a ANTI JOIN {gone} AS g ON a._key = g._key AND a.n = g.n"
        whole = f"SELECT _key, string_agg(part, {JOINTS[unit]} ORDER BY n) AS text FROM ({stay}) GROUP BY _key"
        counts = f"SELECT _key, count(*) AS removed FROM {gone} GROUP BY _key"
        tools.con.execute(
            f"CREATE TEMP TABLE {left} AS SELECT c._key, c.removed, coalesce(w.text, '') AS text, "
            f"trim(coalesce(w.text, ''), {literal(SPACES)}) = '' AS nothing FROM ({counts}) AS c LEFT JOIN ({whole}) AS w ON c._key = w._key"
        )
        tools.con.execute(f"DROP TABLE {gone}")

    nothing = "i._why IS NULL AND o.nothing"
    told = f"CASE WHEN o.removed = 1 THEN 'its one {unit} was seen before' ELSE 'all its ' || o.removed || ' {unit}s were seen before' END"
    changes = {column.name: f"CASE WHEN i._why IS NULL AND o._key IS NOT NULL THEN o.text ELSE i.{text} END"}
    listed = projection(
        schema,
        changes,
        why=f"CASE WHEN {nothing} THEN {{why[0]}} ELSE i._why END",
        because=f"CASE WHEN {nothing} THEN {told} ELSE i._because END",
        prefix="i.",
    )
    query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {{scratch}}left AS o ON i._key = o._key"
    return Rewrite(query, schema, (f"duplicate {unit}s",), prepare=prepare)
