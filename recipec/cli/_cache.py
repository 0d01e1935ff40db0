"""What a check found, kept so that an unchanged recipe is not analysed again.

An entry lies in the user's own cache folder and holds everything that the findings depend on: recipec's own code, the
recipe and its imports, the options, the size and time of the data files looked at, and the environment variables that the
recipe names. It is valid only while all of them are what they were. The entry is JSON: a damaged or foreign one is at
worst ignored. Findings that depend on a file being absent are not kept.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.diagnostics import Diagnostic, Edit, Fix, Label
from recipec.source import Source, Span

if TYPE_CHECKING:
    from recipec.resolve.program import Program

FORMAT = 1
MOST_ENTRIES = 400
MOST_FILES = 2_000
ABSENCE = frozenset({"missing-file", "unreadable"})
_ENV = re.compile(r'\benv\(\s*"([^"\\]+)"')


class Cache:
    """The entries for one set of options. ``folder`` None means that nothing is kept."""

    def __init__(self, folder: Path | None, options: Mapping[str, Any]) -> None:
        self.folder = folder
        self.options = json.dumps(options, sort_keys=True)

    def path(self, source: Source) -> Path:
        assert self.folder is not None
        return self.folder / f"check-{digest(os.getcwd(), source.path, self.options)}.json"

    def get(self, source: Source) -> list[Diagnostic] | None:
        """What the last check of this very text found, if nothing that it depends on has changed."""
        if self.folder is None or source.path == "-":
            return None
        try:
            body = saved(self.path(source))
            if body is None:
                return None
            entry = json.loads(body)
            if entry["code"] != code_stamp() or entry["sources"][0][1] != digest(source.text):
                return None
            sources = [source]
            for name, wanted in entry["sources"][1:]:
                text = Path(name).read_text(encoding="utf-8")
                if digest(text) != wanted:
                    return None
                sources.append(Source(name, text))
            if any(stamp(name) != facts for name, facts in entry["stamps"]):
                return None
            if any(secret_digest(name, entry["salt"]) != wanted for name, wanted in entry["environment"].items()):
                return None
            return [unpack(item, sources) for item in entry["findings"]]
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def put(self, source: Source, program: Program) -> None:
        """Keep what was found. A cache that cannot be written only costs time."""
        findings = program.findings.sorted
        if self.folder is None or source.path == "-" or any(d.name in ABSENCE for d in findings):
            return
        stamps = stamps_of(program)
        sources = [source, *(s for name, s in program.sources.items() if name != source.path)]
        numbers = {s.path: i for i, s in enumerate(sources)}
        if stamps is None or any(path not in numbers for d in findings for path in paths_of(d)):
            return
        salt = os.urandom(16).hex()
        names = sorted({name for s in sources for name in _ENV.findall(s.text)})
        entry = {
            "code": code_stamp(),
            "sources": [[s.path, digest(s.text)] for s in sources],
            "stamps": stamps,
            "salt": salt,
            "environment": {name: secret_digest(name, salt) for name in names},
            "findings": [pack(d, numbers) for d in findings],
        }
        try:
            save(self.path(source), json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        except OSError:
            return


def cache_folder() -> Path | None:
    """recipec's folder in the user's cache folder; None when there is no home to put it in, or RECIPEC_NO_CACHE is set."""
    if os.environ.get("RECIPEC_NO_CACHE"):
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "recipec"
    except RuntimeError:
        return None


def save(path: Path, body: bytes) -> None:
    """Write an entry whole or not at all, into a folder of mode 0700; then remove the oldest entries of its kind beyond the number kept.
    ``path`` is ``KIND-...``; :func:`saved` reads it back."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not private(path.parent):
        return
    kind = path.name.partition("-")[0]
    temporary = path.parent / f".{kind}-{os.urandom(8).hex()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(blake2b(body, digest_size=16).hexdigest().encode() + b"\n" + body)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    entries = [(e.stat().st_mtime, e.path) for e in os.scandir(path.parent) if e.name.startswith(f"{kind}-")]
    for _, old in sorted(entries)[: max(0, len(entries) - MOST_ENTRIES)]:
        os.unlink(old)


