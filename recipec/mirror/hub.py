"""Data sets of the Hugging Face hub: ``hf("owner/name")``, and ``hf://datasets/owner/name@revision/path`` where a reader takes a path.

The calls are those of the hub's documented HTTP interface: a revision's commit, a commit's files, and a file's contents. ``HF_ENDPOINT``,
``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_TOKEN_PATH`` and ``HF_HOME`` mean what they mean to ``huggingface_hub``, which is not needed here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from recipec.api import DataError, SourceFile
from recipec.mirror._address import amount, base_name
from recipec.mirror._answer import Answer, Passing, ask
from recipec.mirror._base import Fetching, Mirror, Snapshot
from recipec.mirror._threads import each
from recipec.mirror.http import ATTEMPTS, Download, HttpMirror, pause

AT_ONCE = 8
NAME = r"[\w.-]+/[\w.-]+"
_ADDRESS = re.compile(rf"hf://datasets/({NAME})(?:@([^/]+))?(?:/(.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    path: str
    size: int
    oid: str
    """SHA-256 of a large file's contents, else git's SHA-1 of it as a blob."""


class HubMirror(Mirror):
    """The files of a data set: those of a path or glob, or those of its splits. Its mark is the commit."""

    def __init__(self, address: str, *, revision: str = "", split: str | None = None, config: str = "") -> None:
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise DataError(
                f"`{address}` names no data set of the hub",
                "hf://datasets/owner/name, or with a path: hf://datasets/owner/name/data/*.parquet",
            )
        self.repo, self.path = found[1], found[3] or ""
        self.revision = revision or found[2] or "main"
        self.split, self.config = split, config
        if split is None and not self.path:
            raise DataError(
                f"`{address}` names a data set, and no file in it",
                f'read it with hf("{self.repo}"), or name its files: {address}/data/*.parquet',
            )
        self.address = (
            f"hf://datasets/{self.repo}" + (f"@{self.revision}" if self.revision != "main" else "") + (f"/{self.path}" if self.path else "")
        )
        self.pinned = ""

    def identity(self) -> Any:
        return [self.repo, self.revision, self.path, self.split, self.config]

    def pin(self, facts: Mapping[str, Any]) -> None:
        revision = str(facts.get("revision", ""))
        self.pinned = revision if _COMMIT.fullmatch(revision) else ""

    def mark(self, before: Snapshot) -> Any:
        if offline():
            return before.mark
        return {"commit": self.commit()}

    def news(self, before: Snapshot, mark: Any) -> str:
        return f"revision {str(before.mark['commit'])[:8]} -> {str(mark['commit'])[:8]}"

    def fetch(self, ctx: Fetching) -> Snapshot:
        if offline():
            raise DataError(f"{self.address} is not copied yet, and HF_HUB_OFFLINE is set", "unset it, and run again")
        commit = self.commit()
        ctx.progress(0, None, "listing")
        listed = self.listing(commit)
        chosen = self.chosen(listed, commit, ctx)
        total = sum(f.size for f in chosen)
        came: dict[str, int] = {}

        def one(file: HubFile) -> SourceFile:
            def told(done: int, _: int | None, what: str) -> None:
                came[file.path] = done
                ctx.progress(sum(came.values()), total or None, f"{amount(sum(came.values()))} of {amount(total)}")

            return SourceFile(
                self.download(file, commit, replace(ctx, folder=ctx.folder / file.oid[:16], progress=told)), self.name_of(file)
            )

        def tick() -> None:
            ctx.progress(sum(came.values()), total or None, f"{len(chosen):,} files, {amount(sum(came.values()))} of {amount(total)}")

        files = sorted(each(chosen, one, min(AT_ONCE, len(chosen)), tick), key=lambda f: f.name)
        return Snapshot({"commit": commit}, tuple(files), {"revision": commit})

    def name_of(self, file: HubFile) -> str:
        """A file's name, the same in every revision, so that a new one moves no row's key."""
        return f"hf://datasets/{self.repo}/{file.path}"

    # Which files

    def commit(self) -> str:
        """The commit that the revision is now; the pinned one where a lock says so."""
        if self.pinned:
            return self.pinned
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        found, _ = self.api(f"revision/{quote(self.revision, safe='')}")
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise DataError(f"the hub does not say which commit {self.address} is", f"is {endpoint()} a hub?")
        return commit

    def listing(self, commit: str) -> list[HubFile]:
        """All files of a commit."""
        out: list[HubFile] = []
        following: str | None = f"tree/{commit}?recursive=true"
        while following:
            found, following = self.api(following)
            for item in found if isinstance(found, list) else []:
                if item.get("type") == "file":
                    path = str(item["path"])
                    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                        raise DataError(f"{self.address} has a file called `{path}`, which is no name of a file")
                    lfs = item.get("lfs") or {}
                    out.append(HubFile(path, int(lfs.get("size") or item["size"]), str(lfs.get("oid") or item["oid"])))
        return out

    def chosen(self, listed: list[HubFile], commit: str, ctx: Fetching) -> list[HubFile]:
        """The files to read. Raises DataError where there are none."""
        if self.path:
            from recipec.readers._archives import matcher

            fits = matcher(self.path).fits
            found = [f for f in listed if f.path == self.path] or [f for f in listed if fits(f.path)]
            if not found:
                raise DataError(f"no file matches {self.address}", f"look at them: {endpoint()}/datasets/{self.repo}/tree/{self.revision}")
            return found
        return self.of_splits(listed, commit, ctx)

    def of_splits(self, listed: list[HubFile], commit: str, ctx: Fetching) -> list[HubFile]:
        """The files of the wanted splits. The card and the names of all files say which: a folder of empty files of these names stands for
        the data set."""
        from recipec.readers._hf import splits_of

        folder = ctx.folder / "names.part"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            for file in listed:
                path = folder / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                if file.path == "README.md":
                    path.write_bytes(self.download(file, commit, replace(ctx, folder=ctx.folder / file.oid[:16])).read_bytes())
                if path.name in ("state.json", "dataset_dict.json"):
                    raise DataError(
                        f"{self.address} holds what save_to_disk wrote, which is read from this machine only",
                        f"hf download {self.repo} --repo-type dataset --local-dir data/{self.repo.rpartition('/')[2]}",
                    )
            found = splits_of(folder, self.repo, self.config, self.split or "")
            wanted = {p.relative_to(folder).as_posix() for p in found}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return [f for f in listed if f.path in wanted]

    # Asking

    def api(self, path: str) -> tuple[Any, str | None]:
        """An answer of the hub as JSON, and the address of its next page."""
        address = path if "://" in path else f"{endpoint()}/api/datasets/{self.repo}/{path}"
        answer = self.patient(address)
        with answer.body:
            try:
                found = json.loads(answer.body.read())
            except ValueError:
                raise DataError(f"{endpoint()} does not answer as the hub does", "is HF_ENDPOINT right?") from None
        following = re.search(r'<([^>]+)>;\s*rel="next"', answer.header("Link"))
        return found, urljoin(address, following[1]) if following else None

    def patient(self, address: str) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                return self.ask(address, {})
            except Passing as problem:
                pause(problem, attempt, lambda: None)
        raise AssertionError("the last attempt raises")

    def ask(self, address: str, headers: Mapping[str, str]) -> Answer:
        return ask(address, headers, hub_pass, self.explain)

    def explain(self, status: int) -> DataError | None:
        page = f"{endpoint()}/datasets/{self.repo}"
        at = "" if self.revision == "main" else f" with a revision `{self.revision}`"
        match status:
            case 401 | 404:
                return DataError(
                    f"there is no data set `{self.repo}`{at} on the hub, or it is private",
                    f"is the name right, or meant as a folder of this machine? For a private one set HF_TOKEN, or log in: hf auth login ({page})",
                )
            case 403:
                return DataError(f"the data set `{self.repo}` may not be read", f"its owner wants you to agree to something first: {page}")
        return None

    def download(self, file: HubFile, commit: str, ctx: Fetching) -> Path:
        """A file's copy, whose contents are those that the hub's listing says."""
        ctx.folder.mkdir(parents=True, exist_ok=True)
        for path in ctx.folder.iterdir():
            if path.suffix != ".part" and path.name.endswith(base_name(file.path)) and path.stat().st_size == file.size:
                return path
        url = f"{endpoint()}/datasets/{self.repo}/resolve/{commit}/{quote(file.path)}"
        path, _ = Download(_OneFile(url, self), ctx).whole()
        if not holds(path, file):
            path.unlink()
            raise DataError(f"{self.name_of(file)} came with other contents than the hub's list says", "run again")
        return path


class _OneFile(HttpMirror):
    """A file of a data set as :class:`Download` asks for it."""

    def __init__(self, url: str, hub: HubMirror) -> None:
        super().__init__(url)
        self.hub, self.reader = hub, "files"

    def ask(self, headers: Mapping[str, str]) -> Answer:
        return self.hub.ask(self.url, headers)


def holds(path: Path, file: HubFile) -> bool:
    """Whether a file's contents have the digest that the hub says."""
    made = hashlib.sha256() if len(file.oid) == 64 else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            made.update(block)
    return made.hexdigest() == file.oid


def endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def token() -> str:
    """The hub's token: of the environment, else of ``hf auth login``."""
    told = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    if told:
        return told.strip()
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface")
    try:
        return Path(os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token")).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def hub_pass(address: str) -> str | None:
    """The token goes to the hub alone, not to where it leads on to."""
    same = urlsplit(address).netloc == urlsplit(endpoint()).netloc
    return f"Bearer {found}" if same and (found := token()) else None
