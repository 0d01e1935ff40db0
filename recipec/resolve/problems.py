"""The findings of the resolver: one class a kind of mistake. Each docstring is the page `recipec explain` prints."""

from __future__ import annotations

from recipec.diagnostics import Diagnostic, UnknownName
from recipec.record import record


class UnknownColumn(UnknownName):
    """A column that the table does not have.

    Every step knows its columns before anything runs: those of its input, in the order in which the statements change
    them. A name that is neither a column there nor a parameter is an error, because a filter on a misspelt column would
    otherwise keep or drop everything without a word (seen in Dolma).

    Bad: ``keep where descripton matches r/game/``. Good: ``keep where description matches r/game/``.
    """

    name = "unknown-column"
    code = "E201"


class UnknownKind(UnknownName):
    """A step kind that does not exist: the first word of a step.

    Bad: ``cleen tidy from raw {}``. Good: ``clean tidy from raw {}``. ``recipec docs`` lists the kinds.
    """

    name = "unknown-kind"
    code = "E202"


class UnknownStep(UnknownName):
    """A step, part, model or import that the recipe does not define.

    Steps may be used before they are written: their order in the file is for the reader.

    Bad: ``clean tidy from raww {}``. Good: ``clean tidy from raw {}``.
    """

    name = "unknown-step"
    code = "E203"


class UnknownFunction(UnknownName):
    """A function that is neither recipec's, nor DuckDB's, nor a ``def`` of the recipe.

    Bad: ``keep where lenght(text) > 3``. Good: ``keep where length(text) > 3``. ``recipec docs`` lists recipec's own.

    A function of your own, ``"module:function"`` in ``vote plugin(...)`` or a ``python`` step, is looked for in its file, which is read
    and not run.
    """

    name = "unknown-function"
    code = "E204"


class UnknownTemplate(UnknownName):
    """A template that the recipe does not define, where one is wanted.

    Bad: ``vote llm(lm, aks(text))``. Good: ``vote llm(lm, ask(text))``, with ``template ask(text) \"\"\"...\"\"\"`` in the recipe or an import.
    """

    name = "unknown-template"
    code = "E238"


class UnknownSetting(UnknownName):
    """A setting or argument that the step, operator or reader does not take.

    Bad: ``csv("a.csv", headers: true)``. Good: ``csv("a.csv", header: true)``.
    """

    name = "unknown-setting"
    code = "E206"


class UnknownOperator(UnknownName):
    """An operator, reader, format or choice that does not exist where it stands.

    Bad: ``dedup(text)``. Good: ``dedupe(text)``.
    """

    name = "unknown-operator"
    code = "E207"


class DuplicateName(Diagnostic):
    """Two things of one name. Steps, parameters, defs, templates and imports share one space of names.

    Bad: two steps ``clean tidy``. Good: name the second ``tidier``.
    """

    name = "duplicate-name"
    code = "E208"


class Cycle(Diagnostic):
    """Steps, imports or macros that need each other in a circle, so that none can be first.

    Bad: ``clean a from b {}  clean b from a {}``. Good: ``clean a from raw {}  clean b from a {}``.
    """

    name = "cycle"
    code = "E209"


class MissingFile(Diagnostic):
    """A file that is not there, or a glob that matches nothing. Paths are relative to the recipe's own folder.

    Bad: ``csv("dat/train.csv")`` where the folder is ``data``. Good: ``csv("data/train.csv")``.
    """

    name = "missing-file"
    code = "E210"


class BadValue(Diagnostic):
    """A setting or argument whose value cannot be right: of the wrong type, outside its range, or none of the choices.

    Ranges are checked before anything runs: a share of 7, or a least above a greatest, would keep nothing and still end
    well (seen in Data-Juicer).

    Bad: ``sample(120%)``. Good: ``sample(12%)``.
    """

    name = "bad-value"
    code = "E211"


class MissingSetting(Diagnostic):
    """A setting or argument that must be given.

    Bad: ``export out from tidy {}``. Good: ``export out from tidy { to: "build/out"  format: parquet() }``.
    """

    name = "missing-setting"
    code = "E212"


class WrongType(Diagnostic):
    """An expression of a type that cannot stand there, as DuckDB's binder finds on the empty table.

    Bad: ``keep where words(text)``, a number where a condition is needed. Good: ``keep where words(text) >= 5``.
    """

    name = "wrong-type"
    code = "E213"


