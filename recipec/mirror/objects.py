"""Objects in stores: ``s3://bucket/data/*.parquet``, ``gs://...``, ``az://...`` where a reader takes a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from recipec.api import DataError, SourceFile
from recipec.mirror._address import amount, base_name, shown
from recipec.mirror._base import Fetching, Mirror, Snapshot
from recipec.mirror._stores import missing_package, opened, place_of, scheme_of, translated, version_of
from recipec.mirror._threads import each

AT_ONCE = 16
"""Objects that are copied at the same time."""
BLOCK = 8 << 20
"""Bytes that are asked for at once, and the most that is copied again after a run was killed."""
ROUNDS = 3
"""Times that what changed while it was copied is copied again."""


@dataclass(frozen=True)
class Object:
    key: str
    size: int
    version: str

    @property
    def name(self) -> str:
        """Its copy's name, of its place, its size and what the store calls its contents."""
        made = blake2b(f"{self.key}\0{self.size}\0{self.version}".encode(), digest_size=12).hexdigest()
        return f"{made[:2]}/{made}-{base_name(self.key)}"


class ObjectMirror(Mirror):
    """The objects that an address or a glob names. Its mark is the listing: names, sizes and ETags."""

    extra = ("cloud", ("fsspec",))

    def __init__(self, address: str) -> None:
        self.address = shown(address)
        self.scheme = scheme_of(address)
        self.url, self.pattern = address, place_of(address)
        self.listed: list[Object] = []
        self.server = self.scheme + address.partition("://")[2].partition("/")[0].partition("@")[2]

    @property
    def missing(self) -> str | None:
        return missing_package(self.scheme)

    def identity(self) -> Any:
        return self.address

    def mark(self, before: Snapshot) -> Any:
        self.listed = self.listing(self.open())
        return digest(self.listed)

    def news(self, before: Snapshot, mark: Any) -> str:
        had = {f.name: f.path.name for f in before.files}
        now = {f"{self.scheme}://{o.key}": o.name.partition("/")[2] for o in self.listed}
        counts = {
            "changed": sum(n in had and had[n] != f for n, f in now.items()),
            "new": len(now.keys() - had.keys()),
            "gone": len(had.keys() - now.keys()),
        }
        told = [f"{n:,} {word}" for word, n in counts.items() if n]
        first = re.sub(r"^([\d,]+)", lambda m: f"{m[0]} object{'s' * (m[0] != '1')}", told[0]) if told else "objects changed"
        return ", ".join([first, *told[1:]])

    def fetch(self, ctx: Fetching) -> Snapshot:
        store = self.open()
        ctx.progress(0, None, "listing")
        found = self.listing(store)
        for _ in range(ROUNDS):
            self.copy(store, found, ctx)
            # Only what stood still while it was copied is a whole copy.
            again = self.listing(store)
            if again == found:
                break
            found = again
        else:
            raise DataError(f"{self.address} changes while it is copied, again and again", "run again when whoever writes there is done")
        files = tuple(SourceFile(ctx.folder / o.name, f"{self.scheme}://{o.key}") for o in found)
        return Snapshot(digest(found), files)

    # The store

    def open(self) -> Any:
        return opened(self.url)

    def listing(self, store: Any) -> list[Object]:
        """The objects, by name. Raises DataError where there are none."""
        with translated(self.scheme, self.address):
            found = {o.key: o for o in self.matches(store)}
        if not found:
            raise DataError(f"no object matches {self.address}", "`*` stays within a folder; `**/` is any folders")
        return [found[key] for key in sorted(found)]

    def matches(self, store: Any) -> Iterator[Object]:
        if not any(c in self.pattern for c in "*?["):
            info = store.info(self.pattern)
            if info["type"] != "file":
                raise DataError(f"{self.address} is a folder", f'name the objects in it: "{self.address.rstrip("/")}/*"')
            yield object_of(self.pattern.strip("/"), info)
            return
        from recipec.readers._archives import matcher

        fixed = re.split(r"[*?\[]", self.pattern)[0].rpartition("/")[0]
        if not fixed:
            raise DataError(f"{self.address}: a bucket's name cannot be a pattern", "name the bucket, and a pattern in it")
        rest = self.pattern[len(fixed) + 1 :]
        yield from below(store, fixed, rest.split("/"), lambda part: matcher(part).fits)

    # Copying

    def copy(self, store: Any, found: list[Object], ctx: Fetching) -> None:
        """Copy what is not there yet."""
        wanted = [o for o in found if not there(ctx.folder / o.name, o.size)]
        total = sum(o.size for o in wanted)
        came = {o.key: 0 for o in wanted}

        def progress() -> None:
            done = sum(came.values())
            files = sum(came[o.key] == o.size for o in wanted)
            ctx.progress(done, total or None, f"{files:,} of {len(wanted):,} objects, {amount(done)} of {amount(total)}")

        def one(item: Object) -> str:
            with translated(self.scheme, f"{self.scheme}://{item.key}"):
                self.download(store, item, ctx.folder / item.name, came)
            return item.key

        if wanted:
            progress()
        for _ in each(wanted, one, min(AT_ONCE, len(wanted)), progress):
            pass

    def download(self, store: Any, item: Object, path: Path, came: dict[str, int]) -> None:
        """Copy one object, going on where an earlier copy of the same contents stopped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        at = part.stat().st_size if part.exists() else 0
        at = 0 if at > item.size or not item.version else at - at % BLOCK
        with part.open("r+b" if at else "wb") as out:
            out.seek(at)
            out.truncate()
            while at < item.size:
                end = min(at + BLOCK, item.size)
                block = store.cat_file(item.key) if end - at == item.size else store.cat_file(item.key, start=at, end=end)
                out.write(block)
                at += len(block)
                came[item.key] = at
                if len(block) != end - (at - len(block)):
                    break
        if at != item.size:
            # It is another object by now: the next listing says so.
            part.unlink()
            return
        part.replace(path)


def below(store: Any, folder: str, parts: list[str], matching: Callable[[str], Callable[[str], object]]) -> Iterator[Object]:
    """The objects below a folder that the parts of a pattern match. Names that begin with a dot match only where the pattern says so."""
    head, *rest = parts
    if head == "**":
        whole = matching("/".join(parts))
        for key, info in store.find(folder, detail=True).items():
            if whole(key.removeprefix(f"{folder}/")) and info["type"] == "file" and not key.endswith("/"):
                yield object_of(key, info)
        return
    if rest and not any(c in head for c in "*?["):
        yield from below(store, f"{folder}/{head}", rest, matching)
        return
    fits = matching(head)
    for info in store.ls(folder, detail=True):
        key = info["name"].strip("/")
        name = key.rpartition("/")[2]
        if key == folder or not fits(name):
            continue
        if rest and info["type"] == "directory":
            yield from below(store, key, rest, matching)
        elif not rest and info["type"] == "file":
            yield object_of(key, info)


def object_of(key: str, info: dict[str, Any]) -> Object:
    return Object(key, int(info["size"] or 0), version_of(info))


def there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def digest(found: list[Object]) -> dict[str, Any]:
    """A listing as a mark."""
    made = blake2b(digest_size=16)
    for item in found:
        made.update(f"{item.key}\0{item.size}\0{item.version}\n".encode())
    return {"objects": len(found), "digest": made.hexdigest()}
