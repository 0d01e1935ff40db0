"""``export``: tables to files that trainers read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from recipec.api import (
    Bound,
    ColumnName,
    DataError,
    ExportContext,
    ExportPart,
    Format,
    Json,
    Kind,
    ModelRef,
    Outcome,
    Schema,
    Settings,
    SourceFile,
    TableRef,
    Traits,
    step,
)
from recipec.engines.order import selected, sorted_by
from recipec.mirror.target import INDEX
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import meaning_of
from recipec.resolve.problems import BadValue, WrongArguments, WrongForm
from recipec.settings import Field
from recipec.steps._cards import card as facts_of
from recipec.steps._cards import header, model_facts
from recipec.steps._deliver import deliver, gone, place, with_rows, write_index
from recipec.steps._place import replace_folder
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.mirror.target import Target

FORMATS = Choices(group="format", what="format")


class ExportSettings(Settings):
    also = {"path": "to", "file": "to", "folder": "to", "output": "to", "as": "format", "type": "format"}
    to: str
    format: Annotated[Inner, FORMATS]
    columns: list[ColumnName] = []
    keys: bool = False
    shards: int = Field(1, ge=1, le=100_000)
    mode: Literal["replace", "append"] = "replace"
    index: bool = False
    private: bool = True
    description: str = ""


OURS = "Made by recipec from the recipe"
"""Stands in every card."""
ENDINGS = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".conll", ".txt", ".jsonl.gz", ".csv.gz", ".arrow", ".xlsx")
"""Endings that say what a file holds: none of them is part of a folder's name."""


@dataclass(frozen=True)
class ExportPlan:
    target: Path
    shown: str
    single: str | None
    format: Format
    parts: tuple[tuple[str, TableRef], ...]
    columns: tuple[str, ...]
    keys: bool
    shards: int
    model: ModelRef | None = None
    scores: tuple[TableRef, ...] = ()
    """Evaluations, for the card of the model."""
    remote: Target | None = None
    """Where it goes, if not to this machine's disk."""
    mode: Literal["replace", "append"] = "replace"
    index: bool = False
    private: bool = True


