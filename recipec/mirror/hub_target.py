"""Exports to repositories of the Hugging Face hub: one commit for each delivery, so nobody ever sees half of one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from recipec.api import DataError
from recipec.mirror._address import amount, secret_in
from recipec.mirror._threads import each
from recipec.mirror.hub import NAME, endpoint, hub_pass, offline
from recipec.mirror.store_target import version_of
from recipec.mirror.target import INDEX, Delivery, Mode, Target

_ADDRESS = re.compile(rf"hf://datasets/({NAME})/?")
SIDE = frozenset({".gitattributes"})
"""Files that the hub makes itself."""


class HubTarget(Target):
    extra = ("hub", ("huggingface_hub",))
    modes: ClassVar[tuple[Mode, ...]] = ("replace",)
    options = frozenset({"private"})

    def __init__(self, address: str) -> None:
        found = _ADDRESS.fullmatch(address)
        self.repo = found[1] if found is not None else ""
        self.address = address.rstrip("/")

    def check(self, single: bool, format: str) -> list[tuple[str, str]]:
        if (secret := secret_in(self.address)) is not None:
            return [secret]
        if not self.repo:
            return [(f"`{self.address}` names no data set of the hub", 'to: "hf://datasets/owner/name"')]
        return []

    def deliver(self, delivery: Delivery) -> Mapping[str, Any]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        if offline():
            raise DataError(f"{self.address} cannot be written: HF_HUB_OFFLINE is set", "unset it, and run again")
        disable_progress_bars()
        api = HfApi(endpoint=endpoint(), token=self.token())
        version = version_of(delivery.files)
        total = sum(f["size"] for f in delivery.files)
        with self.translated():
            delivery.progress(0, total, "asking the hub")
            api.create_repo(self.repo, repo_type="dataset", private=bool(delivery.options.get("private", True)), exist_ok=True)
            info = api.dataset_info(self.repo, files_metadata=False)
            there = {s.rfilename for s in info.siblings or []}
            ours = self.written(api, info.sha or "main") if INDEX in there else set()
            foreign = sorted(there - ours - SIDE - {INDEX})
            if foreign:
                more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
                raise DataError(
                    f"`{self.address}` holds files that no export wrote: {foreign[0]}{more}",
                    "choose a repository of its own, or empty this one",
                )
            index = {
                "recipec": 1,
                "format": delivery.format,
                "columns": {part: dict(columns) for part, columns in delivery.columns.items()},
                "deliveries": [version],
                "files": [
                    {"path": f["path"], **({"rows": f["rows"]} if "rows" in f else {}), "bytes": f["size"], "digest": f["digest"]}
                    for f in delivery.files
                ],
            }
            text = json.dumps(index, ensure_ascii=False, indent=1) + "\n"
            operations: list[Any] = [CommitOperationAdd(f["path"], str(delivery.folder / f["path"])) for f in delivery.files]
            operations.append(CommitOperationAdd(INDEX, text.encode()))
            operations += [CommitOperationDelete(path) for path in sorted((ours & there) - {f["path"] for f in delivery.files})]

            def commit(whole: list[Any]) -> str:
                made = api.create_commit(
                    self.repo, whole, commit_message=delivery.message, repo_type="dataset", parent_commit=info.sha, num_threads=4
                )
                return str(made.oid)

            (revision,) = each([operations], commit, 1, lambda: delivery.progress(0, None, f"uploading {amount(total)}"))
        return {"version": version, "revision": revision}

    def written(self, api: Any, revision: str) -> set[str]:
        """What the last delivery wrote."""
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(self.repo, INDEX, repo_type="dataset", revision=revision, endpoint=api.endpoint)
        try:
            return {str(f["path"]) for f in self.read(url)["files"]}
        except (ValueError, KeyError, TypeError):
            return set()

    @staticmethod
    def read(url: str) -> Any:
        from recipec.mirror._answer import Passing, ask

        try:
            answer = ask(url, {}, hub_pass)
        except Passing as problem:
            raise problem.error from None
        with answer.body:
            return json.loads(answer.body.read())

    def gone(self, facts: Mapping[str, Any]) -> str | None:
        if offline():
            return None
        from huggingface_hub import hf_hub_url

        try:
            found = self.read(hf_hub_url(self.repo, INDEX, repo_type="dataset", endpoint=endpoint()))
            return None if facts.get("version") in found["deliveries"] else f"`{self.address}` was changed"
        except DataError as error:
            if "(404)" in error.message or "(401)" in error.message:
                return f"`{self.address}` is gone"
            raise
        except (ValueError, KeyError, TypeError):
            return f"`{self.address}` was changed"

    @staticmethod
    def token() -> str | None:
        from recipec.mirror.hub import token

        return token() or None

    @contextmanager
    def translated(self) -> Any:
        """What the hub's package raises, in words."""
        from huggingface_hub.errors import HfHubHTTPError

        # Whichever HTTP package it speaks through: a connection that fails raises this one's own errors.
        broken = tuple(c for c in HfHubHTTPError.__mro__ if c.__name__ == "HTTPError" and issubclass(c, Exception))
        caught: tuple[type[BaseException], ...] = (HfHubHTTPError, *broken, OSError, ValueError)
        try:
            yield
        except caught as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            if status in (401, 403):
                raise DataError(
                    f"{self.address} may not be written ({status})",
                    "set HF_TOKEN to a token that may write there, or log in: hf auth login",
                ) from None
            if status == 412:
                raise DataError(f"{self.address} was changed by somebody else meanwhile", "run again") from None
            raise DataError(f"{self.address} cannot be written: {said}", "is the hub up, and HF_ENDPOINT right? Run again") from None
