"""``tsv``: tab-separated values."""

from __future__ import annotations

from recipec.api import Settings, reader
from recipec.readers._delimited import DelimitedReader, Dialect
from recipec.settings import Field


class TsvParams(Settings):
    path: str | list[str]
    header: bool = True
    quote: str = Field(default="", max_length=1)
    nulls: tuple[str, ...] = ()


@reader("tsv")
class Tsv(DelimitedReader):
    """Tab-separated values, one row a line.

    ```recipe
    source messages = tsv("data/messages.tsv") { columns: { label: text, message: text } }
    ```

    A line is a row and a tab ends a field, always: ``"`` is an ordinary character, as the format's registration says,
    and a field can hold neither tab nor line end. For files that are quoted like CSV all the same say ``quote: "\\""``.
    Nothing between two tabs is null. All else, types among it, is as in ``csv``.

    Bad rows: as in ``csv``; the usual one is a line with the wrong number of fields.

    Source of the format: IANA media type ``text/tab-separated-values``.
    """

    Params = TsvParams
    extensions = (".tsv", ".tab")
    params: TsvParams

    @property
    def dialect(self) -> Dialect:
        p = self.params
        return Dialect(b"\t", p.quote.encode(), p.header, p.nulls)
