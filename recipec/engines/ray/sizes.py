"""Sizes as people write them."""

from __future__ import annotations

import re

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def bytes_of(text: str) -> int:
    """``4GB`` in bytes; :class:`ValueError` for what is no size."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", text, re.I)
    if match is None:
        raise ValueError(f"`{text}` is no size")
    return int(float(match[1]) * UNITS[match[2].upper()])
