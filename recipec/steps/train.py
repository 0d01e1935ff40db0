"""``train``: fine-tunes a model on tables of this recipe."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from recipec.api import (
    Bound,
    DataError,
    ExportPart,
    Expression,
    Field,
    Json,
    Kind,
    ModelFacts,
    ModelRef,
    Outcome,
    Schema,
    Settings,
    SourceFile,
    TableRef,
    Traits,
    Use,
    Word,
    step,
)
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import meaning_of, one_line
from recipec.resolve.problems import BadValue, MissingFile, WrongArguments, WrongType
from recipec.source import Span
from recipec.syntax import tree
from recipec.training._base import (
    ADAPTERS,
    BASES,
    DECODERS,
    STOPS,
    Defaults,
    Folder,
    FullParams,
    Hub,
    Task,
    TaskBound,
    TrainSpec,
    misshapen,
)
from recipec.training._search import Search, SearchSettings, bind_search

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.training._trials import Several
    from recipec.training.here import TrainJob

TASKS = Choices(group="task", what="task")
DOES = {
    "classify": frozenset({"classify"}),
    "tag": frozenset({"tag"}),
    "generate": frozenset({"complete", "score"}),
    "prefer": frozenset({"complete", "score"}),
    "embed": frozenset({"embed"}),
    "regress": frozenset({"regress"}),
}


class TrainSettings(Settings):
    task: Annotated[Inner, TASKS]
    base: Annotated[str | Inner | ModelRef, BASES]
    revision: str | None = None
    adapter: Annotated[Inner | None, ADAPTERS] = None
    classes: list[Word] | None = None
    validation: TableRef | None = None
    epochs: float | None = Field(None, gt=0)
    steps: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(0.1, ge=0)
    batch_size: int | None = Field(None, ge=1)
    batch_tokens: int | None = Field(None, ge=1)
    accumulate: int = Field(1, ge=1)
    max_length: int | None = Field(None, ge=2)
    long: Literal["truncate", "drop"] | None = None
    weight_decay: float = Field(0.01, ge=0)
    max_norm: float = Field(1.0, ge=0)
    dropout: float | None = Field(None, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    class_weights: Literal["none", "balanced"] | dict[str, float] = "none"
    loss_on: Literal["assistant", "completion", "all"] = "assistant"
    template: str | None = None
    beta: float = Field(0.1, gt=0)
    stop: Annotated[Inner | None, STOPS] = None
    evaluate_every: int | None = Field(None, ge=1)
    checkpoint_every: int | None = Field(None, ge=1)
    packing: bool = False
    group_by_length: bool = True
    ensemble: int = Field(1, ge=1, le=100)
    devices: int | Literal["auto"] = 1
    seed: int | None = None
    track: Literal["none", "tensorboard", "wandb", "mlflow"] = "none"
    description: str = ""


PLAIN = tuple(
    f.name for f in fields(TrainSpec)
    if f.name in TrainSettings.model_fields and f.name not in ("task", "base", "adapter", "classes", "stop", "seed", "class_weights")
)  # fmt: skip
"""Settings that the training takes as they are."""
ENSEMBLES = ("classify", "tag", "regress")
"""Tasks whose models can be asked together, the mean of their answers being the answer."""
SILENT = ("track", "checkpoint_every", "description")
"""Settings that change no weight."""


@dataclass(frozen=True)
class Table:
    """A table to train on or to validate on: what the task reads of it, by role."""

    ref: TableRef
    roles: Mapping[str, Expression]


@dataclass(frozen=True)
class TrainPlan:
    spec: TrainSpec
    tables: tuple[Table, ...]
    validation: Table | None
    base: ModelRef | None
    """The step that the training goes on from, where the base is one."""
    column: str | None
    """The column of the model's input, where the recipe names it."""
    search: Search | None = None
    members: int = 1
    """How many trainings the model is an ensemble of."""


