"""Functions of the user's own, ``"module:function"``: found in the file beside the recipe, which is read and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import DataError, SourceFile
from recipec.diagnostics import nearest, replace_fix
from recipec.places import Places, bytes_at
from recipec.record import record
from recipec.resolve.problems import BadValue, MissingFile, OutsideFolder, UnknownFunction, Unreadable
from recipec.source import Span
from recipec.trust import OwnCode

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder


@record(frozen=True)
class Called:
    """``shown`` is the file's name in the recipe's folder."""

    file: Path
    shown: str
    function: str

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.file, self.shown)


def called(bind: StepBinder, text: str, span: Span, *, what: str, example: str) -> Called | None:
    """The function that ``text`` names. Reports what is wrong with it at ``span``: ``what`` introduces the form, ``example`` is how it is written.

    Whether the function is there is read from the file's top level; what a star import or ``globals()`` brings is left to the run.
    """
    match = re.fullmatch(r"([\w.]+):(\w+)", text)
    if match is None:
        bind.report(BadValue(span=span, message=f'{what} is written "module:function"', help=(example,)))
        return None
    shown = match[1].replace(".", "/") + ".py"
    found = Called(bind.names.source.folder / shown, shown, match[2])
    bind.program.own_code[bind.name, shown, match[2]] = OwnCode(bind.name, found.file, shown, match[2])
    if bind.program.offline:
        return found
    if not found.file.is_file():
        help = ("the module is a file in the recipe's own folder",)
        bind.report(MissingFile(span=span, message=f"no file `{shown}` beside the recipe", help=help))
        return None
    refused = Places(bind.names.source.folder).unfit(found.file, shown)
    if refused is not None:
        bind.report(OutsideFolder(span=span, message=refused.message, help=(refused.help,)))
        return None
    # A finding about the file holds while the file is what it was.
    bind.program.reading.seen.append(found.source)
    try:
        names = top_level(ast.parse(bytes_at(found.file)))
    except SyntaxError as error:
        at = f"line {error.lineno}: " if error.lineno else ""
        bind.report(Unreadable(span=span, message=f"`{shown}` is not Python", help=(f"{at}{error.msg}",)))
        return None
    except DataError as error:
        bind.report(Unreadable(span=span, message=f"cannot read `{shown}`: {error.message}"))
        return None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        bind.report(Unreadable(span=span, message=f"cannot read `{shown}`: {getattr(error, 'strerror', None) or error}"))
        return None
    if names is not None and found.function not in {*names[0], *names[1]}:
        public = [n for n in names[0] if not n.startswith("_")]
        guess = nearest(found.function, public)
        problem = UnknownFunction(span=span, wanted=found.function, candidates=tuple(public))
        problem.put(
            message=f"`{shown}` has no function `{found.function}`",
            label=f"did you mean `{guess}`?" if guess else "",
            help=(f"it has: {', '.join(public[:8])}" + (f" (+{len(public) - 8})" if len(public) > 8 else ""),) if public else (),
            fixes=(replace_fix(span, f'"{match[1]}:{guess}"'),) if guess else (),
        )
        bind.report(problem)
        return None
    return found


def top_level(module: ast.Module) -> tuple[list[str], list[str]] | None:
    """The names that a module has once it is imported: its functions and classes, and others; None where only running it tells."""
    functions: dict[str, None] = {}
    others: dict[str, None] = {}
    for node in statements(module.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            functions[node.name] = None
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if any(a.name == "*" for a in node.names):
                return None
            others.update({(a.asname or a.name.partition(".")[0]): None for a in node.names})
        else:
            bound = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            for name in bound:
                if name.id in ("globals", "vars", "exec", "setattr"):
                    return None
                if isinstance(name.ctx, ast.Store):
                    others[name.id] = None
    return [*functions], [*others]


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import, those inside ``if``, ``try``, ``with`` and loops too."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from statements(getattr(node, field, None) or [])
        for handler in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield from statements(handler.body)
