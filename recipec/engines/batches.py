"""Batch functions inside SQL: kernels as Arrow functions of DuckDB, the slow ones in a pool of processes.

DuckDB hands a kernel up to 2,048 rows at a time from each of its threads. A kernel that holds the interpreter lock would
make those threads take turns, so it runs in a worker process instead: the calling thread sends the batch as Arrow IPC and
waits without the lock. Only rows that reach the call are sent, so SQL guards around a kernel save its whole cost.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recipec.api import KERNELS, DataError, Kernel

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SMALLEST_CUT = 64
"""Rows below which a batch is not cut further."""
NO_MEMORY = ("out of memory while texts were worked on", "fewer --threads need less; what is finished stays")


def load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


@contextmanager
def without_main() -> Iterator[None]:
    """While a process is started: no main program. A worker needs nothing of the one that uses recipec, but Python would
    import it there, so that a script without ``if __name__ == "__main__"`` would run again in every worker."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Worker:
    """A process that runs kernels on request."""

    def __init__(self) -> None:
        import multiprocessing

        context = multiprocessing.get_context("forkserver")
        # Loaded once, in the process that workers are forked from: each of them took 0.2 s of processor to load it for itself.
        context.set_forkserver_preload(["pyarrow", "recipec.engines.batches"])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        with without_main():
            self.process.start()
        theirs.close()

    def send(self, target: str, given: tuple[str, ...], batch: pa.RecordBatch) -> None:
        """Give the worker a batch; its answer is had by ``receive``."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        self.pipe.send((target, given))
        self.pipe.send_bytes(sink.getvalue())

    def receive(self) -> pa.Array:
        import pyarrow as pa

        ok = self.pipe.recv()
        payload = self.pipe.recv_bytes()
        if not ok:
            message, _, help = payload.decode("utf-8").partition("\n")
            raise DataError(message, help)
        return pa.ipc.open_stream(payload).read_all().column(0).combine_chunks()

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(timeout=1)
        if self.process.is_alive():
            self.process.kill()


def serve(pipe: Any) -> None:
    """A worker's life: requests until the pipe closes, because the run is over or was killed."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            answer(pipe)
    except (EOFError, OSError):
        return


