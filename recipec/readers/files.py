"""``files``: one row a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from recipec.api import Settings, SourceFile, reader
from recipec.readers._whole import WholeFileReader


class FilesParams(Settings):
    path: str | list[str]


@reader("files")
class Files(WholeFileReader):
    """Text files, each a row with the columns ``path`` and ``text``.

    ```recipe
    source letters = files("data/letters/**/*.txt")
    ```

    ``path`` is a glob, a file or a list of them; ``**`` goes through folders of any depth. In the table ``path`` is the
    file's path as seen from the recipe. The text is the file's, with its line ends; only a byte order mark is taken off.
    ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked.

    Bad rows: a file that is not the declared encoding, or longer than 64 MiB.
    """

    Params = FilesParams
    extensions = (".txt",)
    columns: ClassVar[tuple[str, ...]] = ("path", "text")
    params: FilesParams

    def parts(self, file: SourceFile, text: str) -> Sequence[str | None]:
        return (text,)
