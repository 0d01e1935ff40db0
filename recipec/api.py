"""What the author of a function, operator, reader, format or step kind needs: one import.

=============  =======================  =========================================================================
decorator      what it marks            where
=============  =======================  =========================================================================
``@function``  Python that writes SQL   ``recipec/functions/<family>.py``
``@operator``  subclass of Operator     ``recipec/operators/<name>.py``
``@reader``    subclass of Reader       ``recipec/readers/<name>.py``
``@format``    subclass of Format       ``recipec/formats/<name>.py``
``@step``      subclass of Kind         ``recipec/steps/<name>.py``
``@lint``      subclass of Lint         ``recipec/lints/<name>.py``
``@provider``  subclass of Provider     ``recipec/models/<name>.py``: ``model m = openai(...)``
``@vote``      subclass of Vote         ``recipec/votes/<name>.py``: ``vote llm(...)`` in a label step
``@combiner``  subclass of Combiner     ``recipec/combiners/<name>.py``: ``combine: dawid_skene()``
``@augmenter`` subclass of Augmenter    ``recipec/augmenters/<name>.py``: ``typos(text)`` in an augment step
``@selector``  subclass of Selector     ``recipec/selectors/<name>.py``: ``by: entropy(m)`` in a select step
``@task``      subclass of Task         ``recipec/training/<name>.py``: ``task: classify(text => label)``
``@metric``    subclass of Metric       ``recipec/metrics/<name>.py``: ``metrics: [f1]``
=============  =======================  =========================================================================

Names are written ``@operator("dedupe")`` at the start of a line: the registry reads them there.
Types of columns are DuckDB's own names, as ``typeof`` prints them: ``VARCHAR``, ``BIGINT``, ``DOUBLE``, ``VARCHAR[]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from recipec.given import HIDDEN as HIDDEN
from recipec.given import KEY as KEY
from recipec.given import ORDER as ORDER
from recipec.given import PARENT as PARENT
from recipec.given import Arrows as Arrows
from recipec.given import Column as Column
from recipec.given import ColumnName as ColumnName
from recipec.given import ColumnRef as ColumnRef
from recipec.given import Expression as Expression
from recipec.given import Json as Json
from recipec.given import Made as Made
from recipec.given import ModelFacts as ModelFacts
from recipec.given import ModelRef as ModelRef
from recipec.given import PromptCall as PromptCall
from recipec.given import Schema as Schema
from recipec.given import Secret as Secret
from recipec.given import TableRef as TableRef
from recipec.given import TypeMap as TypeMap
from recipec.given import Use as Use
from recipec.given import Word as Word
from recipec.given import literal as literal
from recipec.given import quote as quote
from recipec.language import KERNELS as KERNELS
from recipec.language import REQUIRED as REQUIRED
from recipec.language import SQL as SQL
from recipec.language import Bool as Bool
from recipec.language import Float as Float
from recipec.language import Function as Function
from recipec.language import Int as Int
from recipec.language import Kernel as Kernel
from recipec.language import Parameter as Parameter
from recipec.language import Text as Text
from recipec.language import Texts as Texts
from recipec.language import find_function as find_function
from recipec.language import function as function
from recipec.record import record
from recipec.registry import Group, announce
from recipec.settings import Field as Field
from recipec.settings import Settings as Settings
from recipec.settings import model_validator as model_validator
from recipec.settings import named as named
from recipec.syntax import tree

if TYPE_CHECKING:
    import duckdb

    from recipec.mirror._base import Mirror
    from recipec.resolve.binder import StepBinder

T = TypeVar("T")
# Traits ---------------------------------------------------------------------------------------------------------------

Scope = Literal["row", "key", "global"]


@record(frozen=True)
class Traits:
    """What a step, operator or function does, as far as lints, the planner and the engines need to know.

    ``scope``: ``row`` needs one row at a time, ``key`` the rows that share a key, ``global`` the whole table.
    ``changes_rows``: adds or removes rows. ``changes_columns``: renames, retypes or leaves out columns. ``copies_rows``:
    makes several rows from one (their family must stay together).
    ``removes_duplicates``, ``fits_on_data`` (learns a number from the rows), ``reads_label``, ``random``, ``divides``
    (makes parts), ``trains``, ``external`` (sends rows outside this machine).
    """

    scope: Scope = "row"
    changes_rows: bool = False
    changes_columns: bool = False
    copies_rows: bool = False
    removes_duplicates: bool = False
    fits_on_data: bool = False
    reads_label: bool = False
    random: bool = False
    divides: bool = False
    trains: bool = False
    external: bool = False


# Readers --------------------------------------------------------------------------------------------------------------


@record(frozen=True)
class SourceFile:
    """``name`` is the path as the recipe's folder sees it, with forward slashes: it decides row keys, so it must not
    depend on where the recipe lies."""

    path: Path
    name: str


@record(frozen=True)
class ReadContext:
    """What a reader gets when it loads.

    The reader creates the temporary table or view ``table`` with its columns and, first, ``_file`` (VARCHAR, the
    ``SourceFile.name``) and ``_row`` (BIGINT, from 1, the record's place in the file: for text formats the same for
    every way of running). Rows that do not parse go, as read, into the temporary table
    ``bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)``, which exists already; the step counts them.
    ``columns`` are the declared columns (DuckDB types) or None to infer. A value that does not convert to its declared
    type makes its row bad. ``progress(done, total)`` in bytes.
    """

    con: duckdb.DuckDBPyConnection
    files: tuple[SourceFile, ...]
    columns: Mapping[str, str] | None
    encoding: str
    table: str
    bad: str
    progress: Callable[[int, int], None]
    scratch: Path
    among: tuple[SourceFile, ...] = ()
    """Where ``files`` are not all of a source's: those that columns are inferred from, which stand for all. Empty: ``files`` are all."""

    @property
    def looked_at(self) -> tuple[SourceFile, ...]:
        """The files that columns are inferred from."""
        return self.among or self.files


