"""A table or query of a MySQL or MariaDB database, copied over one connection in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import DataError
from recipec.mirror._base import Fetching, Snapshot
from recipec.mirror._servers import MYSQL
from recipec.mirror._tables import (
    ROWS,
    Field,
    TableMirror,
    Told,
    one_select,
    parts_of,
    revealed,
    rows_of,
    snapshot_of,
    unique,
    write_part,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from recipec.mirror._my import Session

BINARY = 63
"""The character set of bytes."""
UNSIGNED = 0x20
_WHOLE = {1: "TINYINT", 2: "SMALLINT", 3: "INTEGER", 9: "INTEGER", 8: "BIGINT"}
_TIMES = {10: "DATE", 14: "DATE", 12: "TIMESTAMP", 7: "TIMESTAMP WITH TIME ZONE"}
_FLOAT, _DOUBLE, _DECIMALS, _YEAR, _BIT, _JSON, _GEOMETRY = 4, 5, (0, 246), 13, 16, 245, 255


@dataclass(frozen=True)
class Relation:
    """What is read. ``select`` is run as it stands but for ranges; ``hashed`` is what hashes are taken of."""

    select: str
    source: str
    fields: tuple[Field, ...]
    codes: tuple[int, ...]
    key: str = ""
    """The first column of the key, as SQL."""
    order: str = ""
    checksum: str = ""
    """The table, where the server can say its checksum."""


class MysqlMirror(TableMirror):
    scheme = "mysql"
    addresses = MYSQL
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("sql", ("pymysql",))

    def mark(self, before: Snapshot) -> Any:
        session = self.open()
        try:
            self.begin(session)
            return self.changed(session) if self.params.changed else {"content": self.content(session, self.relation(session))}
        finally:
            session.close()

    def open(self) -> Session:
        from recipec.mirror._my import Session

        made = Session(revealed(self.params.url, self.addresses), self.known)
        self.known = True
        return made

    @staticmethod
    def begin(session: Session) -> None:
        session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def changed(self, session: Session) -> Any:
        rows = session.rows(one_select(self.params.changed))
        return {"changed": [[v.hex() if isinstance(v, bytes) else v for v in r] for r in rows[:1000]]}

    @staticmethod
    def content(session: Session, relation: Relation) -> Any:
        """What the rows are: a table's checksum, which the server computes row by row; of a query the sum of its rows' hashes."""
        columns = [[f.name, f.own] for f in relation.fields]
        if relation.checksum:
            total = session.one(f"CHECKSUM TABLE {relation.checksum} EXTENDED")[1]
            rows = session.one(f"SELECT count(*) FROM {relation.checksum}")[0]
            return {"columns": columns, "hash": str(total), "rows": int(rows)}
        row = ", ".join(f"quote({f.sql})" for f in relation.fields)
        hashed = f"cast(conv(left(md5(concat_ws(',', {row})), 15), 16, 10) AS unsigned)"
        count, total = session.one(f"SELECT count(*), sum({hashed}) FROM {relation.source}")
        return {"columns": columns, "hash": str(total or 0), "rows": int(count)}

    def relation(self, session: Session) -> Relation:
        if self.params.table:
            return self.table(session)
        query = one_select(self.params.query)
        source = f"({query}\n) AS q"
        found = session.describe(f"SELECT * FROM {source} LIMIT 0")
        names = [str(f.name) for f in found]
        made = tuple(unique([Field(n, type_of(f), quoted(n), own_of(f)) for n, f in zip(names, found, strict=True)]))
        by = self.by(names)
        if not by:
            return Relation(query, source, made, tuple(f.type_code for f in found))
        listed = ", ".join(quoted(n) for n in by)
        return Relation(f"SELECT * FROM {source}", source, made, tuple(f.type_code for f in found), quoted(by[0]), listed)

    def table(self, session: Session) -> Relation:
        from recipec.mirror._my import unknown_table

        schema, _, name = self.params.table.rpartition(".")
        space = "database()" if not schema else session.raw.escape(schema)
        tables = session.rows(
            f"SELECT table_name, table_type, engine FROM information_schema.tables WHERE table_schema = {space} ORDER BY 1"
        )
        known = {str(r[0]): r for r in tables}
        own = name if name in known else next((n for n in known if n.lower() == name.lower()), None)
        if own is None:
            if not schema and session.one("SELECT database()")[0] is None:
                raise DataError("the address names no database", 'mysql://user@host/database, or table: "database.table"')
            raise unknown_table(session, name, list(known))
        where = f"{quoted(schema)}.{quoted(own)}" if schema else quoted(own)
        found = session.describe(f"SELECT * FROM {where} LIMIT 0")
        names = [str(f.name) for f in found]
        # The text of a FLOAT has six digits; as a double it has all.
        fields = [
            Field(n, type_of(f), f"({quoted(n)} + 0e0)" if f.type_code == _FLOAT else quoted(n), own_of(f))
            for n, f in zip(names, found, strict=True)
        ]
        by = self.by(names) or [
            str(r[0])
            for r in session.rows(
                "SELECT column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' AND table_schema = "
                f"{space} AND table_name = {session.raw.escape(own)} ORDER BY ordinal_position"
            )
        ]
        made = tuple(unique(fields))
        select = f"SELECT {', '.join(f.sql for f in made)} FROM {where}"
        codes = tuple(f.type_code for f in found)
        plain = str(known[own][1]) == "BASE TABLE"
        order = ", ".join(quoted(n) for n in by)
        return Relation(select, where, made, codes, quoted(by[0]) if by else "", order, where if plain else "")

    def by(self, names: Sequence[str]) -> list[str]:
        from recipec.readers._stream import no_column

        for name in self.params.by:
            if name not in names:
                raise no_column(name, names, "what is read, by whose ranges it is to be")
        return self.params.by

    def copy(self, ctx: Fetching) -> Snapshot:
        ctx.progress(0, None, "asking what has changed")
        session = self.open()
        try:
            self.begin(session)
            relation = self.relation(session)
            mark: Any = self.changed(session) if self.params.changed else {"content": self.content(session, relation)}
            if ctx.before is not None and ctx.before.mark == mark:
                return Snapshot(mark, ctx.before.files, ctx.before.facts)
            rows = None if self.params.changed else int(mark["content"]["rows"])
            parts = parts_of(ctx.folder, [mark, [[f.name, f.type] for f in relation.fields]], self.ranges(session, relation))
            told = Told(ctx, rows)
            for part in parts:
                if part.path.exists():
                    told.add(rows_of(part.path))
                    continue

                def heard(came: int) -> None:
                    told.add(came)
                    told.say()

                schema = schema_of(relation)
                with session.stream(part.query) as some:
                    write_part(part.path, relation.fields, batches(relation, schema, some, told.say), schema, heard)
            return snapshot_of(self.rows_name, mark, parts)
        finally:
            session.close()

    @staticmethod
    def ranges(session: Session, relation: Relation) -> list[str]:
        """The queries that together give every row once: of its key's first column's ranges in their order, or one."""
        if not relation.key:
            return [relation.select]
        key = relation.key
        found = session.rows(
            f"SELECT k FROM (SELECT {key} AS k, row_number() OVER (ORDER BY {key}) AS n FROM {relation.source} WHERE {key} IS NOT NULL) AS r "
            f"WHERE n % {ROWS} = 1 AND n > 1 ORDER BY n"
        )
        bounds = [f"x'{v.hex()}'" if isinstance(v, bytes) else session.raw.escape(str(v)) for v in dict.fromkeys(r[0] for r in found)]
        order = f" ORDER BY {relation.order}"
        if not bounds:
            return [relation.select + order]
        made = [f"{relation.select} WHERE {key} < {bounds[0]} OR {key} IS NULL{order}"]
        made += [f"{relation.select} WHERE {key} >= {a} AND {key} < {b}{order}" for a, b in pairwise(bounds)]
        return [*made, f"{relation.select} WHERE {key} >= {bounds[-1]}{order}"]


def schema_of(relation: Relation) -> pa.Schema:
    """How the columns are stored: numbers as such, the rest as the server's text of them."""
    import pyarrow as pa

    stored = {
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "UTINYINT": pa.uint8(),
        "USMALLINT": pa.uint16(),
        "UINTEGER": pa.uint32(),
        "UBIGINT": pa.uint64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "BLOB": pa.binary(),
    }
    return pa.schema([pa.field(f"c{i}", stored.get(f.type, pa.string())) for i, f in enumerate(relation.fields)])