class BadRegex(Diagnostic):
    """A regular expression that RE2 refuses. RE2 has no look-around and no back-references, so that every match takes
    linear time.

    Bad: ``text matches r/(/``. Good: ``text matches r/\\(/``.
    """

    name = "bad-regex"
    code = "E214"


class WrongForm(Diagnostic):
    """A statement, input, reader or block where the step kind takes none, or one that is missing.

    Bad: ``source a { key: id }``. Good: ``source a = csv("a.csv") { key: id }``.
    """

    name = "wrong-form"
    code = "E215"


class WrongArguments(Diagnostic):
    """Too many arguments, one given twice, or one by position after one by name.

    Bad: ``limit(3, 4)``. Good: ``limit(3)``.
    """

    name = "wrong-arguments"
    code = "E216"


class NotConstant(Diagnostic):
    """A value that must be known before anything runs, but depends on a row.

    Bad: ``sample(words(text))``. Good: ``sample(10%)`` or a ``param``.
    """

    name = "not-constant"
    code = "E217"


class AmbiguousName(Diagnostic):
    """A name that is both a column and a parameter. Backticks always mean the column.

    Bad: ``param limit = 3`` and a column ``limit`` in ``keep where n < limit``. Good: ``param most = 3`` and ``keep where n < most``.
    """

    name = "ambiguous-name"
    code = "E218"


class NotReproducible(Diagnostic):
    """A function whose answer changes from run to run (time, fresh identifiers), or that looks outside the data.

    A recipe builds the same bytes again. ``random()`` is seeded by recipec from the recipe's seed and the row's key.

    Bad: ``built = now()``. Good: ``param built: date`` and ``--set built=2026-01-31``.
    """

    name = "not-reproducible"
    code = "E219"


class PercentSum(Diagnostic):
    """Shares that sum to more than everything, or a share outside 0 % to 100 %.

    Bad: ``split s from t { train: 80%  test: 30% }``. Good: ``train: 80%  test: 20%``.
    """

    name = "percent-sum"
    code = "E220"


class BadParam(Diagnostic):
    """A parameter without a value, or whose value does not fit its type; or ``--set`` for one that does not exist.

    Bad: ``param min_words: int = "five"``. Good: ``param min_words: int = 5`` and ``recipec run --set min_words=8``.
    """

    name = "bad-param"
    code = "E221"


class TooLarge(Diagnostic):
    """A recipe that expands beyond its bounds: macros in macros, imports in imports, rounds without end.

    Bounds: 32 imports deep, 200 files, 20,000 nodes in one expanded expression, 1,000 rounds, 10,000 steps.

    Bad: ``def f(x) = g(x) + g(x)`` over a ``g`` of the same kind, fifteen deep. Good: a column for what each of them gives.
    """

    name = "too-large"
    code = "E222"


class Unreadable(Diagnostic):
    """A file that is there but cannot be read as what the recipe says it is.

    Bad: ``csv("table.parquet")``, whose bytes are no text. Good: ``parquet("table.parquet")``.
    """

    name = "unreadable"
    code = "E223"


class BadSQL(Diagnostic):
    """SQL of a ``sql`` step that DuckDB refuses: the message is DuckDB's own, the place is ours.

    Bad: ``sql a from rows \"\"\" selct * from rows \"\"\"``. Good: ``sql a from rows \"\"\" select * from rows \"\"\"``.
    """

    name = "bad-sql"
    code = "E224"


@record(kw_only=True, frozen=True)
class BinderRefused(Diagnostic):
    """Something that DuckDB's binder refuses and no other rule describes. The message is DuckDB's own.

    Bad: ``n = text - 1``. Good: ``n = length(text) - 1``.
    """

    name = "binder"
    code = "E225"


class ReservedColumn(Diagnostic):
    """A column name that recipec keeps for itself: ``_key``, ``_parent`` and other names used for bookkeeping.

    Bad: ``_key = id``. Good: ``key: id`` in the source.
    """

    name = "reserved-column"
    code = "E226"


class OutsideFolder(Diagnostic):
    """An import outside the folder of the recipe (or of the git repository that it lies in), or a file that is written as one inside and
    leads out of it by a symbolic link.

    Bad: ``import "../../other/common.recipe" as common``. Good: ``import "common.recipe" as common``, with the file copied beside the recipe.
    A source may lie anywhere where its path says so: ``csv("/mnt/big/rows.csv")``, not a link in the folder that leads there.
    """

    name = "outside-folder"
    code = "E227"
