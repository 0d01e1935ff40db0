"""Serve editors: findings as you type, completion, hover, rename.

Speaks the Language Server Protocol over standard input and output; an editor starts it. It runs no recipe, touches no network,
and reads of data no more than `recipec check` does. Needs the extra `lsp`.

examples:
  pip install 'recipec[lsp]'
  recipec lsp                               what to put in an editor's settings as the server's command
"""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec

from recipec.cli._errors import CannotRun
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    # Editors add this to the command of every server.
    parser.add_argument("--stdio", action="store_true", help="standard input and output, which is the only way there is")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    if find_spec("pygls") is None:
        raise CannotRun("the language server needs pygls, which is not installed", "pip install 'recipec[lsp]'")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from recipec.lsp.server import serve

    serve()
    return 0
