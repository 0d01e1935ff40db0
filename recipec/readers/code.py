"""``code``: source code, by file, function or class."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from recipec.api import DataError, ReadContext, Settings, SourceFile, model_validator, named, reader
from recipec.readers._archives import inner_path
from recipec.readers._documents import Bad, DocumentReader, Row, decoded
from recipec.readers._grammars import definitions as definitions_in
from recipec.readers._grammars import grammar_of, missing, unindented

if TYPE_CHECKING:
    import duckdb

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

INSTALL = "pip install 'recipec[code]'"
Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class CodeParams(Settings):
    path: str | list[str]
    by: Literal["file", "function", "class"] = named("file")

    @model_validator(mode="after")
    def installed(self) -> CodeParams:
        """What the paths themselves say, so that it is told before files are looked at, or are here at all."""
        if self.by != "file":
            for path in [self.path] if isinstance(self.path, str) else self.path:
                if (absent := uninstalled([path.rpartition("/")[2]])) is not None:
                    raise ValueError(f"{absent}: {INSTALL}")
        return self


@reader("code")
class Code(DocumentReader):
    """Source code, a row for each file, function or class.

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
    | `line`, `end_line` | where it stands, from 1, its decorators with it, and of other languages than Python the comment directly above |
    | `docstring` | the docstring, or that comment, without its marks; of a Python file the module's; null where there is none |
    | `text` | the source as written; of functions and classes without what they are indented by |

    ``by: function`` gives functions and methods, ``by: class`` classes, both wherever they stand but inside functions: what is in a
    function is part of its text. Those of Python are found by its own parser (that of the Python that runs recipec); those of C, C++, C#, Go, Java,
    JavaScript, PHP, Ruby, Rust, Scala and TypeScript by tree-sitter's grammars, which need ``pip install 'recipec[code]'``. What is only
    declared and has no body (a prototype, an abstract method) is left out. Classes are also structs, enums, unions, interfaces, traits,
    records, Ruby's modules and Rust's ``impl`` blocks, each of which is a row. Functions without a name have that of what they are given to
    (``const f = () => 1``, ``exports.f = function () {}``); where they are given to nothing they are no rows, but looked into. Of namespaces,
    those of C++ and TypeScript and Rust's modules are part of a name, packages are not.

    Bad rows: a file that is not the declared encoding (or, of Python, the one that its first lines declare), or longer than 64 MiB. Where functions
    or classes are wanted, a file in another language, or longer than 8 MiB where it is not Python; a Python file that does not parse; of other
    languages each function, class or line that does not, while the rest of the file is read (of C and C++, where macros stand for anything,
    lines count that have a ``{``).

    Source of the format: the Python Language Reference, chapters 2 and 8; the grammars of the tree-sitter project.
    """

    Params = CodeParams
    version = 2
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

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        if self.params.by != "file" and (absent := uninstalled(inner_path(f).name for f in files)) is not None:
            raise DataError(absent, INSTALL)
        return super().header(con, files, encoding)

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
            yield from self.by_grammar(file, language, text)
            return
        tree = parsed(text)
        if isinstance(tree, Bad):
            yield tree
            return
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for name, node in definitions(tree, self.params.by):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            end = node.end_lineno or node.lineno
            yield (
                file.name,
                language,
                name,
                start,
                end,
                ast.get_docstring(node),
                "\n".join(unindented(li, node.col_offset) for li in lines[start - 1 : end]),
            )

    def by_grammar(self, file: SourceFile, language: str | None, text: str) -> Iterator[Row | Bad]:
        suffix = suffix_of(inner_path(file).name)
        grammar = grammar_of(language, suffix)
        if not grammar:
            yield Bad(f"{self.params.by}s are not looked for in {language or 'a language that is not known'}", text)
            return
        for one in definitions_in(text.replace("\r\n", "\n").replace("\r", "\n"), grammar, suffix, self.params.by):
            if isinstance(one, Bad):
                yield one
            else:
                yield file.name, language, one.name, one.line, one.end_line, one.comment, one.text


def language_of(file: SourceFile) -> str | None:
    return language_named(inner_path(file).name)


def language_named(name: str) -> str | None:
    return _BY_NAME.get(bare(name)) or _BY_SUFFIX.get(suffix_of(name))


def uninstalled(names: Iterable[str]) -> str | None:
    """What is not installed and needed to find functions and classes in files of these names."""
    for suffix in dict.fromkeys(suffix_of(n) for n in names):
        language = _BY_SUFFIX.get(suffix)
        grammar = grammar_of(language, suffix)
        if grammar and (module := missing(grammar)) is not None:
            return f"functions and classes of {language} are found by the package {module.replace('_', '-')}, which is not installed"
    return None


def bare(name: str) -> str:
    """A file's name in small letters, without the suffix that says how it is compressed."""
    name = name.lower()
    for packed in (".gz", ".zst", ".bz2", ".xz"):
        name = name.removesuffix(packed)
    return name


def suffix_of(name: str) -> str:
    name = bare(name)
    return f".{name.rpartition('.')[2]}" if "." in name else ""


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