class Reader(ABC):
    """``csv("data/*.csv", header: true)``: where a source's rows come from.

    A subclass has ``Params`` (whose first field usually is ``path``) and a docstring that is its documentation. It is
    made with validated ``Params``.
    """

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    extensions: ClassVar[tuple[str, ...]] = ()
    by_database: ClassVar[bool] = True
    """Whether the database may have to open its files: a run lets it open these alone. There may be a million of those that only Python opens."""

    lasting: ClassVar[bool] = False
    """Whether ``header`` follows from its settings and the bytes of its files alone: a check then keeps it while these do not change."""

    columns_from: ClassVar[Literal["settings", "sample", "files"]] = "files"
    """What the columns follow from where none are declared: from the settings, whatever the files hold; from :attr:`ReadContext.looked_at`, so
    that other files can be read elsewhere with the same columns (or with such as are cast to those of ``header``); or from all files together."""

    folder: Path = Path()
    """The recipe's, set before ``places`` is asked."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def paths(self) -> Sequence[str]:
        """The paths or globs to expand against the recipe's folder; compressed files are allowed where supported."""
        path = self.params.path
        return [path] if isinstance(path, str) else list(path)

    def places(self) -> Sequence[str | Mirror]:
        """Where it reads: paths, addresses (``https://...``), or places elsewhere that are no address. What these are copied to are the
        ``files`` that ``header`` and ``load`` get."""
        return self.paths()

    @abstractmethod
    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        """Column names and DuckDB types, from at most a small sample at the start of the files (no data scan)."""

    def header_names(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> Sequence[str]:
        """The names in ``header``, where the types are declared: what only types need is left out. The same DataErrors are raised."""
        return list(self.header(con, files, encoding))

    @abstractmethod
    def load(self, ctx: ReadContext) -> None:
        """Create ``ctx.table``; see :class:`ReadContext`. Raise :class:`DataError` for what no row can be blamed for."""


class DataError(Exception):
    """Something wrong with data, on disk or on a server: ``message`` for people, ``help`` for what to do."""

    about = ""
    """The step that it is about, where that is another than the one that ran: the model that could not be reached."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message, self.help = message, help


class StepFailed(DataError):
    """A step that ran and found something wrong: failed tests, too many bad rows, duplicated keys.

    ``rows`` are offending rows to show (column to value); ``where`` an SQL that yields all of them.
    """

    def __init__(self, message: str, help: str = "", rows: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(message, help)
        self.rows = list(rows)


# Formats (exports) ----------------------------------------------------------------------------------------------------


@record(frozen=True)
class ExportPart:
    """One table to write. ``query`` yields its columns in the order to write, rows in key order; ``name`` is the split's
    part (``train``) or the step's name."""

    name: str
    query: str
    schema: Schema
    rows: int


@record(frozen=True)
class ExportContext:
    """What a format gets when it writes: everything goes into the empty folder ``folder``, which the step then moves to
    its place as a whole. ``single`` is the file name to use where the recipe names a file (``to: "a/b.jsonl"``), else
    None and parts are named ``<part><extension>``. ``card`` holds facts for a dataset card: recipe, version,
    description, license, language, authors, tags, fingerprint, sources (name, files, rows, digest), steps (name, kind,
    rows_in, rows_out, dropped), parts (name, rows); of a model also ``training`` and ``scores``. ``model`` is the folder of a
    trained model, for formats that write one; there are no parts then.
    """

    con: duckdb.DuckDBPyConnection
    folder: Path
    single: str | None
    parts: tuple[ExportPart, ...]
    shards: int
    card: Mapping[str, Json]
    progress: Callable[[int, int], None]
    model: Path | None = None
    shard: int | None = None
    """The one of the ``shards`` that is written; the parts then hold its rows alone. None: all."""


class Format(ABC):
    """``format: huggingface()``: how an export writes. Bytes depend on the rows alone, never on threads or time."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    extension: ClassVar[str] = ""
    beside: ClassVar[frozenset[str]] = frozenset()
    """Names of the files that it writes beside those of the parts: an export may replace them."""
    card: ClassVar[bool] = False
    """Whether it writes the facts of ``ExportContext.card``; they are gathered, and enter the fingerprint, only then."""
    model: ClassVar[bool] = False
    """Whether it writes a trained model, and no table."""
    together: ClassVar[bool] = False
    """Whether one file holds all parts."""
    by_file: ClassVar[bool] = False
    """Whether each file follows from the rows that stand in it, and nothing is written beside: then files can be written in many places."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def check(self, schema: Schema) -> list[tuple[str, str]]:
        """(message, help) for every reason why a table of this schema cannot be written; empty when it can."""
        return []

    @abstractmethod
    def write(self, ctx: ExportContext) -> None: ...


# Operators of a clean step --------------------------------------------------------------------------------------------


@record(frozen=True)
class Meeting:
    """Which rows an operator of wider scope must see together, so that a table can be cut between all others.

    ``by`` is SQL over the operator's input: rows for which it is equal meet, a row for which it is null meets none. ``others`` has for
    every other table that the operator reads (:class:`TableRef` as text) the SQL over it that is equal to ``by`` where its rows are
    needed. ``rows`` says whether the input's own rows need each other: where they do not, the others may be read whole in every place.
    """

    by: str
    others: Mapping[str, str] = field(default_factory=dict)
    rows: bool = True


@record(frozen=True)
class Alike:
    """Near-duplicates found by MinHash: what an operator's ``prepare`` finds, said so that it can be found in many places at once.

    ``rows`` is a SELECT over ``{input}`` of ``_key``, ``_text``, ``_own`` and ``_preferred``; ``others`` yields the same from other tables (by
    :class:`TableRef` as text), over ``{input}`` too. ``order``, ``threshold``, ``by`` and ``ngram`` are as for
    :func:`recipec.fast.minhash.near_duplicates`. What is found becomes the table ``{scratch}<out>``; with it the rewrite looks at one row at
    a time.
    """

    rows: str
    others: Mapping[str, str]
    order: str
    threshold: float
    by: Literal["auto", "words", "characters"]
    ngram: int | None
    out: str


@record(frozen=True)
class Rewrite:
    """What an operator makes of a relation, as SQL.

    ``query`` is a SELECT over the relation named by the format field ``{input}``; it yields the columns of ``schema``
    and the hidden ones ``_key``, ``_parent``, (``_order``), ``_why`` and ``_because``. A row that the operator drops
    gets ``_why = {why[0]}`` (the first of its ``reasons``, and so on) and may get ``_because`` (VARCHAR, for people);
    a row whose ``_why`` is not null already must pass through untouched and must not influence the others.
    """

    query: str
    schema: Schema
    reasons: tuple[str, ...] = ()
    prepare: Callable[[RunTools, str], None] | None = None
    """Called before the query with the name of the input relation, then a table: for what SQL cannot do. It may create
    temporary tables, whose names the query reads as ``{scratch}``."""
    meeting: Meeting | Alike | None = None
    """For an operator whose scope is not the row: which rows must meet. None: all of them, in one place."""
    scope: Scope | None = None
    """Its scope, where this call's is wider than the operator's ``traits`` say."""


@record(frozen=True)
class RunTools:
    """What running code may use: the connection, a seed, the pool, and where to say how far it is."""

    con: duckdb.DuckDBPyConnection
    scratch: str
    """Prefix for names of temporary tables."""
    progress: Callable[[float], None]
    threads: int
    folder: Path
    """A folder for temporary files, removed after the step."""
    relations: Mapping[str, str] = field(default_factory=dict)
    """Other tables that the step reads: the text of a :class:`TableRef` to the SQL name to read it by."""
    model: Callable[[ModelRef], Any] = field(default=lambda ref: None)
    """Opens a model that the step reads (:class:`recipec.models._base.Model`)."""
    lasting: Callable[[str], str] = field(default=lambda key: quote(f"m_{key}"))
    """The SQL name of a table that outlives the step, for what depends on values alone and is slow to find (measures of texts). The key
    must stand for all that decides its rows. The table may be there already; it goes when no result that asked for it is left."""
    identity: Callable[[ModelRef], str] = field(default=lambda ref: str(ref))
    """A text that is the same for two runs when a model is: what of a model belongs into the key of a lasting table."""


class Operator(ABC):
    """``dedupe(text)`` in a clean step. Made with validated ``Params`` and, where the call has a block, its statements."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    traits: ClassVar[Traits] = Traits()
    takes_body: ClassVar[bool] = False
    rewrites: ClassVar[bool | str] = False
    """Whether it gives the column that it names first other values, for ``explain``; or the argument with which it does."""

    def __init__(self, params: Any) -> None:
        self.params = params

    @abstractmethod
    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        """Type the operator on ``schema`` and lower it. Problems go to ``bind.report``."""

    def meaning(self, bind: StepBinder, call: tree.Op) -> Json:
        """What decides the result beside the parameters: a block's statements, a random salt."""
        return None


# Step kinds -----------------------------------------------------------------------------------------------------------


@record(frozen=True)
class Bound:
    """A resolved step: what a kind's ``bind`` returns.

    ``outputs`` maps part names to schemas; the key ``""`` is the step's own table (absent for kinds that make none).
    ``meaning`` is flat and JSON-able: everything that decides the result, by field, in words that ``plan`` and ``diff``
    can show ("drop: too short", "settings.epochs"). ``plan`` is what ``run`` needs, frozen. ``edges`` are further tables
    read, beside the inputs.
    """

    outputs: Mapping[str, Schema]
    meaning: Mapping[str, Json]
    plan: Any
    edges: tuple[TableRef, ...] = ()
    traits: Traits = Traits()
    files: tuple[SourceFile, ...] = ()
    """Files whose contents decide the result."""
    mirrors: tuple[Mirror, ...] = ()
    """Places elsewhere that are copied before a run; ``files`` are of the last copies."""
    fetched: bool = True
    """Whether all of them have been copied."""
    tests: tuple[Any, ...] = ()
    """The step's ``expect`` tests (:class:`recipec.resolve.chain.Test`)."""
    guards: Mapping[str, Json] = field(default_factory=dict)
    """What decides whether the run may go on, but not the rows: tests, ``max_bad``."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """For each field of ``meaning``, how the recipe writes it, where that reads better."""
    model: ModelFacts | None = None
    """What is known of the model that the step gives, where it gives one."""
    depth: int = 0
    """How many random choices lie between the sources and this result: it salts the next, so that none repeats another."""
    uses: tuple[Use, ...] = ()
    """What models read, answer and are measured by, for the lints."""
    made: tuple[Made, ...] | None = None
    """The columns that the step adds, where each of its rows comes from one of its input's and has the same values in all others."""


@record
class Outcome:
    """What running a step gave: the relation written and the counts to show. ``dropped`` is by reason, in recipe order."""

    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    extra: dict[str, Json] = field(default_factory=dict)
    failure: DataError | None = None
    """Why the rows, though made, are not accepted: a failed test, too many bad rows. They are kept to be looked at, and what
    reads them is not run."""


@record(frozen=True)
class Asking:
    """What a step asks of a model, row by row: enough to make the prompts, and to count and price them, without asking.

    ``prompt`` is rendered over the rows of the step's input; for a model that embeds, ``texts`` is the SQL of what it is given instead.
    ``count(quote, rows)`` adds what is asked for some of the rows, pairs of key and prompt (or text), to a
    :class:`recipec.models.quoting.Quote`. ``examples(look)`` gives a function from (key, text) pairs to the examples of each, for
    the template's open parameter; ``query`` is the SQL of these texts. ``look`` has ``con``, ``relation(table)`` and ``model(ref)``.
    """

    model: ModelRef
    count: Callable[[Any, Sequence[tuple[str, Any]]], None]
    name: str = ""
    """The voter's; empty for what the step asks itself."""
    prompt: PromptCall | None = None
    texts: str = ""
    examples: Callable[[Any], Callable[[Sequence[tuple[str, str]]], list[Any]]] | None = None
    query: str = "''"
    only: str = ""
    """A condition on the rows that are asked about, where not all are."""
    slow: bool = False
    """Whether finding the examples takes so long that a plan looks at some of the rows only."""
    beside: Callable[[Any], Sequence[tuple[str, str]]] | None = None
    """``beside(look)`` gives the texts that are embedded beside those of the rows: the labelled ones that rows are compared with."""


@record(frozen=True)
class Estimate:
    """What calls will cost. None is unknown, which is not 0, and ``unknown`` says why where it is the calls themselves.

    ``tokens_out`` and ``usd`` are expected, ``usd_at_most`` is a bound. ``sampled`` is the number of rows that were looked at, where not all.
    """

    name: str
    model: str
    calls: int | None = None
    in_ledger: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    usd: float | None = None
    usd_at_most: float | None = None
    unknown: str = ""
    sampled: int | None = None
    why: str = ""
    """Why the cost is not known, where the calls are."""
    near: bool = False
    """Whether the server is on this machine or its own network, where nobody is known to charge."""


class Kind(ABC):
    """A step kind. One file per kind under ``steps/``; its docstring is its documentation."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    Settings: ClassVar[type[Settings]]
    takes: ClassVar[frozenset[str]] = frozenset()
    """Statement forms beside settings: ``assign filter when expect op vote``; ``shares`` lets unknown settings through."""
    blocks: ClassVar[Mapping[str, Any]] = {}
    """Blocks of settings (``search { ... }``) that the kind reads itself: name to the class of its settings."""
    ops: ClassVar[Group] = "operator"
    """Where its operators are registered."""
    readers: ClassVar[Group] = "reader"
    """Where what stands behind its ``=`` is registered."""
    inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """Least and greatest number of inputs (None: any)."""
    models: ClassVar[bool] = False
    """Whether models can stand among the inputs too; the kind binds them itself (``StepBinder.models``)."""
    gaps: ClassVar[bool] = False
    """Whether it can be bound where the types of some columns are not known (``Schema.unsure``), to find its own mistakes."""
    reader: ClassVar[Literal["no", "required"]] = "no"
    text: ClassVar[Literal["no", "required", "optional"]] = "no"
    table: ClassVar[bool] = True
    """Whether the step makes a table that others can read."""
    model: ClassVar[bool] = False
    """Whether the step gives a model that others can use."""
    level: ClassVar[Literal["metadata", "model", "split", "labels", "rows"]] = "rows"
    """What a change of such a step touches, for ``diff``."""

    @abstractmethod
    def bind(self, bind: StepBinder) -> Bound | None:
        """Check the step and lower it; None when errors were reported and nothing can be said of its result."""

    @abstractmethod
    def run(self, plan: Any, ctx: Any) -> Outcome:
        """Make the step's table; ``ctx`` is :class:`recipec.engines.context.RunContext`."""

    def open(self, plan: Any, ctx: Any, name: str) -> Any:
        """For kinds that give a model: the model itself (:class:`recipec.models._base.Model`), to be used by a step that is
        running. ``ctx`` is that step's context, ``name`` this step's."""
        raise NotImplementedError

    @classmethod
    def stale(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        """Why what an earlier run left outside the workspace (files written) is no longer as it was; None when it is.
        ``extra`` is that run's ``Outcome.extra``."""
        return None

    @classmethod
    def gone(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        """As ``stale``, for what was left on other machines: asked by runs alone, for it opens connections. Raises DataError where the
        other machine cannot be reached."""
        return None

    def quote(self, plan: Any, opening: Any) -> Any:
        """For kinds that give a model: what counts its calls before they are made (:class:`recipec.models.quoting.Quote`), or None for
        a model of this machine. ``opening`` is a function from model settings to :class:`recipec.models._base.Opening`."""
        return None

    @classmethod
    def askings(cls, plan: Any) -> Sequence[Asking]:
        """What the step asks of models, for ``plan`` to count, ``run`` to agree on and ``show --render`` to print."""
        return ()

    @classmethod
    def sql(cls, plan: Any, table: str, inputs: Sequence[str]) -> list[str]:
        """The statements that make ``table`` from the tables ``inputs``, for ``recipec compile``; none for what is no SQL."""
        return []


# Decorators -----------------------------------------------------------------------------------------------------------

C = TypeVar("C", bound=type)


def _marker(group: Any) -> Callable[[str], Callable[[C], C]]:
    def named(name: str) -> Callable[[C], C]:
        def mark(cls: C) -> C:
            cls.name = name  # type: ignore[attr-defined]
            return announce(group, name, cls)

        return mark

    return named


step = _marker("step")
operator = _marker("operator")
reader = _marker("reader")
format = _marker("format")
lint = _marker("lint")
provider = _marker("provider")
vote = _marker("vote")
combiner = _marker("combiner")
augmenter = _marker("augmenter")
selector = _marker("selector")
task = _marker("task")
metric = _marker("metric")
