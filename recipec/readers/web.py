"""``web``: pages of the web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import ReadContext, Reader, SourceFile, reader
from recipec.mirror._base import Mirror
from recipec.mirror.web import WebParams

if TYPE_CHECKING:
    import duckdb


@reader("web")
class Web(Reader):
    """Pages of the web, by their addresses, a sitemap or a feed: copied into the workspace before a run, one row each, as text.

    ```recipe
    source docs = web(sitemap: "https://docs.example.org/sitemap.xml", limit: 2000) { key: url  max_bad: 10% }
    source news = web(feed: "https://example.org/feed.xml") { key: url }
    source some = web(urls: ["https://example.org/a", "https://example.org/b"], delay: 2) { key: url }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `urls` | addresses, or the name of a text file with one a line | |
    | `sitemap` | a sitemap, or an index of them, packed or not | |
    | `feed` | RSS, Atom or JSON Feed: the pages that it links to | |
    | `limit` | pages at most, of the start of the list; 0: all | 0 |
    | `delay` | seconds between two requests to a host; its `Crawl-delay` counts where that is longer (up to 60) | 1 |
    | `concurrency` | hosts that are asked at the same time | 8 |
    | `timeout` | seconds within which a page must have come | 30 |
    | `max_bytes` | the size beyond which a page is left alone | 10 MiB |
    | `refresh` | ask again for pages that are there, with their ETag or date | false |
    | `agent` | who asks, for the server's owner: an address to write to | |

    **Columns** are those of ``warc``: ``url`` (as listed), ``title``, ``date``, ``language``, ``author``, ``site``, ``text``.

    **The copy** is a WARC file in the workspace. A run reads it, so it can be repeated without the network, and a copy that is interrupted
    goes on where it was: no page is asked for twice. Later only pages that are new in the list are fetched, those that the
    sitemap says have changed, and those that failed for the time being; with ``refresh: true`` all.

    **Manners.** robots.txt is kept to (RFC 9309), always; of a host one page at a time is asked for, ``delay`` apart. Pages that may be there
    another time (429, 5xx, no answer) are asked for three times, waiting longer each time, or as long as the server asks; a host that
    five times does not answer is left alone.

    **Addresses of this machine's own network** are asked only where the recipe itself names their host: a sitemap, feed or redirect
    cannot lead there. Cookies are neither sent nor kept, and no password is ever sent.

    Bad rows: a page that could not be had, with its address and the reason: the server's status, robots.txt, no answer in time, too
    large, no HTML. Allow for them with ``max_bad``. A page without a main text is a row whose ``text`` is null.

    Needs the extra ``web``.
    """

    Params = WebParams
    needs = ("trafilatura", "web")
    params: WebParams

    def paths(self) -> Sequence[str]:
        return []

    def places(self) -> Sequence[str | Mirror]:
        from recipec.mirror.web import WebMirror

        return [WebMirror(self.params)]

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        from recipec.readers._archived import types

        return types()

    def load(self, ctx: ReadContext) -> None:
        from recipec.readers._archived import load_pages

        load_pages(ctx, failures=True)
