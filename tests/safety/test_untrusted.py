"""Somebody else's recipe can be looked at: no code of it runs, no network is opened, nothing outside is read, no link is followed out."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WATCHED = str(Path(__file__).with_name("watched.py"))
LOOKS = (
    ["check", "t.recipe"], ["check", "--offline", "."], ["fmt", "--check", "t.recipe"], ["plan", "t.recipe"], ["diff", "t.recipe", "inner.recipe"],
    ["graph", "t.recipe"], ["compile", "t.recipe"], ["lock", "--check", "t.recipe"], ["test", "t.recipe"], ["docs", "zzkind"], ["explain", "unused-step"],
)  # fmt: skip
OUR_OWN = (
    str(ROOT / "recipec"), str(ROOT / "grammar"), sys.prefix, sys.base_prefix, *site.getsitepackages(), os.path.dirname(os.__file__),
    "/proc/", "/sys/", "/dev/null", "/dev/urandom", "/etc/localtime", "/usr/", "/lib", "/etc/ld.so", "/etc/mime", "/etc/timezone",
)  # fmt: skip


def commands(looks: Any) -> list[str]:
    return [w for n, words in enumerate(looks) for w in ([*words] if n == 0 else ["--", *words])]


def test_looking_runs_nothing_and_asks_nobody(hostile: Any) -> None:
    log = hostile.folder.parent / "log"
    done = hostile.go("-P", WATCHED, str(log), *commands(LOOKS), PYTHONPATH=str(ROOT))
    assert done.stdout.count("\n== ") + done.stdout.startswith("== ") == len(LOOKS), done.stdout + done.stderr
    assert "bug in recipec" not in done.stderr
    assert nothing_happened(hostile, log)
    assert "s3cret" not in done.stdout + done.stderr


def nothing_happened(hostile: Any, log: Path) -> bool:
    """Whether what was watched ran no code of the recipe's, no program, opened no network, and no file outside. True, or an AssertionError."""
    assert not hostile.mark.exists(), "code of the recipe's ran"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    asked = ("socket.", "subprocess", "os.exec", "os.posix_spawn", "os.system", "os.fork", "urllib", "http")
    # An event loop wakes itself by a pair of sockets that no other process can reach (family 1).
    told = [
        e for e in events if e[1].startswith(asked) and not (e[1] == "socket.__new__" and e[2][1:] in (["1"], ["AddressFamily.AF_UNIX"]))
    ]
    assert not told, told
    home = str(hostile.folder.parent)
    may = (*OUR_OWN, str(hostile.folder), f"{home}/cache", f"{home}/config", f"{home}/log")
    opened = {os.path.abspath(os.path.join(hostile.folder, e[2][0])) for e in events if e[1] == "open" and not e[2][0].isdigit()}
    # The nearest pyproject.toml counts, in the folder or in one above it.
    outside = [p for p in opened if not p.startswith(may) and not p.endswith("/pyproject.toml")]
    assert not outside, outside
    return bool(events)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_the_system_sees_no_network_and_no_program(hostile: Any) -> None:
    log = hostile.folder.parent / "trace"
    looks = commands((["check", "t.recipe"], ["plan", "t.recipe"], ["compile", "t.recipe"]))
    before = ("strace", "-f", "-o", str(log), "-e", "trace=connect,sendto,bind,execve,openat")
    done = hostile.go("-P", WATCHED, os.devnull, *looks, before=before, PYTHONPATH=str(ROOT))
    if not log.exists() or "PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    assert len([x for x in lines if "execve(" in x]) == 1, "the command itself, and no other program"
    assert not [x for x in lines if re.search(r"\b(connect|sendto|bind)\(", x)]
    assert not [x for x in lines if "secret.toml" in x or "/etc/passwd" in x]


@pytest.mark.parametrize("way", [("-P", "-m", "recipec"), ("-m", "recipec")])
def test_modules_beside_the_recipe_are_none_of_pythons(hostile: Any, way: tuple[str, ...]) -> None:
    done = hostile.go(*way, "check", "t.recipe", PYTHONPATH=str(ROOT))
    assert "no step kind `zzkind`" in done.stdout + done.stderr, done.stdout + done.stderr
    assert not hostile.mark.exists()


LINKS = {
    "a source": ('source y = csv("l.csv")\n', "l.csv"),
    "a source by a glob": ('source y = csv("deep/*.csv")\n', "deep/l.csv"),
    "a folder": ('source y = csv("away/passwd")\n', "away"),
    "an import": ('import "l.recipe" as l\n', "l.recipe"),
    "a module": ('python y from x { call: "linked:f"  columns: { a: text } }\n', "linked.py"),
    "prices": ('model m = openai("m", base_url: "http://h/v1") { prices: "p.toml" }\n', "p.toml"),
    "a model": ('model m = transformers("linked")\n', "linked"),
}


@pytest.mark.parametrize("what", LINKS)
def test_no_link_leads_out(hostile: Any, what: str) -> None:
    text, name = LINKS[what]
    path = hostile.folder / name
    path.parent.mkdir(exist_ok=True)
    target = "/etc" if name == "away" else str(hostile.folder.parent) if name == "linked" else str(hostile.secret)
    path.symlink_to(target)
    hostile.write("l2.recipe", 'source x = csv("data/x.csv") { columns: { id: text } }\n' + text)
    done = hostile.go("-P", "-m", "recipec", "check", "l2.recipe", PYTHONPATH=str(ROOT))
    assert "outside-folder" in done.stdout, done.stdout + done.stderr
    assert "SECRETWORD" not in done.stdout + done.stderr


def test_links_inside_and_places_written_out_are_fine(hostile: Any) -> None:
    (hostile.folder / "same.csv").symlink_to("data/x.csv")
    (hostile.folder.parent / "far.csv").write_text("id\n1\n", encoding="utf-8")
    hostile.write(
        "l2.recipe",
        'source a = csv("same.csv")\nsource b = csv("../far.csv")\nclean c from a { keep where text != "" }\nclean d from b { limit(1) }\n',
    )
    done = hostile.go("-P", "-m", "recipec", "check", "l2.recipe", "--ignore", "unused-step", PYTHONPATH=str(ROOT))
    assert "error" not in done.stdout, done.stdout + done.stderr


def test_where_one_stands_does_not_matter(hostile: Any) -> None:
    (hostile.folder.parent / "far.csv").write_text("id\n1\n", encoding="utf-8")
    (hostile.folder / "deep").mkdir()
    hostile.write("deep/up.recipe", 'source b = csv("../../far.csv")\nclean d from b { limit(1) }\n')
    for at in ("deep/up.recipe", str(hostile.folder / "deep" / "up.recipe")):
        done = hostile.go("-P", "-m", "recipec", "check", at, "--ignore", "unused-step", PYTHONPATH=str(ROOT))
        assert "error" not in done.stdout, done.stdout + done.stderr


def test_a_workspace_of_links_is_not_touched(hostile: Any) -> None:
    away = hostile.folder.parent / "away"
    (away / "tmp").mkdir(parents=True)
    (away / "tmp" / "precious").write_text("x", encoding="utf-8")
    hostile.write("l2.recipe", 'source x = csv("data/x.csv") { columns: { id: text } }\n')
    (hostile.folder / ".recipec").symlink_to(away)
    done = hostile.go("-P", "-m", "recipec", "run", "l2.recipe", PYTHONPATH=str(ROOT))
    assert done.returncode == 2
    assert "is a link" in done.stderr
    assert [p.name for p in away.rglob("*")] == ["tmp", "precious"]
    (hostile.folder / ".recipec").unlink()
    (hostile.folder / ".recipec").mkdir()
    (hostile.folder / ".recipec" / "lock").symlink_to(away / "made")
    assert "is a link" in hostile.go("-P", "-m", "recipec", "run", "l2.recipe", PYTHONPATH=str(ROOT)).stderr
    assert not (away / "made").exists()


def test_a_database_that_came_along_reads_nothing(hostile: Any) -> None:
    import duckdb

    hostile.write("l2.recipe", 'source x = csv("data/x.csv") { columns: { id: text } }\n')
    run = ("-P", "-m", "recipec", "run", "l2.recipe")
    assert hostile.go(*run, PYTHONPATH=str(ROOT)).returncode == 0
    with duckdb.connect(str(hostile.folder / ".recipec" / "work.duckdb")) as con:
        con.execute("CREATE OR REPLACE VIEW main.x AS SELECT content AS id FROM read_text('/etc/passwd')")
        (key,) = con.execute("SELECT run_key FROM recipec.steps").fetchone() or ("",)
        con.execute(
            f"CREATE OR REPLACE VIEW store.v_{key} AS SELECT NULL::UUID AS _key, NULL::UUID AS _parent, content AS id FROM read_text('/etc/passwd')"
        )
    done = hostile.go("-P", "-m", "recipec", "show", "l2.recipe", "x", PYTHONPATH=str(ROOT))
    assert "root:" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_gives_its_own_recipes_alone(hostile: Any) -> None:
    other = hostile.folder.parent / "other.recipe"
    other.write_text("clean   c from x{}\n", encoding="utf-8")
    (hostile.folder / "linked.recipe").symlink_to(other)
    os.mkfifo(hostile.folder / "pipe.recipe")
    hostile.go("-P", "-m", "recipec", "fmt", ".", PYTHONPATH=str(ROOT))
    assert other.read_text(encoding="utf-8") == "clean   c from x{}\n"


def test_gits_configuration_starts_no_program(hostile: Any) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    from recipec.plan.diff import GUARDED, QUIET, git

    assert "GIT_NO_LAZY_FETCH" in QUIET
    assert any("fsmonitor" in word for word in GUARDED)
    hostile.write("t.recipe", 'source x = csv("data/x.csv") { columns: { id: text } }\n')
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (["init", "-q"], ["add", "t.recipe"], [*identity, "commit", "-q", "-m", "x"]):
        git(hostile.folder, *words)
    git(hostile.folder, "config", "core.fsmonitor", f"touch {hostile.mark}; true")
    git(hostile.folder, "config", "core.pager", f"touch {hostile.mark}; cat")
    done = hostile.go("-P", "-m", "recipec", "diff", "HEAD", "t.recipe", PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert not hostile.mark.exists()
