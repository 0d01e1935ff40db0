"""The libraries' own talk: no bars, no logs, no warnings on the terminal; what matters becomes a note."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MATTERS = re.compile(r"mismatch|overflow|\bnan\b|non-finite|corrupt|truncat", re.I)
OTHER_SHAPE = re.compile(r"^(?!classifier\.|score\.)(\S+)\s*\|\s*MISMATCH", re.M)
"""Weights other than a classifier's head, in the report that transformers makes of what it has loaded."""
LOUD = ("transformers", "accelerate", "peft", "trl", "datasets", "huggingface_hub", "torch")


class _Catch(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def quiet(notes: list[str]) -> Iterator[None]:
    """Silence while it lasts; what was said that matters is added to ``notes``."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from transformers.utils import logging as transformers_logging

    hf: Any = transformers_logging

    caught = _Catch()
    loggers = [logging.getLogger(name) for name in LOUD]
    before = [(log.level, log.propagate, list(log.handlers)) for log in loggers]
    bars = hf.is_progress_bar_enabled()
    try:
        for log in loggers:
            log.handlers = [caught]
            log.propagate = False
            log.setLevel(logging.WARNING)
        hf.disable_progress_bar()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
    finally:
        for log, (level, propagate, handlers) in zip(loggers, before, strict=True):
            log.setLevel(level)
            log.propagate, log.handlers = propagate, handlers
        if bars:
            hf.enable_progress_bar()
    for text in dict.fromkeys([*caught.said, *(str(w.message) for w in warned)]):
        if "LOAD REPORT" in text:
            # A head for other classes is made anew: that is what a base is for. Anything else of another shape is worth a word.
            notes.extend(f"`{name}` of the base has another shape, and begins anew" for name in OTHER_SHAPE.findall(text))
        elif MATTERS.search(text):
            notes.append(text.strip().splitlines()[0][:300])