@step("train")
class Train(Kind):
    """Fine-tunes a model; its result stands wherever a model can.

    ```recipe
    train clf from final.train {
      task: classify(description => topic)
      base: "models/minilm"
      adapter: lora(rank: 8)
      epochs: 3
      validation: final.validation
      stop: early(patience: 2, on: f1)
    }
    ```

    ``task`` says what is taught: ``classify(text => label)``, ``tag(tokens => tags)``, ``generate(messages)`` or ``generate(prompt =>
    answer)``, and others: ``recipec docs`` lists them. ``base`` is a local folder, a name on the hub (with ``revision``), another ``train``
    step, or ``scratch(layers: 2, width: 128)``, a small transformer made on the spot. Several inputs are trained on together.

    ``adapter`` is ``full()`` (all weights), ``lora(rank: 8)``, ``dora()``, ``prefix()``, ``prompt()`` or ``frozen()`` (only the new head). The
    run says how many weights are trained. With ``validation`` the model is scored after every epoch; ``stop: early(...)`` keeps the best.

    Rows that cannot be trained on, or are cut to ``max_length`` tokens, are counted by reason. What would make a training worthless stops it
    before the first step: a class that no row has, an answer without trained tokens, a base without a chat template, validation rows that
    are trained on too.

    What is not given depends on the task, and for ``scratch`` is what stands after the slash:

    | task | ``learning_rate`` | ``epochs`` | ``batch_size`` | ``max_length`` | ``long`` |
    |---|---|---|---|---|---|
    | ``classify`` | 3e-4 / 1e-3 | 4 / 10 | 16 | 256 | truncate |
    | ``tag``, ``regress`` | 1e-4 / 1e-3 | 3 / 10 | 16 | 256 | truncate |
    | ``embed`` | 5e-5 / 1e-3 | 1 / 10 | 32 | 256 | truncate |
    | ``generate`` | 2e-5 / 1e-3 | 3 / 10 | 8 | 1024 | drop |
    | ``prefer`` | 1e-6 / 1e-3 | 1 / 3 | 8 | 1024 | drop |

    The learning rate of ``classify`` is 5e-5 where the base's layers are wider than 512; with ``lora`` and ``dora`` every task's is at least
    5e-4, with ``frozen`` 1e-3, with ``prefix`` and ``prompt`` 1e-2. ``max_length`` is never more than the base takes; of ``scratch`` that is
    its own ``max_length``. ``epochs`` has no default where ``steps`` is given. ``dropout`` is the base's own: most bases that read have 0.1,
    ``scratch`` too; what ``scratch`` makes for ``generate`` and ``prefer`` has none. ``seed`` is the recipe's.

    ``search`` tries every combination of the values that it lists, or ``trials`` of them, drawn by the seed. The one with the best ``on``
    (``f1`` where the task has it, else the loss) on the validation rows is the model; the others are shown with their scores, and are known to
    the next search on the same rows. ``ensemble: 3`` trains with three seeds, and answers with the mean of their probabilities.

    ```recipe
    train clf from final.train {
      task: classify(description => topic)
      base: "models/minilm"
      validation: final.validation
      search { learning_rate: [1e-4, 4e-4]  batch_size: [16, 64]  trials: 3 }
      ensemble: 3
    }
    ```

    ``track`` sends losses and scores to ``tensorboard`` (files in the workspace's folder ``logs``), ``wandb`` or ``mlflow``, whose packages must be
    installed and whose own environment variables say where. ``group_by_length: false`` puts rows into
    batches whatever their length.

    ``devices: 2`` trains on two GPUs, ``auto`` on all that the machine has; ``run`` starts a process for each, and there is nothing to launch or to
    configure. A machine without GPUs uses so many processes on its processor. A batch stays the batch: its rows are shared out, and every
    step learns from the same rows as on one device, whatever the task. A GPU more is there for the time, and the numbers are not quite the
    same: what ``dropout`` leaves out is drawn by each process for itself, and most bases have dropout unless ``dropout: 0`` is written; with
    that the weights of 1 and of 2 devices still differ where floating-point sums are rounded. A checkpoint goes on with the number that it
    was made with. Where a process dies, all end.

    Ctrl-C writes a checkpoint, and the next run goes on from it to the same weights. The same rows, settings, versions, number of
    cores and devices give the same weights; a training whose inputs and settings are unchanged is not run again. ``--threads`` bounds the cores that
    a training keeps busy (on Linux), and changes no weight. Needs ``pip install 'recipec[train]'``.
    """

    Settings = TrainSettings
    level = "model"
    inputs = (1, None)
    table = False
    model = True
    takes = frozenset()
    blocks: ClassVar[Mapping[str, Any]] = {"search": SearchSettings}

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: TrainSettings | None = bind.settings()
        if settings is None:
            return None
        before = len(bind.findings.errors)
        node = self.written(bind, "task")
        task: Task = settings.task.cls()
        tables = [t for ref in bind.inputs if (t := self.table_of(bind, task, settings.task.params, ref, node.span)) is not None]
        validation = None
        if settings.validation is not None:
            validation = self.table_of(bind, task, settings.task.params, settings.validation, self.written(bind, "validation").span)
        base, files = self.base(bind, settings)
        if len(bind.findings.errors) > before or len(tables) < len(bind.inputs) or base is None:
            return None
        self.check(bind, settings, task)
        spec = self.spec(bind, settings, tables[0][1], base)
        meaning = self.meaning(settings, tables, validation, spec)
        search = self.search(bind, settings, task, spec.seed)
        if search is not None:
            meaning["search"] = search[1]
        if len(bind.findings.errors) > before:
            return None
        given = next(iter(tables[0][0].roles.values()), None)
        column = next(iter(given.columns)) if given is not None and len(given.columns) == 1 else None
        answer = tables[0][0].roles.get("label") or tables[0][0].roles.get("tags")
        answers = next(iter(answer.columns)) if answer is not None and len(answer.columns) == 1 else None
        external = isinstance(base, Hub)
        facts = ModelFacts(
            provider="train", name=bind.name, does=DOES.get(settings.task.name, frozenset()), pinned=not external or base.revision is not None,
            priced=True, classes=tuple(str(c) for c in settings.classes) if settings.classes else None, reads=(column,) if column else (),
            answers=answers, task=settings.task.name,
        )  # fmt: skip
        return bind.bound(
            outputs={},
            meaning=meaning,
            shown={f"settings.{s.key.id}": one_line(s.value.span) for s in bind.statements(tree.Setting)}
            | ({"search": one_line(bind.statements(tree.Op)[0].span)} if search is not None else {}),
            plan=TrainPlan(
                spec, tuple(t for t, _ in tables), validation[0] if validation is not None else None,
                settings.base if isinstance(settings.base, ModelRef) else None, column, search[0] if search is not None else None,
                settings.ensemble,
            ),
            files=files,
            traits=Traits(scope="global", fits_on_data=True, reads_label=True, trains=True),
            model=facts,
            uses=self.uses(settings, tables, task.defaults(spec), spec, chooses=settings.stop is not None or search is not None),
        )  # fmt: skip

    @staticmethod
    def uses(
        settings: TrainSettings, tables: Sequence[tuple[Table, TaskBound]], usual: Defaults, spec: TrainSpec, *, chooses: bool
    ) -> tuple[Use, ...]:
        """What is read, and the answers that are taught; where two texts are made alike, neither is the other's answer."""
        limit = (spec.max_length or usual.max_length) if (spec.long or usual.long) == "truncate" else None
        taught = "embed" not in DOES.get(spec.task, ())
        found: list[Use] = []
        for table, bound in tables:
            for number, (name, e) in enumerate(table.roles.items()):
                if taught and number and e.columns <= bound.label:
                    found += [Use("answers", table.ref, e)] if name not in ("confidence", "probabilities") else []
                elif e.type.startswith(("VARCHAR", "STRUCT")):
                    found.append(Use("reads", table.ref, e, limit=limit))
        if chooses and settings.validation is not None:
            found.append(Use("chooses", settings.validation))
        return tuple(found)

    @staticmethod
    def written(bind: StepBinder, name: str) -> tree.Expr:
        """What the recipe writes for a setting."""
        found: tree.Expr = next(s.value for s in bind.statements(tree.Setting) if s.key.id == name)
        return found

    @staticmethod
    def table_of(bind: StepBinder, task: Task, params: Any, ref: TableRef, span: Span) -> tuple[Table, TaskBound] | None:
        """A table as the task reads it; its expressions are typed on its own columns. What is wrong with the task is told for one table alone."""
        schema = ref.schema
        before = len(bind.findings)
        inputs, bind.inputs = bind.inputs, (ref,)  # so that what is missing is said of this table
        try:
            found: TaskBound | None = task.bind(bind, params, Schema(schema.columns, schema.ordered, schema.unknown), span)
        finally:
            bind.inputs = inputs
        found_all = bind.findings.items
        told = {(d.code, d.span.order) for d in found_all[:before]}
        found_all[before:] = [d for d in found_all[before:] if (d.code, d.span.order) not in told]
        return None if found is None else (Table(ref, found.roles), found)

    def base(self, bind: StepBinder, settings: TrainSettings) -> tuple[Any, tuple[SourceFile, ...]]:
        """What is trained further, and its files; (None, ()) after reporting."""
        given = settings.base
        node = self.written(bind, "base")
        if isinstance(given, Inner):
            wrong = misshapen(given.params, decoder=settings.task.name in DECODERS)
            if wrong is not None:
                bind.report(BadValue(span=node.span, message=wrong[0], help=(wrong[1],)))
                return None, ()
            return given.params, ()
        if isinstance(given, ModelRef):
            if given.facts is not None and given.facts.provider != "train":
                message = f"`{given}` is no `train` step: its weights cannot be trained further"
                bind.report(WrongType(span=node.span, message=message, help=('name its folder: base: "models/minilm"',)))
                return None, ()
            return Folder(""), ()
        folder = (bind.names.source.folder / given).resolve()
        if os.path.isdir(folder):
            if not (folder / "config.json").is_file():
                bind.report(BadValue(span=node.span, message=f"`{given}` is no model: it has no config.json"))
                return None, ()
            return Folder(str(folder)), (SourceFile(folder, given),)
        if given.count("/") == 1 and not given.startswith((".", "/", "models/")) and not given.endswith("/"):
            return Hub(given, settings.revision), ()
        if bind.program.offline:
            return Folder(str(folder)), ()
        bind.report(
            MissingFile(
                span=node.span, message=f"no model at `{given}`",
                help=("a folder with config.json and weights beside the recipe; or a model made on the spot: base: scratch(layers: 2, width: 128)",),
            )
        )  # fmt: skip
        return None, ()

    def search(self, bind: StepBinder, settings: TrainSettings, task: Task, seed: int) -> tuple[Search, Json] | None:
        """The trials of the ``search`` block; None where there is none, or after reporting."""
        blocks: list[tree.Op] = bind.statements(tree.Op)
        if not blocks:
            return None
        for block in blocks[1:]:
            bind.report(WrongArguments(span=block.span, message="a training has one `search`", help=("put the settings into one block",)))
        if settings.validation is None:
            help = ("validation: final.validation, rows that are neither trained nor tested on",)
            bind.report(BadValue(span=blocks[0].call.span, message="`search` chooses on validation rows, and there are none", help=help))
        stop = settings.stop.params.on if settings.stop is not None else None
        return bind_search(bind, blocks[0], task, TrainSettings, stop, seed)

    def check(self, bind: StepBinder, settings: TrainSettings, task: Task) -> None:
        if settings.stop is not None and settings.stop.params.on not in task.metrics:
            message = f"`{task.name}` is not measured by `{settings.stop.params.on}`"
            bind.report(BadValue(span=self.written(bind, "stop").span, message=message, help=(f"it has {', '.join(task.metrics)}",)))
        if settings.ensemble > 1 and settings.task.name not in ENSEMBLES:
            message = f"`{settings.task.name}` models have no mean: an ensemble is of {', '.join(ENSEMBLES)}"
            bind.report(BadValue(span=self.written(bind, "ensemble").span, message=message))
        if settings.stop is not None and settings.validation is None:
            help = ("validation: final.validation",)
            bind.report(BadValue(span=self.written(bind, "stop").span, message="early stopping needs `validation`", help=help))
        if settings.epochs is not None and settings.steps is not None:
            bind.report(BadValue(span=self.written(bind, "steps").span, message="a training has `epochs` or `steps`, not both"))
        if settings.revision is not None and not isinstance(settings.base, str):
            bind.report(BadValue(span=self.written(bind, "revision").span, message="`revision` is of a model on the hub"))
        if settings.batch_size is not None and settings.batch_tokens is not None:
            message = "a batch is bounded by `batch_size` rows or by `batch_tokens` tokens, not both"
            bind.report(BadValue(span=self.written(bind, "batch_tokens").span, message=message))
        if settings.devices != "auto":
            if settings.devices < 1:
                bind.report(BadValue(span=self.written(bind, "devices").span, message="`devices` must be at least 1, or auto"))
            elif settings.batch_size is not None and settings.batch_size < settings.devices:
                message = f"a batch of {settings.batch_size} cannot be shared by {settings.devices} devices"
                help = ("batch_size counts the rows of a step on all devices together",)
                bind.report(BadValue(span=self.written(bind, "devices").span, message=message, help=help))
        if settings.devices != 1 and not task.shares:
            message = f"`{task.name}` is taught on one device"
            bind.report(BadValue(span=self.written(bind, "devices").span, message=message, help=("devices: 1",)))
        packing = settings.packing and settings.task.name != "generate"
        if packing:
            bind.report(BadValue(span=self.written(bind, "packing").span, message="only `generate` packs rows together"))

    @staticmethod
    def spec(bind: StepBinder, settings: TrainSettings, task: TaskBound, base: Any) -> TrainSpec:
        weights = settings.class_weights
        return TrainSpec(
            task=settings.task.name,
            form=task.form,
            roles=tuple(task.roles),
            base=base,
            adapter=settings.adapter.params if settings.adapter is not None else FullParams(),
            classes=tuple(str(c) for c in settings.classes) if settings.classes else None,
            class_weights=tuple(sorted(weights.items())) if isinstance(weights, dict) else weights,
            stop=settings.stop.params if settings.stop is not None else None,
            seed=bind.seed if settings.seed is None else settings.seed,
            **{name: getattr(settings, name) for name in PLAIN},
        )

    @staticmethod
    def meaning(
        settings: TrainSettings, tables: Sequence[tuple[Table, TaskBound]], validation: tuple[Table, TaskBound] | None, spec: TrainSpec
    ) -> dict[str, Json]:
        out: dict[str, Json] = {"task": f"{settings.task.name}@{settings.task.cls.version}", "seed": spec.seed}
        for number, (_, found) in enumerate(tables, 1):
            for name, value in found.meaning.items():
                out[name if number == 1 else f"{name} ({number})"] = value
        if validation is not None:
            out["validation"] = validation[1].meaning
        for name in TrainSettings.model_fields:
            if name in (*SILENT, "task", "validation", "seed"):
                continue
            value = getattr(settings, name)
            if name == "devices" and value == 1:
                # As before there were others: models that are there stay.
                continue
            # The contents of a folder decide, not its name.
            out[f"settings.{name}"] = "folder" if name == "base" and isinstance(spec.base, Folder) else meaning_of(value)
        return out

    # At run

    def run(self, plan: TrainPlan, ctx: RunContext) -> Outcome:
        from recipec.training._cores import within
        from recipec.training.here import train_here

        same = leaks(ctx, plan)
        job = self.job(plan, ctx)
        try:
            # Sums of floats depend on how many threads share them: `--threads` bounds the cores that they run on, and so no weight.
            with within(ctx.threads):
                several = train_here(job, lambda n, count, what, m: ctx.progress(*progress(n, count, what, m)))
        except KeyboardInterrupt as interruption:
            raise KeyboardInterrupt(*(f"`{ctx.step.name}` has {text}" for text in interruption.args)) from None
        return self.outcome(plan, ctx, several, same)

    @staticmethod
    def job(plan: TrainPlan, ctx: RunContext) -> TrainJob:
        """What is to be trained, of which rows, and where it lies."""
        from recipec.training._trials import Place
        from recipec.training.here import TrainJob

        spec = plan.spec
        if plan.base is not None:
            spec = replace(spec, base=Folder(str(ctx.artifact_of(plan.base.step))))
        return TrainJob(
            spec,
            rows_of(ctx, plan.tables),
            rows_of(ctx, [plan.validation]) if plan.validation is not None else None,
            Place(ctx.artifact, ctx.checkpoints, ctx.store / "tokens", ctx.store / "trials", logs_of(ctx)),
            plan.search,
            plan.members,
            ctx.run_key,
        )

    @staticmethod
    def outcome(plan: TrainPlan, ctx: RunContext, several: Several, same: str) -> Outcome:
        """What is told of a training. ``same`` is what :func:`leaks` found."""
        spec, logs = plan.spec, logs_of(ctx)
        result = several.result
        ledger = result.ledger
        outcome = Outcome(rows_in=ledger.rows, rows_out=ledger.kept, dropped=dict(ledger.dropped))
        share = result.trained_parameters / max(1, result.total_parameters)
        told = [
            f"{result.trained_parameters:,} of {result.total_parameters:,} weights trained ({share:.3g} of all)"
            if share < 1
            else f"{result.total_parameters:,} weights trained"
        ]
        scores = " · ".join(f"{name} {value:.4g}" for name, value in sorted(result.metrics.items()))
        stopped = f", stopped {result.stopped}" if result.stopped else ""
        count = int(result.spec.devices)
        together = f" in {count} processes ({result.machine})" if count > 1 else ""
        told.append(f"{result.steps:,} step{'s' * (result.steps != 1)}{together}{stopped}" + (f"; validation: {scores}" if scores else ""))
        if same:
            outcome.notes.append(same)
        if ledger.truncated:
            many, was = ("1 row is", "was") if ledger.truncated == 1 else (f"{ledger.truncated:,} rows are", "were")
            outcome.notes.append(f"{many} longer than {result.spec.max_length or 'the model'} tokens, and {was} cut")
        if spec.track == "tensorboard":
            told.append(f"tensorboard --logdir {os.path.relpath(logs.parent)}")
        told.extend(several.notes)
        if several.members:
            name = next((n for n in ("f1", "accuracy") if n in several.members[0]), "loss")
            each = ", ".join(f"{m[name]:.4g}" for m in several.members) if several.members[0] else ""
            told.append(f"an ensemble of {plan.members}" + (f", {name} of each: {each}" if each else ""))
        outcome.notes.extend(result.notes)
        outcome.extra = {
            "identity": result.hash, "metrics": result.metrics, "history": result.history, "classes": result.classes,
            "trained": result.trained_parameters, "parameters": result.total_parameters, "steps": result.steps, "best_step": result.best_step,
            "steps_per_second": round(result.steps_per_second, 3), "truncated": ledger.truncated, "versions": result.versions,
            "validation": result.validation_ledger.json() if result.validation_ledger is not None else None, "task": spec.task,
            **({"devices": count} if count > 1 else {}),
        }  # fmt: skip
        if several.trials:
            outcome.extra |= {"trials": several.trials, "on": plan.search.on if plan.search is not None else None}
        if several.members:
            outcome.extra["members"] = several.members
        outcome.extra |= {"memory": result.memory, "told": told}
        if result.shown:
            outcome.extra["preview"] = [[list(token) for token in row] for row in result.shown]
        outcome.extra["caches"] = {**several.caches, "logs": [logs.name] if logs.exists() else []}
        return outcome

    def open(self, plan: TrainPlan, ctx: Any, name: str) -> Any:
        from recipec.models.trained import TrainedModel

        folder = ctx.artifact_of(name)
        if not folder.is_dir():
            raise DataError(f"the weights of `{name}` are gone from the workspace", f"recipec run --only {name}, after recipec gc")
        return TrainedModel(folder, name, ctx.program.resolved[name].bound.model)


