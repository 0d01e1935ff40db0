"""A process to be killed: asks for rows and writes each id it was given, once, with its text.

``python crash_child.py URL LEDGER OUT ROWS``
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from recipec.models.client import Answer, Call, Caller, Ledger, Limits, Request
from recipec.models.requests import Message


def main() -> None:
    url, ledger_folder, out, rows = sys.argv[1:]
    limits = Limits(concurrency=32, backoff=0.001, backoff_most=0.01, retries=20, timeout=10)
    # Whole lines by single writes: what this process was given before it was killed.
    given = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    requests = (Request(str(n), (Message("user", f"row {n}"),)) for n in range(int(rows)))
    with Ledger(Path(ledger_folder)) as ledger, Caller(Call("openai", url, "m", {"max_tokens": 20}), ledger, limits) as caller:
        for id, outcome in caller.answers(requests):
            assert isinstance(outcome, Answer), outcome
            os.write(given, f"{id}\t{outcome.key}\t{outcome.text}\n".encode())


if __name__ == "__main__":
    main()
