"""``postgres``: a table or a query of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import model_validator, reader
from recipec.mirror._base import Mirror
from recipec.mirror._servers import POSTGRES
from recipec.mirror._tables import TableParams, checked
from recipec.readers._tables import CopiedTable


class PostgresParams(TableParams):
    @model_validator(mode="after")
    def address(self) -> PostgresParams:
        checked(self.url, POSTGRES)
        return self


@reader("postgres")
class Postgres(CopiedTable):
    """A table, a view or the result of a query of a PostgreSQL database (11 or later), copied into the workspace before a run.

    ```recipe
    source films = postgres("postgresql://reader@db.example.org/shop", table: "public.films") { key: id }
    source recent = postgres(env("DATABASE_URL"), query: "select id, title from films where year > 2000", by: ["id"]) { key: id }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `url` | `postgresql://user@host:5432/database?sslmode=require`, or libpq's `service=...` | the environment's (`PGHOST`, `PGSERVICE`) |
    | `table` | a table or view, with its schema where that is not on the search path | |
    | `query` | one SELECT | |
    | `by` | the columns by whose ranges it is read, 262,144 rows at a time | a table's primary key |
    | `changed` | one cheap SELECT whose result changes when the rows do | |

    **Secrets.** The password comes from `PGPASSWORD`, `~/.pgpass`, the service file, or an address in the environment; one that
    is written in the recipe is refused. None is kept in the workspace, the lock or a message.

    **Encryption** is libpq's: `?sslmode=verify-full&sslrootcert=FILE` wants the server to be who it says.

    **One snapshot.** Everything is read in one read-only transaction (REPEATABLE READ), its ranges by two connections that share
    the exported snapshot, so the rows are those of one moment, however much is written meanwhile. A query cannot change anything.
    After a break the connection is made again; ranges that are copied are kept while the contents are the same, and are read
    anew otherwise.

    **What is read again.** Where nothing at all has been written to the server (its write-ahead log stands where it stood), nothing is
    asked. Else the server computes the number of rows and the sum of their 64-bit hashes, which takes it about as long as reading
    them (two thirds of a COPY), without sending any: unchanged rows are not copied again. For large tables give `changed:
    "select max(updated_at), count(*) from films"`: then only that is asked, and what it does not show is not seen.

    **Types.** Integers, floats, booleans, texts and bytes come as they are; `numeric(p, s)` as DECIMAL, without precision as DOUBLE
    (declare `columns: { price: decimal(10, 2) }` to have its digits, which are copied); dates, times, `timestamptz` (in UTC),
    intervals, uuid and json as DuckDB's; enums and all other types as their text; arrays as lists. Infinite dates stay infinite.

    **Bad rows**: a value that its type cannot hold, as NaN in a `numeric(10, 2)`, an array of arrays, a date before Christ.

    A row's place is its number in the order of `by` (the primary key), or in the server's own, which may change: declare a `key`.

    Needs the extra `sql`.
    """

    Params = PostgresParams
    needs = ("adbc_driver_postgresql", "sql")
    params: PostgresParams

    def places(self) -> Sequence[str | Mirror]:
        from recipec.mirror.postgres import PostgresMirror

        return [PostgresMirror(self.params)]