def logs_of(ctx: RunContext) -> Path:
    """The folder for what is tracked in files."""
    return ctx.store / "logs" / f"{ctx.step.name}-{ctx.run_key[:8]}"


def leaks(ctx: RunContext, plan: TrainPlan) -> str:
    """What is to be told of validation rows that read like training rows; DataError where they are the same rows, or copies of them."""
    if plan.validation is None:
        return ""
    held = ctx.relation(plan.validation.ref)
    count = ctx.rows(plan.validation.ref)

    def roots(ref: TableRef) -> set[str]:
        """Steps above that read no table: keys mean the same row only below one of them."""
        return {s.name for s in ctx.program.above([ref.step]) if s.kind.table and not s.inputs}

    known = [ctx.relation(t.ref) for t in plan.tables if roots(t.ref) & roots(plan.validation.ref)]
    families = " UNION ".join(f"SELECT unnest([_key, _parent]) AS k FROM {r}" for r in known)
    family = f"(SELECT k FROM ({families}) WHERE k IS NOT NULL)"
    n = int(ctx.one(f"SELECT count(*) FROM {held} WHERE _key IN {family} OR coalesce(_parent IN {family}, false)")[0]) if known else 0
    if n:
        raise DataError(
            f"{n:,} of the {count:,} rows of `{plan.validation.ref}` are trained on too, or are copies of rows that are: their scores would be praise",
            "split first, train on one part (augmented or not) and validate on another",
        )
    given = next(iter(plan.validation.roles.values()), None)
    if given is None or not given.type.startswith("VARCHAR"):
        return ""
    texts = " UNION ".join(f"SELECT {next(iter(t.roles.values())).sql} AS x FROM {ctx.relation(t.ref)}" for t in plan.tables)
    n = int(ctx.one(f"SELECT count(*) FROM {held} WHERE ({given.sql}) IN (SELECT x FROM ({texts}) WHERE x IS NOT NULL)")[0])
    return f"{n:,} of {count:,} validation rows have the very text of a training row: dedupe before the split" if n else ""


