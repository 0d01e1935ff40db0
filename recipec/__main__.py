"""``python -m recipec``."""

from __future__ import annotations

import sys

from recipec.cli import main

if __name__ == "__main__":
    sys.exit(main())
