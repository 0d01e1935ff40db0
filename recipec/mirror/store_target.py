"""Exports into object stores.

What is delivered lies in a folder of its own, named by its contents; ``_index.json`` beside says which files are the export, and is written
last, in one step. So whoever reads by the index never sees half. A delivery that was cut off has written no index: what it had uploaded
is used by the next run of the same rows, and removed by one of others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from recipec.api import DataError
from recipec.mirror._address import amount, secret_in, shown
from recipec.mirror._stores import missing_package, opened, place_of, scheme_of, translated
from recipec.mirror._threads import each
from recipec.mirror.target import INDEX, Delivery, Target

VERSION = 1
AT_ONCE = 8
_OURS = re.compile(r"[0-9a-f]{16}/.+")


class StoreTarget(Target):
    extra = ("cloud", ("fsspec",))

    def __init__(self, address: str) -> None:
        self.address = shown(address).rstrip("/")
        self.scheme = scheme_of(address)
        self.url, self.place = address, place_of(address).strip("/")

    @property
    def missing(self) -> str | None:
        return missing_package(self.scheme)

    def check(self, single: bool, format: str) -> list[tuple[str, str]]:
        if (secret := secret_in(self.url)) is not None:
            return [secret]
        bucket, _, inside = self.place.partition("/")
        if not bucket or not inside:
            return [
                (
                    f"`{self.scheme}://{self.place}` names no folder or file in a bucket",
                    f'to: "{self.scheme}://{bucket or "BUCKET"}/folder"',
                )
            ]
        if any(c in self.place for c in "*?["):
            return [(f"`{self.address}` is a pattern, and an export goes to one place", "name a folder or a file")]
        return []

    def deliver(self, delivery: Delivery) -> Mapping[str, Any]:
        store = opened(self.url)
        with translated(self.scheme, self.address, "write"):
            if delivery.single:
                (file,) = delivery.files
                local, size = str(delivery.folder / file["path"]), int(file["size"])

                def tick() -> None:
                    delivery.progress(0, None, f"uploading {amount(size)}")

                for _ in each([local], lambda path: self.put(store, path, self.place, size), 1, tick):
                    pass
                return {"object": self.place, "size": size}
            return self.whole(store, delivery)

    def whole(self, store: Any, delivery: Delivery) -> Mapping[str, Any]:
        index, there = self.index(store), self.there(store)
        foreign = sorted(k for k in there if k != INDEX and not _OURS.fullmatch(k))
        if foreign or (index is None and INDEX in there):
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            name = foreign[0] if foreign else INDEX
            raise DataError(
                f"`{self.address}` holds objects that no export wrote: {name}{more}", "choose a folder of its own, or empty this one"
            )
        version = version_of(delivery.files)
        kept: list[dict[str, Any]] = index["files"] if index is not None and delivery.mode == "append" else []
        deliveries: list[str] = index["deliveries"] if index is not None and delivery.mode == "append" else []
        if kept and index is not None:
            self.same_kind(index, delivery)
        if version in deliveries:
            delivery.note(f"`{self.address}` holds these very rows already: nothing was appended")
            return {"version": version}
        self.upload(store, delivery, version, there)
        files = [
            {"path": f"{version}/{f['path']}", **({"rows": f["rows"]} if "rows" in f else {}), "bytes": f["size"], "digest": f["digest"]}
            for f in delivery.files
        ]
        made: dict[str, Any] = {
            "recipec": VERSION,
            "format": delivery.format,
            "columns": {part: dict(columns) for part, columns in delivery.columns.items()},
            "deliveries": [*deliveries, version],
            "files": [*kept, *files],
        }
        store.pipe_file(f"{self.place}/{INDEX}", (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode())
        wanted = {f["path"] for f in made["files"]} | {INDEX}
        for name in sorted(set(there) - wanted):
            store.rm_file(f"{self.place}/{name}")
        return {"version": version}

    def same_kind(self, index: Mapping[str, Any], delivery: Delivery) -> None:
        """Refuse to append what is of another kind than what is there."""
        if index["format"] != delivery.format:
            raise DataError(
                f"`{self.address}` holds {index['format']} files, and {delivery.format} is to be appended",
                "mode: replace, or another folder",
            )
        for part, columns in delivery.columns.items():
            old = index["columns"].get(part)
            if old is not None and old != dict(columns):
                names = [n for n in {**old, **columns} if old.get(n) != columns.get(n)]
                raise DataError(
                    f"`{self.address}` has other columns in `{part}`: {', '.join(f'`{n}`' for n in names[:5])}",
                    "choose the same with `columns`, or mode: replace",
                )

    def upload(self, store: Any, delivery: Delivery, version: str, there: Mapping[str, int]) -> None:
        """Upload what an earlier, broken delivery of the same rows did not."""
        wanted = [f for f in delivery.files if there.get(f"{version}/{f['path']}") != f["size"]]
        total = sum(f["size"] for f in wanted)
        sent: list[int] = []

        def progress() -> None:
            delivery.progress(sum(sent), total or None, f"{len(sent):,} of {len(wanted):,} files, {amount(sum(sent))} of {amount(total)}")

        def one(file: Mapping[str, Any]) -> int:
            with translated(self.scheme, self.address, "write"):
                return self.put(store, str(delivery.folder / file["path"]), f"{self.place}/{version}/{file['path']}", int(file["size"]))

        progress()
        for size in each(wanted, one, min(AT_ONCE, len(wanted)), progress) if wanted else ():
            sent.append(size)
        arrived = self.there(store)
        lost = [f["path"] for f in delivery.files if arrived.get(f"{version}/{f['path']}") != f["size"]]
        if lost:
            raise DataError(f"{lost[0]} did not arrive whole at {self.address}", "run again: what is there stays")

    @staticmethod
    def put(store: Any, local: str, remote: str, size: int) -> int:
        if size < 8 << 20:
            with open(local, "rb") as stream:
                store.pipe_file(remote, stream.read())
        else:
            store.put_file(local, remote)
        return size

    def index(self, store: Any) -> dict[str, Any] | None:
        """The index, or None where there is none that an export wrote."""
        try:
            found = json.loads(store.cat_file(f"{self.place}/{INDEX}"))
            if found["recipec"] == VERSION:
                return {name: found[name] for name in ("format", "columns", "deliveries", "files")}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            pass
        return None

    def there(self, store: Any) -> dict[str, int]:
        """The objects below the place, and their sizes."""
        try:
            found = store.find(self.place, detail=True)
        except FileNotFoundError:
            return {}
        head = f"{self.place}/"
        return {k.removeprefix(head): int(i["size"] or 0) for k, i in found.items() if k.startswith(head) and not k.endswith("/")}

    def gone(self, facts: Mapping[str, Any]) -> str | None:
        store = opened(self.url)
        with translated(self.scheme, self.address):
            if "object" in facts:
                try:
                    same = store.info(self.place)["size"] == facts["size"]
                except FileNotFoundError:
                    return f"`{self.address}` is gone"
                return None if same else f"`{self.address}` was changed"
            index = self.index(store)
            if index is None:
                return f"`{self.address}` is gone"
            if facts.get("version") not in index["deliveries"]:
                return f"`{self.address}` was changed"
            there = self.there(store)
            lost = next((f["path"] for f in index["files"] if there.get(f["path"]) != f["bytes"]), None)
            return f"`{lost}` at {self.address} is gone" if lost is not None else None


def version_of(files: Any) -> str:
    """The name of a delivery: a digest of its files' names and contents."""
    made = blake2b(digest_size=8)
    for file in files:
        made.update(f"{file['path']}\0{file['digest']}\n".encode())
    return made.hexdigest()
