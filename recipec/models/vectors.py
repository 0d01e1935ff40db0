"""Vectors from a server, over the client's transport, limits and budget, and the file in which they are kept.

Texts go to ``/embeddings`` many at a time; each has a key of its own, made as an answer's is, so a text is paid for once whatever batch it
was in. Vectors are normalised and kept beside the answers, as numbers: ``vectors-<call>-0001.bin`` is a header of 64 bytes, which gives
the dimensions, and records of fixed size (a CRC-32 of the rest, 16 bytes of key, float32 values). As with answers, one process writes
a segment, records are synced before anything uses them, a torn record is a missing one.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from recipec.api import DataError, Json, ModelFacts
from recipec.models import wire
from recipec.models._base import Model, Opening
from recipec.models.asking import AGAIN, STOPPING, CallerError, Job, Refused, ServerRefused, explain, is_page, no_api
from recipec.models.budget import Account, Budget, BudgetExceeded, Prices, worst_case
from recipec.models.client import Caller
from recipec.models.index import KeyIndex
from recipec.models.ledger import FULL, TRIES, Ledger, LedgerError, _reserve, _sync, _sync_folder, _try_lock, _write
from recipec.models.limits import Limits
from recipec.models.pace import Pace
from recipec.models.quoting import Count, dollars
from recipec.models.requests import KEY_BYTES, Answer, Call, Failure, Keys, Message, Request, canonical
from recipec.models.transport import HttpTransport, Transport

if TYPE_CHECKING:
    import numpy as np

    from recipec.models.embedding import EmbeddingParams

    Matrix = np.ndarray[Any, Any]

PATH = "/embeddings"
MOST_INPUTS = 256
"""Texts a request; fewer once a server has refused so many."""
HEADER = 64
VERSION = 1


@dataclass(frozen=True, slots=True)
class Embedded(Answer):
    """The answer to one request: a vector of length 1 for each key, as the bytes of its float32 values."""

    vectors: tuple[tuple[bytes, bytes], ...] = ()


class Store:
    """The vectors of one model in a folder; ``name`` stands for all that decides them. Safe for one writing and one reading thread."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = Path(folder)
        self.name = name
        self.dimensions: int | None = None
        self._index = KeyIndex()
        self._known: dict[int, int] = {}
        self._file = self._locked = -1
        self._number = 0
        self._lock = Lock()
        self.refresh()

    def __len__(self) -> int:
        return len(self._index)

    def path(self, number: int, end: str = "bin") -> Path:
        return self.folder / f"vectors-{self.name}-{number:04}.{end}"

    def has(self, key: bytes) -> bool:
        return self._index.find(key) is not None

    def refresh(self) -> None:
        """See what other processes have added since."""
        with self._lock:
            for path in sorted(self.folder.glob(f"vectors-{self.name}-[0-9][0-9][0-9][0-9].bin")):
                number = int(path.stem[-4:])
                if number != self._number:
                    self._scan(path, number)

    def _scan(self, path: Path, number: int) -> None:
        import numpy as np

        size = path.stat().st_size
        if size < HEADER:
            return
        with path.open("rb") as file:
            self._check(path, file.read(HEADER))
            known = self._known.get(number, 0)
            record = self.record
            while count := min((size - HEADER) // record - known, max(1, (8 << 20) // record)):
                file.seek(HEADER + known * record)
                data = file.read(count * record)
                count = len(data) // record
                if not count:
                    return
                rows = np.frombuffer(data, np.uint8, count * record).reshape(count, record)
                view = memoryview(data)
                summed = np.fromiter((zlib.crc32(view[i * record + 4 : (i + 1) * record]) for i in range(count)), np.uint32, count)
                sound = np.ascontiguousarray(rows[:, :4]).view("<u4").ravel() == summed
                places = (np.arange(count, dtype=np.int64) + known) * record + HEADER
                self._index.add_many(np.ascontiguousarray(rows[sound, 4 : 4 + KEY_BYTES]), number, places[sound])
                known += count
                self._known[number] = known

    @property
    def record(self) -> int:
        assert self.dimensions is not None
        return 4 + KEY_BYTES + 4 * self.dimensions

    def _check(self, path: Path, header: bytes) -> None:
        try:
            about = json.loads(header)
        except (ValueError, RecursionError):
            about = None
        if not isinstance(about, dict) or about.get("format") != "recipec vectors":
            raise LedgerError(f"{path} holds no vectors that this recipec reads: its header is another. Move it away")
        if about.get("version") != VERSION or not isinstance(about.get("dimensions"), int) or about["dimensions"] < 1:
            raise LedgerError(
                f"{path} has version {about.get('version')}; this recipec writes and reads version {VERSION}: run the recipec that wrote it, "
                "or move the file away (its vectors are then made again)"
            )
        self._agree(about["dimensions"])

    def _agree(self, dimensions: int) -> None:
        if self.dimensions not in (None, dimensions):
            raise LedgerError(
                f"the model gives vectors of {dimensions} numbers, and earlier ones have {self.dimensions}: is it another one now?"
            )
        self.dimensions = dimensions

    def append(self, answers: Sequence[tuple[bytes, Answer]]) -> None:
        """What came in answers; see :meth:`add`."""
        self.add([vector for _, answer in answers if isinstance(answer, Embedded) for vector in answer.vectors])

    def add(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Write vectors, as (key, float32 values), and sync them. Raises :class:`LedgerError` where the disk refuses; then none is kept."""
        records: list[bytes] = []
        keys: list[bytes] = []
        for key, values in vectors:
            self._agree(len(values) // 4)
            records.append(zlib.crc32(key + values).to_bytes(4, "little") + key + values)
            keys.append(key)
        if not records:
            return
        with self._lock:
            if self._file < 0:
                self._take()
            size = self._written(b"".join(records))
            self._index.add(keys, self._number, [size + n * self.record for n in range(len(keys))])

    def _written(self, data: bytes) -> int:
        """Where the data begins, once it is on the disk. An error may be of the moment, and a full disk gets the reserve back."""
        for attempt in range(TRIES):
            size = os.fstat(self._file).st_size
            try:
                # Of what could not be cut off before, nothing may stand in the way of whole records.
                if torn := (size - HEADER) % self.record:
                    size -= torn
                    os.ftruncate(self._file, size)
                _write(self._file, data)
                _sync(self._file)
                return size
            except OSError as error:
                problem = error
                with suppress(OSError):
                    os.ftruncate(self._file, size)
                if error.errno in FULL and not attempt:
                    os.ftruncate(self._locked, 0)
        raise LedgerError(f"cannot write to {self.path(self._number)}: {problem.strerror or problem}") from problem

    def append_failure(self, key: bytes, failure: Failure) -> None:
        """Nothing is kept of a failure: every text has a vector, or the step fails and says why."""

    def ready(self) -> None:
        """As that of :class:`Ledger`: before anything is paid for."""
        with self._lock:
            try:
                self._claim()
            except OSError as error:
                raise LedgerError(f"cannot write to the ledger {self.folder}: {error.strerror or error}") from error

    def _claim(self) -> None:
        """The lock of a segment."""
        if self._locked >= 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            lock = os.open(self.path(number, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
            if _try_lock(lock):
                break
            os.close(lock)
        self._number, self._locked = number, lock
        if (path := self.path(number)).exists():
            self._scan(path, number)
        _reserve(lock)

    def _take(self) -> None:
        """A segment of this process's own."""
        try:
            self._claim()
            number = self._number
            path = self.path(number)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            size = os.fstat(self._file).st_size
            if size < HEADER:
                os.ftruncate(self._file, 0)
                about = json.dumps({"format": "recipec vectors", "version": VERSION, "dimensions": self.dimensions}, separators=(",", ":"))
                _write(self._file, about.encode().ljust(HEADER - 1) + b"\n")
                _sync_folder(self.folder)
            elif torn := (size - HEADER) % self.record:
                os.ftruncate(self._file, size - torn)
        except OSError as error:
            raise LedgerError(f"cannot write to the ledger {self.folder}: {error.strerror or error}") from error

    def get(self, keys: Sequence[bytes]) -> Matrix:
        """The vectors of keys that are all there: float32 [n, d]."""
        import numpy as np

        width = 0 if self.dimensions is None else 4 * self.dimensions
        out = bytearray(len(keys) * width)
        files: dict[int, int] = {}
        try:
            for row, key in enumerate(keys):
                place = self._index.find(key)
                assert place is not None
                number, offset = place
                if number not in files:
                    files[number] = os.open(self.path(number), os.O_RDONLY)
                values = os.pread(files[number], width, offset + 4 + KEY_BYTES)
                out[row * width : (row + 1) * width] = values
        finally:
            for file in files.values():
                os.close(file)
        return np.frombuffer(out, np.float32).reshape(len(keys), width // 4)

    def close(self) -> None:
        with self._lock:
            for descriptor in (self._file, self._locked):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._locked = -1
            self._number = 0


class Asker:
    """Asks for the vectors of one batch."""

    alone = False

    def __init__(self, call: Call, transport: Transport, keys: Keys, hide: Callable[[str], str]) -> None:
        self.call, self.transport, self.keys, self.hide = call, transport, keys, hide
        self.answered = False

    async def ask(self, job: Job) -> Answer:
        texts = [m.content for m in job.request.messages or ()]
        vectors, tokens = await self.vectors(texts)
        named = tuple((self.keys(Request("", prompt=t)), v) for t, v in zip(texts, vectors, strict=True))
        return Embedded("", "stop", tokens, 0, None, self.call.model, job.key.hex(), vectors=named)

    async def vectors(self, texts: Sequence[str]) -> tuple[list[bytes], int | None]:
        """The vectors of some texts, and how many tokens they were. A batch that is too large is halved."""
        body = wire.encode({**self.call.params, "model": self.call.model, "input": list(texts)})
        reply = await self.transport.post(PATH, body)
        if reply.status == 200:
            if not self.answered and is_page(reply):
                raise no_api(self.call, PATH)
            made = read(reply.body, len(texts))
            self.answered = True
            return made
        if reply.status in STOPPING:
            raise ServerRefused(self.hide(explain(reply.status, reply, self.call, path=PATH)))
        if reply.status < 500 and reply.status not in AGAIN and len(texts) > 1:
            half = len(texts) // 2
            (first, some), (second, more) = await self.vectors(texts[:half]), await self.vectors(texts[half:])
            return first + second, None if some is None or more is None else some + more
        raise Refused(reply)


def read(body: bytes, count: int) -> tuple[list[bytes], int | None]:
    """The vectors of a reply, normalised, in the order of the texts. Raises :class:`~recipec.models.wire.BadReply`."""
    import numpy as np

    try:
        made = json.loads(body)
    except ValueError as error:
        raise wire.BadReply(f"the answer is not JSON ({error}): {wire.excerpt(body)}") from None
    listed = made.get("data") if isinstance(made, dict) else None
    if not isinstance(listed, list) or len(listed) != count or not all(isinstance(d, dict) for d in listed):
        raise wire.BadReply(f"{count} vectors were asked for, and the answer has not as many: {wire.excerpt(body)}")
    ordered: list[Any] = [None] * count
    for place, item in enumerate(listed):
        index = item.get("index", place)
        if not isinstance(index, int) or not 0 <= index < count:
            raise wire.BadReply(f"the answer numbers its vectors wrongly: {index!r}")
        ordered[index] = item.get("embedding")
    try:
        values = np.array(ordered, np.float64)
    except (TypeError, ValueError):
        raise wire.BadReply(f"the answer's vectors are no lists of numbers: {wire.excerpt(body)}") from None
    norms = np.linalg.norm(values, axis=1) if values.ndim == 2 and values.shape[1] else np.zeros(1)
    if not np.isfinite(norms).all() or not (norms > 0).all():
        raise wire.BadReply("a vector of the answer is empty, zero or not finite")
    units = (values / norms[:, None]).astype("<f4")
    tokens_in, _ = wire.usage({"usage": {"completion_tokens": 0, **(made.get("usage") or {})}})
    return [row.tobytes() for row in units], tokens_in


class Embedder(Caller):
    """A caller whose requests are batches of texts, each a message, and whose answers are vectors."""

    def _known(self, key: bytes) -> Answer | Failure | None:
        return None  # Texts that are known are not in a batch.

    def worst(self, request: Request) -> tuple[int, int]:
        return worst_case(request.size, request.turns, 0, None)

    def _asker(self) -> tuple[Any, Transport]:
        transport = HttpTransport(self.call.url, self._headers) if self._make_transport is None else self._make_transport()
        return Asker(self.call, transport, self._keys, self.hide), transport


class VectorQuote(Count):
    """Texts for a served embedding, counted. A call is a text here."""

    def __init__(self, name: str, call: Call, ledger: Store, prices: Prices, budget: float | None) -> None:
        super().__init__(call, name, prices, budget)
        self.ledger, self.prefix, self.keys = ledger, "", Keys(call)

    def add(self, requests: Iterable[Request]) -> None:
        for request in requests:
            prompt = self.prefix + (request.prompt or "")
            key = self.keys(Request("", prompt=prompt))
            if self.ledger.has(key):
                self.in_ledger += 1
            else:
                self.add_new(key, len(prompt.encode()) + 1, 0)


def name_of(call: Call) -> str:
    """What stands for a server and its model in the name of a file."""
    return blake2b(canonical(call.about()), digest_size=8).hexdigest()


def call_of(name: str, params: EmbeddingParams, url: str) -> Call:
    try:
        return Call("embedding", url, params.path, {})
    except ValueError as error:
        raise DataError(f"`{name}`: {error}") from None


def prices_of(opening: Opening) -> Prices:
    """Nothing is generated, so what tokens out cost need not be said."""
    given = opening.settings
    return Prices(given.price_in, 0.0 if given.price_out is None else given.price_out)


def quote(params: EmbeddingParams, opening: Opening, url: str) -> VectorQuote:
    call = call_of(opening.name, params, url)
    made = VectorQuote(opening.name, call, Store(opening.ledger, name_of(call)), prices_of(opening), opening.settings.budget_usd)
    made.prefix = params.prefix
    return made


class ServedEmbedding(Model):
    """Vectors from a server with the OpenAI protocol."""

    def __init__(self, params: EmbeddingParams, opening: Opening, facts: ModelFacts, url: str, key: str | None) -> None:
        given = opening.settings
        self.name, self.params, self.facts, self.opening = opening.name, params, facts, opening
        self.url, self.key = url, key
        self.call = call_of(opening.name, params, url)
        limits: dict[str, Any] = {"timeout": given.timeout, "retries": given.retries}
        limits |= {"requests_per_minute": given.requests_per_minute, "tokens_per_minute": given.tokens_per_minute}
        if given.concurrency is not None:
            limits |= {"concurrency": given.concurrency, "start": min(8, given.concurrency)}
        self.limits = Limits(**limits)
        self.account = Account(Budget(given.budget_usd, given.budget_tokens), prices_of(opening))
        self.counts = {"calls": 0, "reused": 0, "failed": 0}
        self.told: dict[str, str] = {}
        self.pace = Pace()
        self.keys = Keys(self.call)
        try:
            self.store = Store(opening.ledger, name_of(self.call))
        except LedgerError as error:
            raise self.wrong(error) from None

    def wrong(self, error: Exception) -> DataError:
        made = DataError(f"`{self.name}`: {error}", "the vectors that came are kept; run again to go on")
        made.about = self.name
        return made

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Matrix:
        """One vector of length 1 a text: float32 [n, d]. DataError where one is not to be had."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.store.dimensions or 0), np.float32)
        keys = {t: self.keys(Request("", prompt=self.params.prefix + t)) for t in dict.fromkeys(texts)}
        missing = [self.params.prefix + t for t, key in keys.items() if not self.store.has(key)]
        self.counts["reused"] += len(keys) - len(missing)
        if missing:
            self.tell(missing)
            self.ask(missing, len(keys) - len(missing), progress)
        return self.store.get([keys[t] for t in texts])

    def tell(self, texts: Sequence[str]) -> None:
        """People hear of these calls before they are made, unless the step that wants them has told already."""
        if self.agree is not None and len(texts) > self.allowed:
            quote = self.quote()
            quote.prefix = ""
            quote.add(Request("", prompt=text) for text in texts)
            self.agree(quote.estimate(""))
        self.allowed = max(0, self.allowed - len(texts))

    def ask(self, texts: Sequence[str], done: int, progress: Callable[[int], None]) -> None:
        failed: list[Failure] = []
        try:
            caller = Embedder(self.call, cast("Ledger", self.store), self.limits, self.account, api_key=self.key)
            try:
                for _, outcome in caller.answers(self.batches(texts)):
                    if isinstance(outcome, Embedded):
                        self.counts["calls"] += len(outcome.vectors)
                        self.pace.one(len(outcome.vectors))
                        done += len(outcome.vectors)
                        progress(done)
                    elif isinstance(outcome, Failure):
                        failed.append(outcome)
            finally:
                self.told.update({code: caller.hide(n.message) for code, n in caller.notices.items()})
        except (BudgetExceeded, CallerError, LedgerError, ValueError) as error:
            raise self.wrong(error) from None
        if failed:
            self.counts["failed"] += len(failed)
            raise self.wrong(CallerError(f"{len(failed):,} requests got no vectors: {failed[0].kind}: {failed[0].message}"))

    def batches(self, texts: Sequence[str]) -> Iterator[Request]:
        """Requests of at most :data:`MOST_INPUTS` texts and about ``batch_tokens`` tokens."""
        batch: list[Message] = []
        size = 0
        for text in texts:
            tokens = len(text.encode()) // 3 + 1
            if batch and (len(batch) >= MOST_INPUTS or size + tokens > self.params.batch_tokens):
                yield Request("", messages=tuple(batch))
                batch, size = [], 0
            batch.append(Message("input", text))
            size += tokens
        if batch:
            yield Request("", messages=tuple(batch))

    def spent(self) -> Mapping[str, Json]:
        return {**self.counts, "tokens_in": self.account.tokens_in, "tokens_out": 0, "usd": self.account.usd}

    def telling(self) -> str:
        usd, budget = self.account.usd, self.account.budget.usd
        money = [dollars(usd) + (f" of {dollars(budget)}" if budget is not None else "")] if usd is not None else []
        pace = self.pace.per_second()
        return "  ".join([*money, *([f"{pace:,.0f} texts/s"] if pace is not None else [])])

    def quote(self) -> VectorQuote:
        made = VectorQuote(self.name, self.call, self.store, prices_of(self.opening), self.opening.settings.budget_usd)
        made.prefix = self.params.prefix
        return made

    def notices(self) -> Sequence[str]:
        return list(self.told.values())

    def close(self) -> None:
        self.store.close()


__all__ = ["Embedded", "ServedEmbedding", "Store", "VectorQuote", "quote"]
