"""Serve editors: findings as you type, completion, hover, rename.

Speaks the Language Server Protocol over standard input and output; an editor starts it. It runs no recipe, touches no network,
and reads of data no more than `recipec check` does. Needs the extra `lsp`.

examples:
  pip install 'recipec[lsp]'
  recipec lsp                               the server's command in an editor's settings
  vim.lsp.start({ cmd = { "recipec", "lsp" }, root_dir = vim.fn.getcwd() })       in Neovim
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec

from recipec.cli._errors import CannotRun
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    # Editors add this to the command of every server.
    parser.add_argument("--stdio", action="store_true", help="standard input and output, which is the only way there is")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    if find_spec("pygls") is None:
        raise CannotRun("the language server needs pygls, which is not installed", "pip install 'recipec[lsp]'")
    if sys.stdin.isatty():
        err.line("recipec lsp speaks with an editor, not with people: name it in the editor's settings. Ctrl-D leaves.")
        err.finish()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from recipec.lsp.server import serve

    serve()
    return 0
