"""Runs commands of recipec in this process and says what they touched: ``python watched.py LOG VERB ... [-- VERB ...]``.

Python tells an audit hook of every file opened, program started, socket used and module imported by code; the log has a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import sys

NAMES = (
    "open",
    "socket.",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "urllib",
    "http",
    "os.remove",
    "shutil.rmtree",
)


def main() -> int:
    log, commands, words = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), [], []
    for word in [*sys.argv[2:], "--"]:
        if word == "--":
            commands.append(words)
            words = []
        else:
            words.append(word)
    said = ""

    def hook(name: str, args: tuple[object, ...]) -> None:
        if name.startswith(NAMES):
            os.write(log, json.dumps([said, name, [str(a)[:300] for a in args[:2]]], default=str).encode("utf-8", "replace") + b"\n")

    sys.addaudithook(hook)
    from recipec.cli import main as recipec

    for command in commands:
        said = command[0]
        # What speaks a protocol on standard output is alone there.
        print(f"== {' '.join(command)}: {recipec(command)}", flush=True, file=sys.stderr if said == "lsp" else sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