def saved(path: Path) -> bytes | None:
    """An entry as it was written; None for one that is damaged, or that somebody else may have written. Raises OSError."""
    if not (private(path.parent) and private(path)):
        return None
    head, _, body = path.read_bytes().partition(b"\n")
    return body if head == blake2b(body, digest_size=16).hexdigest().encode() else None


def private(path: Path) -> bool:
    """Whether nobody but this user can have written ``path``."""
    if os.name != "posix":
        return True
    status = path.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def digest(*texts: str) -> str:
    return blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def secret_digest(variable: str, salt: str) -> str | None:
    """What stands for the value of an environment variable: nothing that could be looked up."""
    value = os.environ.get(variable)
    return None if value is None else blake2b(os.fsencode(value), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def stamp(path: str) -> list[int] | None:
    """Size, time and inode of a file, or the time of a folder; None when it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def stamps_of(program: Program) -> list[tuple[str, list[int] | None]] | None:
    """The data files that the findings depend on, and the folders where a glob might find further ones.

    None when they cannot be told: a source that did not resolve may have looked anywhere.
    """
    files = {f.path for f in program.reading.seen}
    globbed: set[Path] = set()
    for name, entry in program.entries.items():
        step = program.resolved.get(name)
        if step is None and entry.node.reader is not None:
            return None
        if step is None:
            continue
        found = {f.path for f in step.bound.files}
        files |= found
        reader = getattr(step.bound.plan, "reader", None)
        if reader is not None and any(set("*?[") & set(path) for path in reader.paths()):
            globbed |= found
    if len(files) > MOST_FILES:
        return None
    top = program.folder.resolve()
    folders: set[Path] = set()
    for file in globbed:
        place = file.resolve().parent
        folders.add(place)
        folders |= {p for p in place.parents if p.is_relative_to(top)}
    paths = sorted({str(p.resolve()) for p in files} | {str(p) for p in folders})
    return None if len(paths) > MOST_FILES else [(p, stamp(p)) for p in paths]


@cache
def code_stamp() -> str:
    """recipec's own code as it lies on disk, the interpreter, and the folders where packages are installed."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    facts: list[str] = [str(FORMAT), sys.version]
    with os.scandir(package) as top:
        folders = sorted(e.path for e in top if e.is_dir() and not e.name.startswith(("_", ".")))
    for folder in (package, *folders):
        with os.scandir(folder) as entries:
            for e in entries:
                if e.name.endswith(".py"):
                    status = e.stat()
                    facts.append(f"{e.name}:{status.st_size}:{status.st_mtime_ns}")
    # The order in which a folder lists its entries may differ from one look to the next.
    facts.sort()
    for folder in (*(p for p in sys.path if p.endswith("-packages")), os.path.join(os.path.dirname(package), "grammar")):
        facts.append(f"{folder}:{stamp(folder)}")
    return digest(*facts)


# Findings as plain data


def paths_of(d: Diagnostic) -> set[str]:
    spans = [d.span, *(label.span for label in d.also), *(e.span for f in d.fixes for e in f.edits)]
    return {s.source.path for s in spans}


def pack(d: Diagnostic, numbers: Mapping[str, int]) -> list[Any]:
    def span(s: Span) -> list[int]:
        return [numbers[s.source.path], s.start, s.end]

    also = [[span(label.span), label.text] for label in d.also]
    fixes = [[f.title, f.safe, [[span(e.span), e.text] for e in f.edits]] for f in d.fixes]
    return [d.name, d.code, d.severity, span(d.span), d.message, d.label, also, list(d.help), fixes]


def unpack(item: list[Any], sources: list[Source]) -> Diagnostic:
    """The finding again; its class is lost, its name, code and severity are not."""

    def span(place: list[int]) -> Span:
        return Span(sources[place[0]], place[1], place[2])

    name, code, severity, at, message, label, also, help, fixes = item
    d = Diagnostic(
        span=span(at),
        message=message,
        label=label,
        also=tuple(Label(span(s), t) for s, t in also),
        help=tuple(help),
        fixes=tuple(Fix(title, tuple(Edit(span(s), t) for s, t in edits), safe) for title, safe, edits in fixes),
    )
    d.put(name=name, code=code, severity=severity)
    return d