def batches(
    relation: Relation, schema: pa.Schema, some: Iterator[tuple[tuple[Any, ...], ...]], told: Callable[[], None]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    told()
    for rows in some:
        columns = []
        for values, type, code in zip(zip(*rows, strict=True), schema.types, relation.codes, strict=True):
            if code == _BIT:
                made = pa.array([None if v is None else int.from_bytes(v, "big") for v in values], type)
            elif pa.types.is_binary(type):
                made = pa.array([v.encode() if isinstance(v, str) else v for v in values], type)
            elif pa.types.is_string(type):
                # Instants were asked for in UTC.
                made = pa.array([None if v is None else f"{v}+00" for v in values] if code == 7 else values, type)
            else:
                made = pa.array(values, pa.string()).cast(type)
            columns.append(made)
        yield pa.record_batch(columns, schema=schema)


def type_of(field: Any) -> str:
    """DuckDB's type for a column of a result."""
    code, unsigned = field.type_code, bool(field.flags & UNSIGNED)
    if code in _WHOLE:
        return ("U" if unsigned else "") + _WHOLE[code]
    if code in _TIMES:
        return _TIMES[code]
    if code in _DECIMALS:
        precision = field.length - (not unsigned) - (field.scale > 0)
        return f"DECIMAL({precision},{field.scale})" if 0 < precision <= 38 else "VARCHAR"
    named = {_FLOAT: "FLOAT", _DOUBLE: "DOUBLE", _YEAR: "SMALLINT", _BIT: "UBIGINT", _JSON: "JSON", _GEOMETRY: "BLOB"}
    if code in named:
        return named[code]
    return "BLOB" if field.charsetnr == BINARY and code in (249, 250, 251, 252, 253, 254) else "VARCHAR"


def own_of(field: Any) -> str:
    return f"{field.type_code}/{field.charsetnr}/{field.length}/{field.scale}/{field.flags & UNSIGNED}"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