@step("export")
class Export(Kind):
    """Writes a table, or the parts of a split, to files.

    ```recipe
    export out from final { to: "build/packages"  format: huggingface() }
    export chats from chat { to: "build/chat.jsonl"  format: jsonl()  columns: [messages] }
    export release from clf, scores { to: "build/model"  format: transformers() }
    ```

    With ``format: transformers()`` a trained model is written, and the scores of the ``evaluate`` steps beside it go into its card.

    ``to`` is a folder, or for one table a file with the format's ending; relative to the recipe. A split is written as
    one file for each of its parts, named after it. Rows stand in the order of their keys, or in that of ``sort``; the
    bytes depend on the rows alone. ``columns`` chooses and orders the columns; ``keys: true`` adds ``_key`` and
    ``_parent``; ``shards`` cuts every part into so many files.

    The folder or file appears whole, in place of what the last run wrote there. A folder that holds files that this
    export did not write is left alone and the step fails; a file named by ``to`` is replaced whoever wrote it, unless a
    source reads it. A run writes again when an exported file is gone or was changed.

    ``index: true`` writes ``_index.json`` beside the files: of each its rows, bytes and digest.

    ``to`` may be an address in an object store (``s3://bucket/folder``, ``gs://``, ``az://``; extra ``cloud``) or a repository of the
    Hugging Face hub (``hf://datasets/owner/name``, extra ``hub``). In a store every delivery lies in a folder named by its contents, and
    ``_index.json``, written last, says which files are the export: who reads by it never sees half, and a delivery that was cut off is
    gone on with. ``mode: append`` adds this run's rows to those that are there, but never the same delivery twice. On the hub everything
    is one commit, to a repository that is private unless ``private: false`` says otherwise. ``plan`` asks no server and believes the last
    delivery; a run asks, where it can, and delivers again what is gone.

    ``to`` may be a table of a database: ``postgresql://user@host/database/table`` or ``mysql://...`` (extra ``sql``), with ``format: parquet()``;
    a split's parts go to ``table_train`` and so on, without a table to tables of the parts' names. Everything appears in one step: who reads
    there sees the old rows or the new ones. ``mode: append`` adds the rows in one transaction. What a table has had stands beside it in
    ``recipec_deliveries``: so nothing is appended twice, even by a workspace that was lost, and a table that recipec did not write is never replaced.
    In PostgreSQL a table that keeps its columns keeps its rights, indexes and views too; its types are DuckDB's nearest, nested ones
    ``jsonb``. The password comes from where it does for a source. Values that the server refuses (NUL in PostgreSQL, NaN in MySQL) are told
    with their row before anything is written.
    """

    Settings = ExportSettings
    level = "metadata"
    inputs = (0, None)
    models = True
    table = False

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: ExportSettings | None = bind.settings()
        if settings is None:
            return None
        span = {s.key.id: s.value.span for s in bind.statements(tree.Setting)}
        made: Format = settings.format.cls(settings.format.params)
        if not bind.node.inputs:
            example = f"export {bind.name} from STEP {{ ... }}"
            bind.report(WrongForm(span=bind.node.head, message="`export` needs at least 1 input", help=(example,)))
            return None
        parts: tuple[tuple[str, TableRef], ...] = ()
        model, ok = self.weights(bind, made)
        if model is not None:
            unfit = [n for n in ("columns", "keys", "shards") if n in span]
            for name in unfit:
                bind.report(BadValue(span=span[name], message=f"a model has no `{name}`", help=("leave it out",)))
            ok = ok and not unfit
        else:
            parts = self.parts(bind)
        suffixes = {made.extension, *(made.extension + z for z in (".gz", ".zst"))} - {""}
        single = next((Path(settings.to).name for s in suffixes if s and settings.to.endswith(s)), None)
        if single is not None and len(parts) > 1 and not made.together:
            bind.report(
                BadValue(
                    span=span["to"], message=f"`{settings.to}` is one file, and {len(parts)} tables go into it", help=("name a folder",)
                )
            )
            ok = False
        if single is not None and settings.shards > 1:
            bind.report(
                BadValue(
                    span=span["to"],
                    message=f"`{settings.to}` is one file, and `shards` asks for {settings.shards}",
                    help=("name a folder",),
                )
            )
            ok = False
        if not settings.to.strip() or Path(settings.to).name in ("", ".."):
            bind.report(BadValue(span=span["to"], message="`to` must name a folder or file of its own", help=('to: "build/out"',)))
            ok = False
        ending = next((e for e in ENDINGS if settings.to.lower().endswith(e)), None)
        if single is None and ending is not None:
            stem = settings.to[: -len(ending)]
            help = f'to: "{stem}{made.extension}"' if made.extension else f'a folder: to: "{stem}"'
            message = f"`{made.name}` does not write `{ending}` files"
            kind, file = ending.removesuffix(".gz")[1:], type(made.params).model_fields.get("file")
            if made.extension and file is not None and kind in get_args(file.annotation):
                message, help = (
                    f"`{made.name}` writes `{ending}` files where it is given `file: {kind}`",
                    f"{made.name}(..., file: {kind}), or {help}",
                )
            bind.report(BadValue(span=span["to"], message=message, help=(help,)))
            ok = False
        names = [c.name for c in settings.columns]
        if len(set(names)) < len(names):
            bind.report(WrongArguments(span=span["columns"], message="a column is listed twice"))
            ok = False
        for _, ref in parts:
            if ref.schema.unknown:
                continue
            if any(n not in ref.schema.types for n in names):
                bind.report(BadValue(span=span["columns"], message=f"`{ref}` lacks a column that `columns` names"))
                ok = False
                continue
            for message, help in made.check(ref.schema.only(names) if names else ref.schema):
                bind.report(BadValue(span=span["format"], message=message, help=(help,) if help else ()))
                ok = False
        if not str(settings.to).isprintable():
            bind.report(BadValue(span=span["to"], message="no file or folder has such a name: a letter of it cannot be printed"))
            return None
        remote, fine = place(bind, settings, span, single is not None)
        ok = ok and fine
        target = bind.names.source.folder / settings.to if remote is None else Path("/", remote.address.replace("://", ":/", 1))
        if (other := self.overlapping(bind, target)) is not None:
            message = f"`{other}` writes there too: each would remove the other's files"
            bind.report(BadValue(span=span["to"], message=message, help=("give each a folder of its own, none inside another",)))
            ok = False
        if not ok:
            return None
        scores = bind.inputs if model is not None else ()
        plan = ExportPlan(target, settings.to, single, made, parts, tuple(names), settings.keys, settings.shards, model, scores)
        if remote is not None:
            plan = replace(plan, remote=remote, shown=remote.address)
        plan = replace(plan, mode=settings.mode, index=settings.index, private=settings.private)
        meaning: dict[str, Json] = {
            "settings.to": plan.shown,
            "settings.format": [f"{made.name}@{made.version}", meaning_of(made.params)],
            "settings.columns": names,
            "settings.keys": settings.keys,
            "settings.shards": settings.shards,
            "parts": [n for n, _ in parts],
            **({"settings.mode": settings.mode} if settings.mode != "replace" else {}),
            **({"settings.index": True} if settings.index else {}),
            **({"settings.private": settings.private} if "private" in span else {}),
        }
        if made.card:
            # The card says these, so they decide the bytes.
            read = [r.step for r in (*(r for _, r in parts), *scores)] + ([model.step] if model is not None else [])
            meaning["card"] = header(bind.program, read)
        return bind.bound(outputs={}, meaning=meaning, plan=plan, edges_extra=tuple(r for _, r in parts), traits=Traits(scope="global"))

    @staticmethod
    def weights(bind: StepBinder, made: Format) -> tuple[ModelRef | None, bool]:
        """The model to write (None: this export is of tables), and whether all is well; what is not is reported."""
        nodes = bind.models
        if not nodes:
            if made.model:
                help = ("export release from clf, scores { ... }: a `train` step, and `evaluate` steps whose scores go into its card",)
                bind.report(
                    WrongForm(span=bind.node.head, message=f"`{made.name}` writes a model, and none is among the inputs", help=help)
                )
            return None, not made.model
        ref = bind.model(nodes[0])
        ok = ref is not None
        if len(nodes) > 1:
            bind.report(WrongForm(span=nodes[1].span, message="an export writes one model", help=("make an export for each",)))
            ok = False
        if ref is not None and not made.model:
            written = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "format")
            message = f"`{ref}` is a model, and `{made.name}` writes tables"
            bind.report(BadValue(span=written.span, message=message, help=("format: transformers()",)))
            ok = False
        elif ref is not None and ref.facts is not None and ref.facts.provider != "train":
            message = f"`{ref}` is no `train` step: it has no weights of this recipe's"
            bind.report(WrongForm(span=nodes[0].span, message=message, help=("name the `train` step whose model is to be written",)))
            ok = False
        for table in bind.inputs:
            step = bind.program.resolved.get(table.step)
            if step is not None and step.kind.name != "evaluate":
                message = f"`{table}` is no evaluation: beside a model stand the `evaluate` steps whose scores go into its card"
                bind.report(
                    WrongForm(span=table.span or bind.node.head, message=message, help=("write its rows with an export of their own",))
                )
                ok = False
        return ref, ok

    @staticmethod
    def overlapping(bind: StepBinder, target: Path) -> str | None:
        """Another export of the recipe that writes to the same place, or to one inside or around it."""
        here = target.resolve()
        for made in bind.program.steps:
            plan = made.bound.plan
            if isinstance(plan, ExportPlan):
                there = plan.target.resolve()
                if here == there or here in there.parents or there in here.parents:
                    return made.name
        return None

    @staticmethod
    def parts(bind: StepBinder) -> tuple[tuple[str, TableRef], ...]:
        out: dict[str, TableRef] = {}
        for ref in bind.inputs:
            step = bind.program.resolved.get(ref.step)
            divided = ref.part is None and step is not None and step.bound.traits.divides
            if divided and step is not None:
                for name, schema in step.bound.outputs.items():
                    if name:
                        out[name if name not in out else f"{ref.step}.{name}"] = TableRef(ref.step, name, schema, ref.span)
            else:
                name = ref.part or ref.step.rpartition(".")[2].partition("@")[0]
                out[name if name not in out else str(ref)] = ref
        return tuple(out.items())

    @classmethod
    def stale(cls, plan: ExportPlan, extra: Mapping[str, Json]) -> str | None:
        if plan.remote is not None:
            return None
        from recipec.plan.fingerprint import file_digest

        for file in extra.get("files", []):
            path = plan.target / file["path"] if plan.single is None else plan.target
            try:
                stat = path.stat()
            except OSError:
                return f"`{plan.shown}` is gone" if not plan.target.exists() else f"`{file['path']}` is gone"
            if stat.st_size != file["size"] or (
                stat.st_mtime_ns != file["mtime_ns"] and file_digest(SourceFile(path, "")) != file["digest"]
            ):
                return f"`{file['path']}` was changed"
        return None

    @classmethod
    def gone(cls, plan: ExportPlan, extra: Mapping[str, Json]) -> str | None:
        return gone(plan, extra)

    def run(self, plan: ExportPlan, ctx: RunContext) -> Outcome:
        import duckdb

        parts: list[ExportPart] = []
        for name, ref in plan.parts:
            schema = ref.schema.only(plan.columns) if plan.columns else ref.schema
            if plan.keys:
                from recipec.api import Column

                schema = Schema((Column("_key", "UUID"), Column("_parent", "UUID"), *schema.columns), schema.ordered)
            query = f"SELECT {', '.join(selected(schema))} FROM {ctx.relation(ref)} ORDER BY {', '.join(sorted_by(schema))}"
            parts.append(ExportPart(name, query, schema, ctx.rows(ref)))
        rows = sum(p.rows for p in parts)
        parent = plan.target.parent if plan.remote is None else ctx.temporary
        parent.mkdir(parents=True, exist_ok=True)
        if plan.remote is None:
            self.check_place(plan, ctx)
        else:
            self.check_remote(plan, ctx)
        fresh = parent / f".{plan.target.name}.recipec-new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        con = ctx.con
        extra: dict[str, Json] = {}

        def shown(done: int, total: int) -> None:
            ctx.progress(done / total if total else None, "")

        # Rows must leave in the order of the query; the rest of a run is free of that.
        con.execute("SET preserve_insertion_order = true")
        try:
            card: dict[str, Json] = {}
            if plan.model is not None:
                card = model_facts(ctx, plan.model, plan.scores)
            elif plan.format.card:
                card = facts_of(ctx, [(p.name, ref, p.rows) for p, (_, ref) in zip(parts, plan.parts, strict=True)], "parts")
            folder = ctx.artifact_of(plan.model.step) if plan.model is not None else None
            self.write(plan, ExportContext(con, fresh, plan.single, tuple(parts), plan.shards, card, shown, folder))
            files = with_rows(self.files(fresh), parts, plan.shards)
            if plan.index and plan.remote is None:
                write_index(fresh, files, parts, plan.format.name)
                files = with_rows(self.files(fresh), parts, plan.shards)
            if plan.remote is None:
                self.move(plan, fresh, files)
            else:
                extra = deliver(plan, ctx, fresh, files, parts, {"private": plan.private})
        finally:
            # By another connection: in a transaction that failed nothing more can be said, and what failed must not be hidden.
            with suppress(duckdb.Error), con.cursor() as other:
                other.execute("SET preserve_insertion_order = false")
            shutil.rmtree(fresh, ignore_errors=True)
        for file in files if plan.remote is None else ():
            path = plan.target / file["path"] if plan.single is None else plan.target
            file["mtime_ns"] = path.stat().st_mtime_ns
        if plan.model is not None:
            rows = int(card["training"]["rows"])  # what the model learned from
        return Outcome(rows_in=rows, rows_out=rows, extra=extra or {"files": files, "to": plan.shown})

    def write(self, plan: ExportPlan, made: ExportContext) -> None:
        """Write the files. Other engines do it elsewhere."""
        plan.format.write(made)

    def files(self, folder: Path) -> list[dict[str, Any]]:
        """The files written, with their sizes and digests."""
        found = sorted(p for p in folder.rglob("*") if p.is_file())
        return [{"path": p.relative_to(folder).as_posix(), "size": p.stat().st_size, "digest": self.digest(p)} for p in found]

    def digest(self, path: Path) -> str:
        from recipec.plan.fingerprint import file_digest

        return file_digest(SourceFile(path, ""))

    @staticmethod
    def check_remote(plan: ExportPlan, ctx: RunContext) -> None:
        """Refuse to write over what a source was copied from: the next run would read what this one wrote."""
        here = plan.shown.partition("://")[2].rstrip("/")
        for made in ctx.program.steps:
            for file in made.bound.files:
                there = file.name.partition("://")[2]
                if there == here or there.startswith(f"{here}/"):
                    raise DataError(f"`{plan.shown}` holds `{file.name}`, which `{made.name}` reads", "export to another place")

    @staticmethod
    def check_place(plan: ExportPlan, ctx: RunContext) -> None:
        """Refuse to replace what this export did not write."""
        target = plan.target
        here = target.resolve()
        for made in ctx.program.steps:
            for file in made.bound.files:
                path = file.path.resolve()
                if path == here or here in path.parents:
                    raise DataError(f"`{plan.shown}` holds `{file.name}`, which `{made.name}` reads", "export to another place")
        if plan.single is not None:
            if target.is_dir():
                raise DataError(f"`{plan.shown}` is a folder", "name another file")
            return
        if target.exists() and not target.is_dir():
            raise DataError(f"`{plan.shown}` is a file", "name another folder")
        if not target.is_dir():
            return
        ours = {f["path"] for f in ctx.history_of_exports(plan.shown)}
        names = [n for n, _ in plan.parts]
        foreign = [
            p.relative_to(target).as_posix()
            for p in sorted(target.rglob("*"))
            if p.is_file() and p.relative_to(target).as_posix() not in ours and not looks_ours(p.name, names, plan.format.beside)
        ]
        if plan.model is not None and made_by_us(target):
            foreign = []
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise DataError(
                f"`{plan.shown}` holds files that this export did not write: {foreign[0]}{more}",
                "choose a folder of its own, or empty this one",
            )

    @staticmethod
    def move(plan: ExportPlan, fresh: Path, files: list[dict[str, Any]]) -> None:
        for file in files:
            descriptor = os.open(fresh / file["path"], os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        if plan.single is not None:
            os.replace(fresh / files[0]["path"], plan.target)
            return
        replace_folder(plan.target, fresh)


def made_by_us(folder: Path) -> bool:
    """Whether a model's card says that the folder was written by an export: the names of its files are those of anybody's model."""
    card = folder / "README.md"
    return card.is_file() and OURS in card.read_text(encoding="utf-8", errors="replace")


def looks_ours(file: str, parts: list[str], beside: frozenset[str]) -> bool:
    """Whether a file's name is one that this export gives: a part's name, its shards, what the format writes beside."""
    return file in beside or file == INDEX or any(file.startswith((f"{p}.", f"{p}-")) for p in parts)
