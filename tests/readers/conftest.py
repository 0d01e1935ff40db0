"""Small files, made by the tests themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pytest
from readers_harness import DATA, Result, read


class Reads(Protocol):
    def __call__(self, data: bytes | str, *args: Any, **kwargs: Any) -> Result: ...


@pytest.fixture
def given(tmp_path: Path) -> Any:
    """``given("csv")(b"a,b\\n1,2\\n", ...)``: what the reader makes of a file with that content. ``name`` may be said."""

    def of(kind: str) -> Reads:
        def reads(data: bytes | str, *args: Any, name: str = "", **kwargs: Any) -> Result:
            name = name or f"x.{kind}"
            (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
            return read(tmp_path, kind, name, *args, **kwargs)

        return reads

    return of


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; tests that need it are skipped where it is not."""
    if not DATA.is_dir():
        pytest.skip("the real data of shared/data are not here")
    return DATA
