"""``warc``: the pages of web archives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._files import FileReader

if TYPE_CHECKING:
    import duckdb


class WarcParams(Settings):
    path: str | list[str]


@reader("warc")
class Warc(FileReader):
    """The pages of WARC files (Common Crawl, the Internet Archive, ``wget --warc-file``), one row each, as text.

    ```recipe
    source pages = warc("crawl/*.warc.gz") { key: url  repeated: drop }
    ```

    ``path`` is a file, a glob or a list of them: ``.warc``, ``.warc.gz``, and ``.warc.wet.gz``, whose texts are taken as they are. Files are
    streamed; of a file of any size one record is held, and pages are read by several processes.

    The columns are ``url``, ``title``, ``date`` (of the page itself, ``2026-01-31``), ``language`` (of the text), ``author``, ``site`` and ``text``: the
    main text by trafilatura, without menus, notices and comments; null where there is none but these (``drop where text is null as
    "no text"``). A page is decoded by its byte order mark, as UTF-8 where it is that, by what the server or the page says, else
    by its bytes (GB18030, Big5, Shift-JIS, EUC-KR, one-byte encodings).

    Rows are the answers with status 200 that are HTML; pictures, redirects and requests are none. A row's place is its record's number
    in its file.

    Bad rows: a record that is damaged or cut off, with the byte where it begins (reading goes on with the next), a page that cannot be
    unpacked, or one longer than 64 MiB.

    Needs the extra ``web``. Source of the format: ISO 28500.
    """

    Params = WarcParams
    needs = ("trafilatura", "web")
    archives = ""
    extensions = (".warc", ".warc.gz", ".warc.wet.gz", ".wet.gz")
    columns_from = "settings"
    params: WarcParams

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        from recipec.readers._archived import types

        return types()

    def load(self, ctx: ReadContext) -> None:
        from recipec.readers._archived import load_pages

        load_pages(ctx, failures=False)