def rows_of(ctx: RunContext, tables: Sequence[Table | None]) -> Any:
    """The rows of the tables one after another, each in key order, as the training reads them."""
    from hashlib import blake2b

    from recipec.engines.order import ordered
    from recipec.training._base import Rows

    found = [t for t in tables if t is not None]
    counts = [ctx.rows(t.ref) for t in found]

    def read() -> Iterator[Any]:
        # A connection of its own: it may be read while the step's own is in use.
        reading = ctx.con.cursor()
        for table, count in zip(found, counts, strict=True):
            listed = ", ".join(f"{e.sql} AS {role}" for role, e in table.roles.items())
            part = ExportPart("", f"SELECT _key, {listed} FROM {ctx.relation(table.ref)} ORDER BY _key", Schema(), count)
            for query in ordered(reading, part, "*"):
                yield from reading.sql(f"SELECT * EXCLUDE (_key) FROM ({query})").to_arrow_reader(10_000)
        reading.close()

    identity = blake2b(digest_size=16)
    for table in found:
        identity.update(ctx.identity(table.ref).encode())
        identity.update(repr(sorted((role, e.meaning) for role, e in table.roles.items())).encode())
    return Rows(read, sum(counts), identity.hexdigest())


def progress(n: int, count: int, what: str, moment: Any) -> tuple[float | None, str]:
    """(share of all, words) of a moment in the nth of several trainings."""
    share = moment.done / moment.total if moment.total else None
    if count == 1:
        return share, told(moment)
    return (n + (share if share is not None and moment.doing == "train" else 0)) / count, f"{what} {n + 1}/{count} · {told(moment)}"


def told(moment: Any) -> str:
    """A moment of a training, for the progress bar."""
    if moment.doing != "train":
        return str(moment.doing)
    loss = f"loss {moment.loss:.3f}" if moment.loss is not None else ""
    rate = f"{moment.rate:.1f} steps/s" if moment.rate else ""
    return " · ".join(p for p in (f"step {moment.done:,}/{moment.total:,}", loss, rate) if p)