def answer(pipe: Any) -> None:
    """One request: a target and a batch come in, a truth value and an array (or a message) go out."""
    import pyarrow as pa

    target, given = pipe.recv()
    table = pa.ipc.open_stream(pipe.recv_bytes()).read_all()
    try:
        result = load(target)(*given, *(c.combine_chunks() for c in table.columns))
        if len(result) != table.num_rows:
            raise DataError(f"{target} gave {len(result):,} answers for {table.num_rows:,} rows")
    except DataError as error:
        pipe.send(False)
        pipe.send_bytes("\n".join(filter(None, (error.message, error.help))).encode())
        return
    except MemoryError:  # Arrow's is one too
        pipe.send(False)
        pipe.send_bytes("\n".join(NO_MEMORY).encode())
        return
    except Exception as error:  # a plug-in's code may raise anything, and the worker must live on
        pipe.send(False)
        pipe.send_bytes(f"{target}: {type(error).__name__}: {error}".encode())
        return
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([result], names=["r"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    pipe.send(True)
    pipe.send_bytes(sink.getvalue())


class Pool:
    """Workers, started when first needed, at most ``size`` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.free: SimpleQueue[Worker] = SimpleQueue()
        self.lock = Lock()
        self.all: list[Worker] = []
        self.warming: Thread | None = None
        atexit.register(self.stop)

    def warm(self) -> None:
        """Start the first worker, while its caller has other things to do: a process and its imports take half a second."""

        def start() -> None:
            try:
                worker = self.take(wait=False)
            except (EOFError, OSError):
                # Whoever wants one next is told what is wrong.
                return
            if worker is not None:
                self.free.put(worker)

        self.warming = Thread(target=start, name="warm", daemon=True)
        self.warming.start()

    def take(self, *, wait: bool) -> Worker | None:
        """A free worker, a new one while there may be more, else the next to become free (None where not to wait)."""
        try:
            return self.free.get_nowait()
        except Empty:
            with self.lock:
                if len(self.all) < self.size:
                    worker = Worker()
                    self.all.append(worker)
                    return worker
        return self.free.get() if wait else None

    def call(self, target: str, given: tuple[str, ...], batch: pa.RecordBatch) -> pa.Array:
        """The kernel's answers for a batch, cut among all workers that are free: DuckDB gives a table of less than a
        row group (122,880 rows) to one thread, and every core should work on it all the same."""
        import pyarrow as pa

        first = self.take(wait=True)
        assert first is not None
        workers = [first]
        while len(workers) < batch.num_rows // SMALLEST_CUT and (worker := self.take(wait=False)) is not None:
            workers.append(worker)
        size = -(-batch.num_rows // len(workers))
        alive: list[Worker] = []
        try:
            for n, worker in enumerate(workers):
                worker.send(target, given, batch.slice(n * size, size))
            answers, problem = [], None
            for worker in workers:
                try:
                    answers.append(worker.receive())
                except DataError as error:
                    problem = error
                alive.append(worker)
            if problem is not None:
                raise problem
        except (EOFError, OSError):
            raise DataError("a worker process died", "it may have run out of memory: fewer --threads need less") from None
        finally:
            for worker in workers:
                # One that was left in the middle of an exchange cannot be used again.
                if worker in alive:
                    self.free.put(worker)
                else:
                    self.all.remove(worker)
                    worker.stop()
                    # Another thread may be waiting for it.
                    self.all.append(other := Worker())
                    self.free.put(other)
        return answers[0] if len(answers) == 1 else pa.concat_arrays(answers)

    def stop(self) -> None:
        if self.warming is not None:
            self.warming.join()
        for worker in self.all:
            worker.stop()
        self.all.clear()


class Kernels:
    """The kernels of one connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection, threads: int) -> None:
        self.con, self.threads = con, threads
        self.known: set[str] = set()
        self.pool: Pool | None = None
        self.problem: DataError | None = None

    def register(self) -> None:
        """Make every kernel that some expression of this process calls a function of the connection."""
        from duckdb.func import FunctionNullHandling, PythonUDFType

        for name in sorted(KERNELS.keys() - self.known):
            kernel = KERNELS[name]
            self.con.create_function(
                kernel.sql_name,
                self.function(kernel),
                list(kernel.args),
                kernel.returns,
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
            )
            self.known.add(name)

    def function(self, kernel: Kernel) -> Callable[..., Any]:
        from inspect import Parameter, Signature

        run = self.runner(kernel)
        # DuckDB counts the parameters of what it is given, and takes `*columns` for one.
        places = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(len(kernel.args))]
        run.__signature__ = Signature(places)  # type: ignore[attr-defined]
        return run

    def runner(self, kernel: Kernel) -> Callable[..., Any]:
        import pyarrow as pa

        if not kernel.processes:
            target = load(kernel.target)

            def local(*columns: Any) -> Any:
                try:
                    return target(*kernel.given, *(flat(c) for c in columns))
                except DataError as error:
                    self.problem = error
                    raise
                except MemoryError:
                    self.problem = DataError(*NO_MEMORY)
                    raise self.problem from None

            return local
        pool = self.workers()

        def remote(*columns: Any) -> Any:
            arrays = [flat(c) for c in columns]
            batch = pa.record_batch(arrays, names=[f"c{i}" for i in range(len(arrays))])
            try:
                return pool.call(kernel.target, kernel.given, batch)
            except DataError as error:
                self.problem = error
                raise
            except MemoryError:
                self.problem = DataError(*NO_MEMORY)
                raise self.problem from None

        return remote

    def workers(self) -> Pool:
        if self.pool is None:
            self.pool = Pool(max(1, self.threads))
        return self.pool

    def warm(self) -> None:
        """Have a worker ready for the kernels that will want one."""
        if any(kernel.processes for kernel in KERNELS.values()):
            self.workers().warm()

    def stop(self) -> None:
        if self.pool is not None:
            self.pool.stop()


def flat(column: Any) -> Any:
    """One array of a column that may come in chunks."""
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
