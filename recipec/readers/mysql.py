"""``mysql``: a table or a query of a MySQL or MariaDB database."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import model_validator, reader
from recipec.mirror._base import Mirror
from recipec.mirror._servers import MYSQL
from recipec.mirror._tables import TableParams, checked
from recipec.readers._tables import CopiedTable


class MysqlParams(TableParams):
    @model_validator(mode="after")
    def address(self) -> MysqlParams:
        checked(self.url, MYSQL)
        return self


@reader("mysql")
class Mysql(CopiedTable):
    """A table, a view or the result of a query of a MySQL (8 or later) or MariaDB (10.3 or later) database, copied before a run.

    ```recipe
    source films = mysql("mysql://reader@db.example.org/shop", table: "films") { key: id }
    source recent = mysql(env("DATABASE_URL"), query: "select id, title from films where year > 2000", by: ["id"]) { key: id }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `url` | `mysql://user@host:3306/database`, with `?unix_socket=`, `?ssl=`, `?ssl_ca=FILE` | `~/.my.cnf`'s |
    | `table` | a table or view, with its database where that is another | |
    | `query` | one SELECT | |
    | `by` | the columns by the first of whose ranges it is read, 262,144 rows at a time | a table's primary key |
    | `changed` | one cheap SELECT whose result changes when the rows do | |

    **Secrets.** The password comes from `MYSQL_PWD`, `~/.my.cnf` (`[client]`), or an address in the environment; one that is written in the
    recipe is refused. None is kept in the workspace, the lock or a message.

    **Encryption.** The connection is encrypted where the server can. With `?ssl=required` it is, or there is none; with `?ssl=verify` the server also is who it
    says, which somebody that this machine trusts has signed; with `?ssl_ca=FILE` (PEM) somebody in that file. `ssl_cert` and `ssl_key` say who asks.

    **One snapshot.** Everything is read over one connection in one read-only transaction with a consistent snapshot; tables of
    engines without transactions (MyISAM, Aria) have none. After a break the connection is made again; ranges that are copied are
    kept while the contents are the same, and are read anew otherwise.

    **What is read again.** The server says a table's checksum (`CHECKSUM TABLE`, 32 bits, and the number of rows: it takes a third of
    the time of a dump, and sends nothing; of 4,000 million changes one is not seen), of a view or query the sum of its rows' hashes, which takes
    it longer than a dump. Unchanged rows are not copied again. For large tables give `changed: "select max(updated_at), count(*)
    from films"`: then only that is asked, and what it does not show is not seen.

    **Types.** Whole numbers, unsigned too, as they are (`tinyint(1)` is a number: compare it, `active = active == 1`), `decimal` up to 38
    digits as DECIMAL and beyond as text, `datetime` as TIMESTAMP, `timestamp` as an instant in UTC, `time`, which may be a span of 838 hours, enums
    and sets as text, `json` as JSON (MariaDB's is text), `bit` as a number, `blob` and geometry as bytes. A `float` in a query has the six
    digits that the server writes: ask for `x + 0e0`.

    **Bad rows**: a zero date (`0000-00-00`), and whatever else its type cannot hold; in a query `nullif(day, 0)` makes nulls of them.

    A row's place is its number in the order of `by` (the primary key), or in a query's own.

    Needs the extra `sql`.
    """

    Params = MysqlParams
    needs = ("pymysql", "sql")
    params: MysqlParams

    def places(self) -> Sequence[str | Mirror]:
        from recipec.mirror.mysql import MysqlMirror

        return [MysqlMirror(self.params)]
