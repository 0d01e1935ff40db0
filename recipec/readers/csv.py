"""``csv``: comma-separated values."""

from __future__ import annotations

from recipec.api import Settings, reader
from recipec.readers._delimited import DelimitedReader, Dialect
from recipec.settings import Field


class CsvParams(Settings):
    path: str | list[str]
    header: bool = True
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    nulls: tuple[str, ...] = ()


@reader("csv")
class Csv(DelimitedReader):
    """Comma-separated values, one row a record.

    ```recipe
    source reviews = csv("data/reviews-*.csv", delimiter: ";") { key: id }
    ```

    ``path`` is a file, a glob or a list of them; ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked while reading.
    ``header: false`` says that the first record is a row like the others: the declared ``columns`` then name the fields
    in order, or they are ``column0``, ``column1`` and so on. ``delimiter`` and ``quote`` are one character each;
    ``quote: ""`` turns quoting off. ``nulls: ["NA"]`` lists texts that stand for no value.

    The file is read as RFC 4180 describes it: a field may be quoted, and then hold delimiters, line ends and, doubled,
    the quote character. Lines end in LF or CRLF (CR in a file that has no LF at all); empty lines are no records. A byte
    order mark is skipped. Nothing written between two delimiters is null; ``""`` is the empty text, and null in a column
    that is not text. Files of one source must have the same columns, in any order; with declared columns, at least those.

    Without ``columns`` types are inferred from a sample: a file of up to 1 MiB whole, of a larger one 512 KiB of its start
    and 32 probes of 16 KiB spread over the rest up to its end (of a compressed one the start only). A column is a number,
    truth value, date or timestamp only where that loses nothing, so ``007``, ``+49`` and ``1e5`` stay text. The whole is
    checked while it is loaded: should a value beyond the sample not fit, the run stops, names it and says which column to
    declare. So ``check`` and ``run`` always agree on the types, and no row is ever bad for a guess.

    Bad rows: the wrong number of fields, text after a closing quote, a quote never closed (one line is bad, reading goes
    on with the next), bytes that are not the declared encoding, a value that does not convert to its declared type (for
    whole numbers also a fraction), a record longer than 64 MiB.

    Source of the format: RFC 4180.
    """

    Params = CsvParams
    extensions = (".csv",)
    params: CsvParams

    @property
    def dialect(self) -> Dialect:
        p = self.params
        return Dialect(p.delimiter.encode(), p.quote.encode(), p.header, p.nulls)
