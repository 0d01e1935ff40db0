"""``python -m recipec``.

Python puts the folder that one stands in before its own libraries; there may lie anybody's recipe, and beside it a ``json.py``.
"""

from __future__ import annotations

import sys


def safe_path() -> None:
    """Take the current folder from where modules are looked for, unless it is recipec's own."""
    import os

    here = os.getcwd()
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if here != own and not sys.flags.safe_path and sys.path and os.path.abspath(sys.path[0]) == here:
        del sys.path[0]


if __name__ == "__main__":
    safe_path()
    from recipec.cli import main

    sys.exit(main())
