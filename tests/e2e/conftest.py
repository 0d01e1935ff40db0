"""Data to run on, and ways to say that two workspaces hold the same."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Lab, Ran

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "with",
    "game",
    "player",
    "sound",
    "wave",
    "library",
    "server",
    "client",
    "fast",
    "small",
    "new",
    "data",
    "editor",
    "text",
    "image",
    "network",
    "protocol",
    "kernel",
    "driver",
    "tool",
    "daemon",
    "shell",
    "python",
    "compiler",
    "module",
    "puzzle",
    "arcade",
    "player",
    "audio",
    "music",
    "web",
    "page",
]
CHINESE = "这个程序用来播放音乐文件并支持多种格式的网络服务器客户端"

Contents = dict[str, Any]


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own cache folder stays out of the tests."""
    old = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if old is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = old


def make_rows(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rows as they come: some texts twice, some nearly so, some null, English and Chinese."""
    random_ = random.Random(seed)
    texts: list[str] = []
    rows = []
    for i in range(count):
        kind = random_.random()
        if texts and kind < 0.08:
            text: str | None = random_.choice(texts)
        elif texts and kind < 0.16:
            text = random_.choice(texts) + " " + random_.choice(WORDS)
        elif kind < 0.2:
            text = "".join(random_.choice(CHINESE) for _ in range(20))
        elif kind < 0.22:
            text = None
        else:
            text = " ".join(random_.choice(WORDS) for _ in range(random_.randint(3, 40))).capitalize() + "."
        texts += [text] if text else []
        rows.append(
            {
                "id": f"r{i:05}",
                "text": text,
                "section": random_.choice(["web", "games", "sound", "网络"]),
                "n": random_.randint(0, 50),
                "day": f"2024-{random_.randint(1, 12):02}-{random_.randint(1, 28):02}",
                "customer": f"c{random_.randint(0, count // 5)}",
            }
        )
    return rows


def csv_text(rows: list[dict[str, Any]]) -> str:
    lines = [",".join(rows[0])]
    for row in rows:
        lines.append(",".join("" if v is None else '"' + str(v).replace('"', '""') + '"' for v in row.values()))
    return "\n".join(lines) + "\n"


def jsonl_text(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture(scope="session")
def rows() -> Callable[[int], list[dict[str, Any]]]:
    return make_rows


@pytest.fixture(scope="session")
def as_csv() -> Callable[[list[dict[str, Any]]], str]:
    return csv_text


@pytest.fixture(scope="session")
def as_jsonl() -> Callable[[list[dict[str, Any]]], str]:
    return jsonl_text


def contents(lab: Lab, ran: Ran) -> Contents:
    """Everything that a run made: each step's rows with their keys, parents and reasons, its counts, and the files."""
    import duckdb

    out: Contents = {}
    with duckdb.connect(str(lab.workspace / "work.duckdb"), read_only=True) as con:
        for step in ran.result.steps:
            built = step.built
            if built is None:
                out[step.name] = step.status
                continue
            facts: list[Any] = [built.rows_in, built.rows_out, built.dropped]
            for part in built.parts:
                view = f"store.v_{built.run_key}" if not part else f'store."v_{built.run_key}_{part}"'
                for table in (view, f"store.r_{built.run_key}"):
                    facts += con.execute(f"SELECT count(*), bit_xor(md5_number(t::VARCHAR)) FROM {table} AS t").fetchall()
            out[step.name] = facts
    out["files"] = files(lab.folder)
    return out


def files(folder: Path) -> dict[str, bytes]:
    """The files under ``build`` by their paths."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "build").rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def everything() -> Callable[[Lab, Ran], Contents]:
    return contents


@pytest.fixture(scope="session")
def built_files() -> Callable[[Path], dict[str, bytes]]:
    return files


def command(folder: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """``recipec WORDS`` as a process of its own."""
    return subprocess.run([sys.executable, "-m", "recipec", *words], cwd=folder, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="session")
def recipec() -> Callable[..., subprocess.CompletedProcess[str]]:
    return command


@pytest.fixture(scope="session")
def views() -> Callable[[Path], dict[str, list[tuple[Any, ...]]]]:
    """All rows, keys too, of every table that people see in a workspace's database, by its name."""

    def look(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
        import duckdb

        with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('store', 'recipec') OR table_name IN ('dropped', 'lineage') ORDER BY ALL"
            ).fetchall()
            return {f"{s}.{t}": sorted(con.execute(f'SELECT t::VARCHAR FROM "{s}"."{t}" t').fetchall()) for s, t in names}

    return look
