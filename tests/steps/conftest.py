"""One workspace in which small models are trained once, for the tests of train, predict and evaluate."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def taught_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("taught")


@pytest.fixture
def taught(lab: Any, taught_folder: Path) -> Any:
    """A lab where the steps of :mod:`taught` have run: a recipe that begins with them finds their results."""
    for name in ("torch", "transformers", "accelerate"):
        pytest.importorskip(name, reason="training is an extra")
    from taught import TAUGHT

    made = type(lab)(taught_folder)
    if not made.workspace.exists():
        made.run(TAUGHT)
    return made
