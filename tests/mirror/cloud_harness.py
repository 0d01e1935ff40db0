"""Emulators of Google's and Azure's object stores on this machine, behind a slow line that can be closed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

# Azurite's published account, the same on every machine.
ACCOUNT = "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PROGRAMS = {"gs": "gcp-storage-emulator", "az": "azurite-blob"}
HELP = {"gs": "pip install gcp-storage-emulator", "az": "npm install -g azurite"}


def emulator(kind: str, folder: Path) -> Iterator[int]:
    """The port of a running emulator. Skips where its program is neither on the path nor in RECIPEC_EMULATORS."""
    places = os.pathsep.join([os.environ.get("RECIPEC_EMULATORS", ""), os.environ.get("PATH", "")])
    program = shutil.which(PROGRAMS[kind], path=places)
    if program is None:
        pytest.skip(f"needs {PROGRAMS[kind]}: {HELP[kind]}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    if kind == "gs":
        command = [program, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    else:
        command = [
            program,
            "--inMemoryPersistence",
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            str(port),
            "--skipApiVersionCheck",
            "--silent",
        ]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip(f"{PROGRAMS[kind]} did not start: {(folder / 'log').read_text(errors='replace')[-300:]}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


class Line:
    """Passes bytes on to a port, ``delay`` seconds after they came."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.inner = port
        self.open = True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while self.open:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.inner))
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    def pass_on(self, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while data := a.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                b.sendall(data)
        for end in (a, b):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.open = False
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Cloud:
    """``bucket`` of an emulator; its objects are put and read past the line."""

    def __init__(self, kind: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kind, self.line, self.monkeypatch = kind, Line(port), monkeypatch
        self.at(port)
        from recipec.mirror._stores import opened

        self.fs: Any = opened(f"{kind}://bucket/x")
        with suppress(OSError):
            self.fs.rm("bucket", recursive=True)
        with suppress(Exception):  # each store says in its own way that the bucket is there
            self.fs.mkdir("bucket")
        self.at(self.line.port)

    def at(self, port: int) -> None:
        if self.kind == "gs":
            self.monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        else:
            endpoint = f"DefaultEndpointsProtocol=http;{ACCOUNT};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
            self.monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", endpoint)

    def put(self, key: str, body: str) -> None:
        self.fs.pipe_file(f"bucket/{key}", body.encode())

    def read(self, key: str) -> bytes:
        body: bytes = self.fs.cat_file(f"bucket/{key}")
        return body

    def delete(self, key: str) -> None:
        self.fs.rm_file(f"bucket/{key}")

    def stored(self) -> dict[str, str]:
        """The objects, with what tells one writing of them from another."""
        found = self.fs.find("bucket", detail=True)
        return {k.removeprefix("bucket/"): str(i.get("generation") or i.get("etag")) for k, i in found.items() if i["type"] == "file"}
