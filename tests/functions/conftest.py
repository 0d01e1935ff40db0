from __future__ import annotations

import pytest
from functions_harness import Calculator


@pytest.fixture(scope="session")
def calculator() -> Calculator:
    return Calculator()
