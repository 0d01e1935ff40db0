"""A folder with a recipe, runs of it with one fault each, and what must hold after every one of them.

* The run goes on to the end, or ends with a message of ours, or is killed: never a traceback, never "a bug in recipec".
* What can be seen then is whole: every table and every export is one that an undisturbed run makes (of the recipe as it is, or as it
  was), the journal names tables that are there, a model or checkpoint that stands under its own name is complete, no file is left in
  the folders of exports but the exports.
* The next run ends well, with the same tables and the same bytes as an undisturbed one.
* No answer of the model is paid for twice; of a run that was killed, those that no ledger could hold yet excepted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.lanes import Asked, Lane, family, served
from tests.faults.recipes import EXPORTS, FAMILIES, NEW, OLD, make_rows
from tests.faults.shim import KINDS, Plan, State

BLAMED = ("Traceback", "bug in recipec", "INTERNAL Error", "Segmentation")
LIMIT = 60.0
BACK = -26 * 3600
"""Seconds that the clock of the day jumps."""


@dataclass(frozen=True)
class Fault:
    """What happens to a run. ``plan`` is for system calls, ``hook`` for DuckDB's statements and workers, ``server`` for model calls;
    ``damage`` is done to the folder before the run, and undone before the next where it is of the sources."""

    kind: str
    place: str
    plan: dict[str, Any] = field(default_factory=dict)
    hook: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    damage: str = ""
    meanwhile: str = ""
    start: str = "old"

    @property
    def kills(self) -> bool:
        return "kill" in self.kind

    def __str__(self) -> str:
        return f"{self.kind} at {self.place} ({self.start})"


@dataclass
class Outcome:
    fault: Fault
    status: int
    said: str
    problems: list[str] = field(default_factory=list)
    met: bool = True
    """Whether the fault came to be: the run may have ended before."""
    seconds: float = 0.0

    @property
    def way(self) -> str:
        if not self.met:
            return "not met"
        return {0: "went on", -9: "killed", 130: "interrupted"}.get(self.status, "message")


class Scene:
    """The folder of one recipe, the server that it asks, and the states that undisturbed runs leave."""

    def __init__(self, family: str, folder: Path, library: Path | None, server: Asked) -> None:
        self.name, self.folder, self.library, self.server = family, folder, library, server
        self.base, self.here = folder / "base", folder / "here"
        self.state = State(folder / "state")
        self.lane = Lane(library, family == "model")
        self.second: Lane | None = None
        self.environment = {
            "FAULTS_URL": server.url, "XDG_CACHE_HOME": str(folder / "cache"), "FAULTS_WAIT": str(folder / "waits"),
            "FAULTS_GO": str(folder / "go"), "RECIPEC_DEBUG": "0", "XDG_STATE_HOME": str(folder / "elsewhere"),
        }  # fmt: skip
        self.wanted: dict[str, dict[str, Any]] = {}
        self.points: dict[str, int] = {}
        self.trouble: list[str] = []
        """What went wrong in a second run."""
        self.listed: list[tuple[str, str]] = []
        """Every counted system call of an undisturbed run on the old state: kind and path."""
        self.prepare()

    def close(self) -> None:
        self.lane.close()
        if self.second is not None:
            self.second.close()

    # Data

    def prepare(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.base.mkdir(parents=True)
        (self.base / f"{self.name}.recipe").write_text(FAMILIES[self.name], encoding="utf-8")
        pq.write_table(pa.Table.from_pylist(make_rows(30, 1, "p")), self.base / "rows.parquet")
        more = make_rows(40, 2, "j")
        (self.base / "more.jsonl").write_text("".join(json.dumps(r) + "\n" for r in more), encoding="utf-8")
        extra = make_rows(20, 3, "c")
        text = "id,text,section\n" + "".join(f"{r['id']},{r['text']},{r['section']}\n" for r in extra)
        (self.base / "extra.csv").write_text(text, encoding="utf-8")
        past = time.time() - 3600
        for path in self.base.iterdir():
            os.utime(path, (past, past))

    def undisturbed(self) -> None:
        """Run without faults, and remember what that leaves; the state to begin with where one is to be there already; and by which places
        a run comes, from nothing and from that state."""
        for start, least in (("fresh", OLD), ("fresh", NEW), ("old", NEW)):
            self.begin(start)
            log = self.folder / f"calls-{start}-{least}"
            if self.library is not None:
                self.state.tell(Plan(self.here, ("write", "fsync", "rename", "open", "remove", "make", "cut"), log=log))
            status, said = self.run(least=least)
            assert status == 0, said
            if least == OLD:
                self.wanted[OLD] = self.look()
                shutil.copytree(self.here, self.folder / "old")
                continue
            found = self.wanted.setdefault(NEW, self.look())
            assert found == self.wanted[NEW], "a run that begins with earlier results gives other ones"
            for place, count in json.loads((self.folder / "facts").read_text()).items():
                self.points[f"{place} {start}"] = count
            self.points[f"call {start}"] = self.server.number
            if self.library is not None:
                names = {v: k for k, v in KINDS.items()}
                listed = [line.split(" ", 2) for line in log.read_text().splitlines()]
                for kind, count in Counter(names[int(k)] for _, k, _ in listed).items():
                    self.points[f"{kind} {start}"] = count
                if start == "old":
                    self.listed = [(names[int(k)], p) for _, k, p in listed]
        assert self.wanted[OLD] != self.wanted[NEW]

    def begin(self, start: str) -> None:
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.base if start == "fresh" else self.folder / "old", self.here)
        for name in ("waits", "go", "facts"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "elsewhere", ignore_errors=True)
        self.server.reset()
        self.state.tell(Plan(self.here, ()))

    # Runs

    def told(self, least: str, hook: dict[str, Any], suffix: str = "") -> dict[str, Any]:
        words = ["run", f"{self.name}.recipe", "--set", f"least={least}", "--threads", "2", "--yes"]
        return {
            "argv": words, "cwd": str(self.here), "out": str(self.folder / f"out{suffix}"), "err": str(self.folder / f"err{suffix}"),
            "state": str(self.state.path) if self.library is not None else "", "facts": str(self.folder / f"facts{suffix}"), "hook": hook,
            "environment": self.environment, "learn": not self.wanted,
        }  # fmt: skip

    def run(self, *, least: str = NEW, hook: dict[str, Any] | None = None, meanwhile: Any = None) -> tuple[int, str]:
        """(status, what was said) of a run; no process of it is left after."""
        pid = self.lane.start(self.told(least, hook or {}))
        self.server.victim = pid
        if meanwhile is not None:
            end = time.monotonic() + 30
            while not (self.folder / "waits").exists() and time.monotonic() < end and Path(f"/proc/{pid}").exists():
                time.sleep(0.005)
            meanwhile()
            (self.folder / "go").touch()
        from threading import Timer

        late = Timer(LIMIT, lambda: os.killpg(pid, signal.SIGKILL))
        late.start()
        begun = time.monotonic()
        status = self.lane.status()
        late.cancel()
        said = "".join((self.folder / n).read_text(errors="replace") for n in ("out", "err"))
        if time.monotonic() - begun >= LIMIT:
            said += "\nTHE RUN HUNG"
        end = time.monotonic() + 20
        while (left := family(pid, self.lane.workers)) and time.monotonic() < end:
            time.sleep(0.01)
        if left:
            said += f"\nPROCESSES ARE LEFT: {left}"
            for other in left:
                os.kill(other, signal.SIGKILL)
        return status, said

    # What can be seen

    def look(self) -> dict[str, Any]:
        return {"tables": self.tables(), "files": self.files(), "models": self.models()}

    def tables(self) -> dict[str, Any]:
        import duckdb

        path = self.here / ".recipec" / "work.duckdb"
        if not path.exists() or path.stat().st_size < 12288:
            return {}
        with duckdb.connect(str(path), read_only=True) as con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('store', 'recipec') OR table_name IN ('dropped', 'lineage') ORDER BY ALL"
            ).fetchall()
            return {f"{s}.{t}": sorted(con.execute(f'SELECT t::VARCHAR FROM "{s}"."{t}" t').fetchall()) for s, t in names}

    def books(self) -> list[str]:
        """What the journal says that is not so."""
        import duckdb

        path = self.here / ".recipec" / "work.duckdb"
        if not path.exists() or path.stat().st_size < 12288:
            return []
        out = []
        with duckdb.connect(str(path), read_only=True) as con:
            there = {r[0] for r in con.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'store'").fetchall()}
            if not con.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = 'recipec' AND table_name = 'steps'"
            ).fetchall():
                return []
            keys = set()
            for key, kind, parts, rows in con.execute("SELECT run_key, kind, parts, rows_out FROM recipec.steps").fetchall():
                keys.add(key)
                wanted = [f"r_{key}"] if json.loads(parts) else []
                wanted += [f"v_{key}_{p}" if p else f"v_{key}" for p in json.loads(parts)]
                out += [f"the journal has {kind} {key}, and {w} is not there" for w in wanted if w not in there]
                if "" in json.loads(parts):
                    found = con.execute(f"SELECT count(*) FROM store.v_{key}").fetchone()
                    if found != (rows,):
                        out.append(f"{kind} {key} has {found} rows, the journal says {rows}")
                artifact = self.here / ".recipec" / "artifacts" / key
                if kind.startswith("train@") and not (artifact / "recipec.json").is_file():
                    out.append(f"the journal has the model {key}, and its folder is not there")
            out += [f"{t} stands in no journal" for t in sorted(there) if t.startswith("r_") and t[2:] not in keys]
        return out

    def files(self) -> dict[str, bytes]:
        """The files of exports; hidden ones beside them, of a run that did not end, are nobody's to read."""
        return {p.relative_to(self.here).as_posix(): p.read_bytes() for p in sorted((self.here / "build").rglob("*"))
            if p.is_file() and not p.relative_to(self.here / "build").parts[0].startswith(".")}  # fmt: skip

    def models(self) -> dict[str, str]:
        """The models that stand under their own names, by what their weights are."""
        from recipec.training._artifact import hash_of

        folder = self.here / ".recipec" / "artifacts"
        found = sorted(p for p in folder.glob("*") if "." not in p.name) if folder.is_dir() else []
        return {p.name: hash_of(p) for p in found}

    def halves(self, start: str, found: dict[str, Any]) -> list[str]:
        """What can be seen now and is not whole."""
        out = self.books()
        allowed = [self.wanted[OLD], self.wanted[NEW]]
        for name, rows in found["tables"].items():
            if not name.startswith("recipec.") and not any(rows == w["tables"].get(name) for w in allowed):
                out.append(f"half of table {name}")
        seen = found["files"]
        for place in EXPORTS[self.name]:
            ours = {p: b for p, b in seen.items() if p == place or p.startswith(f"{place}/")}
            whole = [{p: b for p, b in w["files"].items() if p == place or p.startswith(f"{place}/")} for w in allowed]
            if ours and ours not in whole:
                missing = sorted(set(whole[1]) - set(ours))
                other = sorted(p for p in ours if all(ours[p] != w.get(p) for w in whole))
                out.append(f"half of export {place}: missing {missing[:4]}, other bytes {other[:4]}")
            if not ours and start == "old":
                out.append(f"export {place} was there and is gone")
        for path in seen:
            if not any(path == e or path.startswith(f"{e}/") for e in EXPORTS[self.name]):
                out.append(f"{path} lies among the exports")
        for key, weights in found["models"].items():
            if all(w["models"].get(key) != weights for w in allowed):
                out.append(f"the model {key} has other weights")
        return out

    def kept_answers(self) -> int:
        """Whole answers in the ledger, or where they are kept for it; what was learnt about the server is none."""
        from recipec.models.ledger import _KEY, _sound

        kept = (self.here / ".recipec" / "ledger").glob("answers-*.jsonl"), (self.folder / "elsewhere").rglob("answers-*.jsonl")
        lines = [line for paths in kept for path in paths for line in path.read_bytes().splitlines(keepends=True)]
        return len({line[_KEY] for line in lines if _sound(line) and b'"finish":' in line})

    # A fault

    def suffer(self, fault: Fault) -> Outcome:
        begun = time.monotonic()
        self.begin(fault.start)
        paid_before = self.kept_answers()
        self.server.reset(fault.server.get("at", 0), fault.server.get("do", ""))
        if fault.plan:
            facts = dict(fault.plan)
            facts["kinds"] = tuple(facts["kinds"])
            self.state.tell(Plan(self.here, **facts))
        undo = self.damage(fault.damage)
        meanwhile = self.meanwhile(fault) if fault.meanwhile else None
        self.server.act = meanwhile or (lambda: self.state.jump(BACK))
        status, said = self.run(hook=fault.hook, meanwhile=meanwhile if fault.hook else None)
        outcome = Outcome(fault, status, said)
        outcome.met = self.was_met(fault)
        problems = outcome.problems
        problems += self.trouble
        self.trouble.clear()
        problems += [f"it said {word!r}" for word in (*BLAMED, "THE RUN HUNG", "PROCESSES ARE LEFT") if word in said]
        if status == -9 and not fault.kills:
            problems.append("it died")
        if status not in (0, -9) and not self.helped(said):
            problems.append("it ended without a word of help")
        self.state.tell(Plan(self.here, ()))
        changed = status == 0 and fault.meanwhile == "change"
        try:
            # Of a run that took in the row that came while it ran, what is to be seen is its own, whole: the next run shows.
            # A database that was damaged before the run, and refused, is not looked at: it is to be removed.
            refused = status != 0 and fault.damage.startswith(("database", "log"))
            if not changed and not refused:
                found = self.look()
                problems += self.halves(fault.start, found)
                if status == 0 and (wrong := self.differs(found)):
                    problems.append(f"it ended well, with other results: {wrong}")
        except Exception as error:  # whatever cannot be looked at is a finding
            problems.append(f"what is left cannot be looked at: {type(error).__name__}: {error}")
        # What a killed run had sent may still stand in the server's buffers.
        asked = -1
        while fault.kills and self.server.number != asked:
            asked = self.server.number
            time.sleep(0.05)
        delivered = Counter(self.server.delivered)
        kept = self.kept_answers()
        # Of a run that was killed, whatever it had asked may have been on its way.
        lost = (self.server.number if fault.kills else sum(delivered.values())) - (kept - paid_before)
        if lost > 0 and not fault.kills:
            problems.append(f"{lost} answers were paid for and not kept")
        self.server.at = 0
        if undo is not None:
            undo(status)
        if fault.meanwhile == "change":
            shutil.copy2(self.base / "more.jsonl", self.here / "more.jsonl")
        again, words = self.run()
        if again != 0:
            problems.append(f"the next run ended with {again}: {words[-1500:]}")
        else:
            if any(word in words for word in (*BLAMED, "PROCESSES ARE LEFT")):
                problems.append(f"the next run said {words[-1500:]}")
            try:
                if wrong := self.differs(found := self.look()):
                    problems.append(f"the next run gave other results: {wrong}")
                problems += self.halves("fresh", found)
            except Exception as error:
                problems.append(f"what the next run left cannot be looked at: {type(error).__name__}: {error}")
            left = [p.name for p in (self.here / "build").iterdir() if p.name.startswith(".")]
            # What could not be removed stays hidden until the export is written again.
            if left and not fault.place.startswith("remove"):
                problems.append(f"left beside the exports: {left}")
        twice = sum(n - 1 for n in self.server.delivered.values() if n > 1)
        if twice > (max(0, lost) if fault.kills else 0):
            problems.append(f"{twice} answers were paid for twice ({lost} were not kept by the first run)")
        outcome.seconds = time.monotonic() - begun
        return outcome

    def was_met(self, fault: Fault) -> bool:
        if fault.plan:
            return self.state.hits > 0
        if fault.server:
            return self.server.met
        if fault.hook:
            counted = json.loads((self.folder / "facts").read_text()) if (self.folder / "facts").exists() else {}
            return bool(counted.get(fault.hook["place"], 0) >= fault.hook["at"])
        return True

    @staticmethod
    def helped(said: str) -> bool:
        """Whether a message stands there with what to do: a line of a finding's help, or the second line of the last words."""
        lines = [line.strip() for line in said.strip().splitlines()]
        at = next((i for i, line in enumerate(lines) if line.startswith("recipec: ")), None)
        return any("help:" in line or line.startswith("= ") for line in lines) or (at is not None and len(lines) > at + 1)

    def differs(self, found: dict[str, Any]) -> str:
        wanted = self.wanted[NEW]
        for what in ("tables", "files"):
            if found[what] != wanted[what]:
                names = sorted(n for n in {*found[what], *wanted[what]} if found[what].get(n) != wanted[what].get(n))
                return f"{what} {names[:6]}"
        missing = [k for k, v in wanted["models"].items() if found["models"].get(k) != v]
        return f"models {missing}" if missing else ""

    # What is done to the folder

    def damage(self, what: str) -> Any:
        """Do it; what undoes it, before the next run."""
        name, _, rest = what.partition(" ")
        match name:
            case "":
                return None
            case "database" | "log":
                path = self.here / ".recipec" / ("work.duckdb" if name == "database" else "work.duckdb.wal")
                data = path.read_bytes() if path.exists() else b"x" * 5000
                if name == "log":
                    path.write_bytes(b"\x07" * int(rest))
                else:
                    path.write_bytes(data[: int(len(data) * float(rest))])

                def way_forward(status: int) -> None:
                    # What the message tells people to do.
                    if status != 0:
                        for part in ("work.duckdb", "work.duckdb.wal"):
                            (self.here / ".recipec" / part).unlink(missing_ok=True)

                return way_forward
            case "source":
                file, how, where = rest.split(" ")
                path = self.here / file
                data, stat = path.read_bytes(), path.stat()
                at = int(len(data) * float(where))
                made = data[:at] if how == "cut" else data[:at] + bytes(255 - b for b in data[at : at + 64]) + data[at + 64 :]
                path.write_bytes(made)

                def put_back(status: int) -> None:
                    path.write_bytes(data)
                    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

                return put_back
            case "forbidden":
                path = self.here / rest
                mode = path.stat().st_mode
                path.chmod(0)
                return lambda status: path.chmod(mode)
        raise AssertionError(what)

    def meanwhile(self, fault: Fault) -> Any:
        def second() -> None:
            """Another run on the same workspace, at the same time: it says so, and ends."""
            if self.second is None:
                self.second = Lane(self.library, False)
            told = self.told(OLD, {}, "2") | {"state": ""}
            self.second.start(told)
            status = self.second.status()
            said = (self.folder / "err2").read_text() + (self.folder / "out2").read_text()
            if status != 0 and not (status == 2 and "in use by process" in said):
                self.trouble.append(f"a second run at the same time ended with {status}: {said[-500:]}")

        def change() -> None:
            """A source gets a row, while it is read or later; it has its old contents again when the run has ended."""
            with (self.here / "more.jsonl").open("a", encoding="utf-8") as file:
                file.write('{"id": "zzz", "text": "the late row of a sound wave library", "section": "web"}\n')

        return second if fault.meanwhile == "second" else change


@contextmanager
def scene(name: str, library: Path | None, folder: Path | None = None) -> Iterator[Scene]:
    """A scene in a folder of its own."""
    place = Path(tempfile.mkdtemp(prefix="faults-")) if folder is None else folder
    server = Asked()
    with served(server):
        made = Scene(name, place, library, server)
        try:
            yield made
        finally:
            made.close()
            if folder is None:
                shutil.rmtree(place, ignore_errors=True)


__all__ = ["NEW", "OLD", "Fault", "Outcome", "Scene", "scene"]
