"""``code``: source code, by file, function or class."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, TypeAlias

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._archives import inner_path
from recipec.readers._documents import Bad, DocumentReader, Row, decoded

LANGUAGES = {
    "py pyi": "python", "js mjs cjs jsx": "javascript", "ts mts cts tsx": "typescript", "java": "java", "kt kts": "kotlin", "scala sc": "scala",
    "c h": "c", "cc cpp cxx hh hpp hxx": "c++", "cs": "c#", "go": "go", "rs": "rust", "rb": "ruby", "php": "php", "swift": "swift", "m mm": "objective-c",
    "r": "r", "jl": "julia", "lua": "lua", "pl pm": "perl", "sh bash zsh": "shell", "ps1": "powershell", "sql": "sql", "hs": "haskell",
    "ml mli": "ocaml", "ex exs": "elixir", "erl": "erlang", "clj cljs": "clojure", "dart": "dart", "f90 f95 f": "fortran", "zig": "zig", "vue": "vue",
    "html htm": "html", "css": "css", "scss": "scss", "json": "json", "yaml yml": "yaml", "toml": "toml", "xml": "xml", "md": "markdown",
    "proto": "protobuf", "tf": "hcl", "cmake": "cmake", "v sv": "verilog", "vhd": "vhdl", "asm s": "assembly", "lean": "lean", "sol": "solidity",
}  # fmt: skip
_BY_SUFFIX = {f".{suffix}": language for suffixes, language in LANGUAGES.items() for suffix in suffixes.split()}
_BY_NAME = {"makefile": "make", "dockerfile": "docker", "cmakelists.txt": "cmake", "gemfile": "ruby", "rakefile": "ruby"}

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class CodeParams(Settings):
    path: str | list[str]
    by: Literal["file", "function", "class"] = named("file")


@reader("code")
class Code(DocumentReader):
    """Source code, a row for each file; of Python also for each function or class.

    ```recipe
    source sources = code("repo.tar.gz!**/*.rs")
    source functions = code("src/**/*.py", by: function)
    ```

    ``path`` is a glob, a file or a list of them.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `language` | by the file's name: `python`, `rust`, `c++`, ...; null where it is not known |
    | `name` | the function or class with those that it is in, joined by dots: `Parser.parse`; null for files |
    | `line`, `end_line` | where it stands, from 1, its decorators with it |
    | `docstring` | the docstring, its indentation taken off; of a file the module's; null where there is none |
    | `text` | the source as written; of functions and classes without what they are indented by |

    ``by: function`` gives functions and methods, ``by: class`` classes, both wherever they stand but inside functions: what is in a
    function is part of its text. Functions and classes are found in Python only, by its own parser (that of the
    Python that runs recipec); other languages are read by file.

    Bad rows: a file that is not the declared encoding (or, of Python, the one that its first lines declare), or longer than 64 MiB; where functions
    or classes are wanted a file that is not Python, or does not parse.

    Source of the format: the Python Language Reference, chapters 2 and 8.
    """

    Params = CodeParams
    extensions = (".py", ".js", ".ts", ".java", ".c", ".cpp", ".go", ".rs")
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "language": "VARCHAR",
        "name": "VARCHAR",
        "line": "BIGINT",
        "end_line": "BIGINT",
        "docstring": "VARCHAR",
        "text": "VARCHAR",
    }
    params: CodeParams

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        language = language_of(file)
        text = decoded(raw, file, (python_encoding(raw) if language == "python" else None) or ctx.encoding)
        if isinstance(text, Bad):
            yield text
            return
        if self.params.by == "file":
            tree = parsed(text) if language == "python" else None
            docstring = None if tree is None or isinstance(tree, Bad) else ast.get_docstring(tree)
            yield file.name, language, None, 1, max(text.count("\n") + (not text.endswith("\n")), 1), docstring, text
            return
        if language != "python":
            yield Bad(f"{self.params.by}s are found in Python only, and this is {language or 'in a language that is not known'}", text)
            return
        tree = parsed(text)
        if isinstance(tree, Bad):
            yield tree
            return
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for name, node in definitions(tree, self.params.by):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            end = node.end_lineno or node.lineno
            yield file.name, language, name, start, end, ast.get_docstring(node), unindented(lines[start - 1 : end], node.col_offset)


def language_of(file: SourceFile) -> str | None:
    path = inner_path(file)
    name = path.name.lower()
    for packed in (".gz", ".zst", ".bz2", ".xz"):
        name = name.removesuffix(packed)
    return _BY_NAME.get(name) or _BY_SUFFIX.get(f".{name.rpartition('.')[2]}" if "." in name else "")


def python_encoding(raw: bytes) -> str | None:
    """What the first two lines declare; None where they declare nothing that can be read."""
    import io
    import tokenize

    try:
        found = tokenize.detect_encoding(io.BytesIO(raw[:4096]).readline)[0]
    except (SyntaxError, UnicodeDecodeError):
        return None
    return None if found in ("utf-8", "utf-8-sig") else found


def parsed(text: str) -> ast.Module | Bad:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        return Bad(f"not Python: {error.msg}, line {error.lineno or 1}", text)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deep
        return Bad(f"not Python: {'it is nested too deep' if not isinstance(error, ValueError) else error}", text)


def definitions(tree: ast.Module, by: str) -> Iterator[tuple[str, Definition]]:
    """What is wanted, in the order of the file, with its full name."""
    waiting: list[tuple[str, ast.AST]] = [("", n) for n in reversed(tree.body)]
    while waiting:
        outer, node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if by == "function":
                yield f"{outer}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            if by == "class":
                yield f"{outer}{node.name}", node
            waiting.extend((f"{outer}{node.name}.", n) for n in reversed(node.body))
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While | ast.ExceptHandler | ast.TryStar):
            waiting.extend((outer, n) for n in reversed(list(ast.iter_child_nodes(node))))


def unindented(lines: list[str], column: int) -> str:
    """Lines without the blanks that the first one stands behind, as far as each has them: lines of a text may have fewer."""
    out = []
    for line in lines:
        blanks = len(line) - len(line.lstrip(" \t"))
        out.append(line[min(blanks, column) :])
    return "\n".join(out)
