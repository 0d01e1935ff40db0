"""What is fuzzed: functions that take bytes, and raise where something that recipec promises does not hold.

Every target turns bytes into what a user could hand over (a recipe, a template, a file of data, a ledger, a lock) and asks the part that
reads it. Expected failures (findings, DataError) are answers; every other exception is a finding.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Target = Callable[[bytes], None]
HEAD = 'source x = csv("x.csv") { key: id  columns: { id: text, text: text, label: text, n: int, tags: [text] } }\n'


class Broken(AssertionError):
    """A promise that did not hold."""


def hold(fact: bool, said: str) -> None:
    if not fact:
        raise Broken(said)


@cache
def place() -> Path:
    """A folder for the files of this process."""
    import atexit

    made = Path(tempfile.mkdtemp(prefix="recipec-fuzz-"))
    atexit.register(shutil.rmtree, made, True)
    (made / "x.csv").write_text("id,text,label,n,tags\n1,hello,a,3,[]\n2,bye,b,4,[]\n", encoding="utf-8")
    return made


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# Recipes --------------------------------------------------------------------------------------------------------------


def parser(data: bytes) -> None:
    """Every text has a tree and findings whose places lie in it."""
    from recipec.source import Source
    from recipec.syntax.parse import parse

    source = Source("fuzz.recipe", text_of(data))
    _, found = parse(source)
    for d in found:
        hold(bool(d.message), "a finding without words")
        hold(0 <= d.span.start <= d.span.end <= len(source.text), f"{d.name} lies outside the text")


def formatter(data: bytes) -> None:
    """What parses is laid out; the layout parses, keeps every comment, and is its own layout."""
    from recipec.source import Source
    from recipec.syntax.format import NotFormatted, format_source
    from recipec.syntax.parse import parse

    source = Source("fuzz.recipe", text_of(data))
    try:
        made = format_source(source)
    except NotFormatted:
        return
    again = Source("fuzz.recipe", made)
    _, found = parse(again)
    hold(not found, f"the layout does not parse: {found[0].message if found else ''}")
    hold(format_source(again) == made, "the layout of the layout is another")


def resolver(data: bytes) -> None:
    """A recipe over a small table: findings, no exception; and every step that is sound can be made into SQL."""
    from recipec.resolve.loading import load
    from recipec.source import Source

    text = text_of(data)
    program = load(Source(str(place() / "fuzz.recipe"), HEAD + text), {"n": "x"}, offline=True)
    program.resolve()
    for d in program.findings.sorted:
        hold(bool(d.message), "a finding without words")
        hold(0 <= d.span.start <= d.span.end <= len(d.span.source.text), f"{d.name} lies outside the text")


def expressions(data: bytes) -> None:
    """An expression, and the same text as the query of a ``sql`` step."""
    text = text_of(data)
    resolver(f"clean c from x {{ y = {text} }}\n".encode("utf-8", "surrogateescape"))
    if '"""' not in text:
        resolver(f'sql s from x """{text}"""\n'.encode("utf-8", "surrogateescape"))


# Templates ------------------------------------------------------------------------------------------------------------

ROW = {"a": "some text", "b": [1, 2, {"k": "v"}], "c": {"k": None, "v": [1.5, "x"]}, "d": None, "e": 7}
"""The values that a fuzzed template gets."""


def template(data: bytes) -> None:
    """A template is refused with a finding, or renders to a text of bounded size, or fails with a DataError; it reaches nothing of Python's."""
    import json

    from recipec.api import DataError
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.templates.language import LARGEST
    from recipec.templates.render import Renderer

    text = text_of(data)
    if '"""' in text or "\\" in text:
        return
    recipe = f'template t(a, b, c, d, e) """\n{text}\n{{# {{{{ a }}}}{{{{ b }}}} #}}"""\n'
    program = load(Source(str(place() / "fuzz.recipe"), recipe), offline=True)
    prompt = program.root.prompts.get("t")
    if prompt is None:
        # A parameter that is not read is a finding of its own: rendered all the same, as by somebody who keeps to the rules.
        if any(d.name not in ("template-parameter", "unused-parameter") for d in program.findings.errors):
            return
        state = json.dumps(
            {"name": "t", "params": [(p, "json") for p in "abcde"], "roles": None, "sources": {"0": text}, "includes": {"0": {}}}
        )
    else:
        state = prompt.state
    try:
        made = Renderer(state).text(dict(ROW))
    except DataError:
        return
    hold(made is None or len(made) <= LARGEST, "a text without bound")
    for inside in ("<class '", "<function ", "<built-in", " object at 0x", "<module "):
        hold(made is None or inside not in made or inside in text, f"a template printed {inside}")


# Files ----------------------------------------------------------------------------------------------------------------

READERS: dict[str, dict[str, Any]] = {
    "csv": {}, "tsv": {}, "jsonl": {}, "json": {}, "conll": {"columns": ("tokens", "tags")}, "lines": {}, "markdown": {}, "html": {},
}  # fmt: skip
DECLARED: dict[str, dict[str, str]] = {
    "csv": {"id": "BIGINT", "text": "VARCHAR"}, "tsv": {"id": "BIGINT", "text": "VARCHAR"}, "jsonl": {"id": "BIGINT", "text": "VARCHAR"},
    "json": {"id": "BIGINT", "text": "VARCHAR[]"},
}  # fmt: skip


@cache
def database() -> Any:
    import duckdb

    return duckdb.connect(config={"threads": "1"})


def reads(name: str, data: bytes, declared: dict[str, str] | None) -> None:
    """A file through a reader, one in eight twice: both times the same rows, the same bad rows, or the same refusal."""
    from recipec.api import DataError, ReadContext, SourceFile, Word
    from recipec.registry import find

    cls = find("reader", name)
    hold(cls is not None, f"there is no reader {name}")
    reader = cls(cls.Params(path="f", **{k: tuple(map(Word, v)) for k, v in READERS[name].items()}))
    file = place() / f"f.{name}"
    file.write_bytes(data)
    given = (SourceFile(file, file.name),)
    said: list[Any] = []
    for _ in range(1 + (sum(data) % 8 == 0)):
        con = database().cursor()
        try:
            header = reader.header(con, given, "utf-8")
            con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)").fetchall()
            reader.load(ReadContext(con, given, declared, "utf-8", "rows", "bad", lambda done, total: None, place()))
            described = con.execute("DESCRIBE rows").fetchall()
            rows = con.execute("SELECT * FROM rows ORDER BY _file, _row").fetchall()
            bad = con.execute("SELECT * FROM bad ORDER BY ALL").fetchall()
        except DataError as refused:
            said.append(refused.message)
            continue
        finally:
            con.close()
        names = [d[0] for d in described]
        hold(names[:2] == ["_file", "_row"], "a table without places")
        hold(names[2:] == list(header if declared is None else declared), f"header {list(header)}, table {names[2:]}")
        places = [r[:2] for r in rows]
        hold(len(set(places)) == len(places), "two rows in one place")
        hold(all(r[2] for r in bad), "a bad row without its reason")
        said.append((repr(rows), repr(bad)))
    hold(said[0] == said[-1], "the same file was read in two ways")


def reading(name: str) -> Target:
    def target(data: bytes) -> None:
        reads(name, data, DECLARED[name] if name in DECLARED and len(data) % 2 else None)

    target.__doc__ = reads.__doc__
    return target


# What recipec itself wrote --------------------------------------------------------------------------------------------


def answer(text: str) -> Any:
    from recipec.models.requests import Answer

    return Answer(text=text, finish="stop", tokens_in=3, tokens_out=1, logprobs=None, model="m", key="")


def ledger(data: bytes) -> None:
    """A ledger's segment, damaged or foreign: its sound answers or a LedgerError. Behind it an answer is kept and found again."""
    from recipec.models.ledger import HEADER, Ledger, LedgerError

    folder = place() / "ledger"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "answers-0001.jsonl").write_bytes(data if data[:1] != b"+" else HEADER + data[1:])
    (folder / "failures-0001.jsonl").write_bytes(data)
    key = bytes(range(16))
    try:
        with Ledger(folder) as kept:
            kept.failure(key)
            list(kept.failures())
            before = kept.get(key)
            kept.append([(key, answer("yes"))])
            found = kept.get(key)
            hold(before is not None or (found is not None and found.text == "yes"), "an answer that was kept is not there")
        with Ledger(folder) as kept:
            hold(kept.get(key) is not None, "an answer that was kept is gone")
    except LedgerError:
        return


def lock(data: bytes) -> None:
    """A lock file: its facts, or a DataError; and what it says can be set against other facts."""
    from recipec.api import DataError
    from recipec.plan.lock import drift, read

    file = place() / "fuzz.lock"
    file.write_bytes(data)
    try:
        facts = read(file)
    except DataError:
        return
    for d in drift(facts, {"recipe": {"name": "x"}, "steps.a": {"fingerprint": "1"}}):
        hold(bool(str(d)), "a drift without words")
    hold(not drift(facts, facts), "a lock differs from itself")


TARGETS: dict[str, Target] = {
    "parser": parser,
    "formatter": formatter,
    "resolver": resolver,
    "expressions": expressions,
    "template": template,
    **{name: reading(name) for name in ("csv", "jsonl", "json", "conll")},
    "ledger": ledger,
    "lock": lock,
}


# Where to begin -------------------------------------------------------------------------------------------------------


def seeds(name: str) -> list[bytes]:
    """Inputs that mean something, to be damaged."""
    return [s.encode("utf-8", "surrogateescape") if isinstance(s, str) else s for s in _seeds(name)]


def recipes() -> Iterator[str]:
    for folder in ("recipes", "tests/recipes", "tests/bad"):
        for path in sorted((ROOT / folder).glob("*.recipe")):
            yield path.read_text(encoding="utf-8")


def _seeds(name: str) -> Iterator[str | bytes]:
    match name:
        case "parser" | "formatter":
            yield from recipes()
        case "resolver":
            for text in recipes():
                # Steps over the table that is there.
                yield re.sub(r"\bfrom [\w.@]+", "from x", re.sub(r"(?m)^source .*\n|^recipe .*\n", "", text, count=2))
        case "expressions":
            for text in recipes():
                yield from re.findall(r"(?m)^  \w+ = (.+)$", text)[:20]
                yield from re.findall(r'"""\s*(select.*?)"""', text, re.S)
            yield from (
                "select * from x",
                "list_transform(tags, t => upper(t))",
                'case when n > 1 then "a" else text end',
                "cast(n as text)",
            )
        case "template":
            for text in recipes():
                yield from re.findall(r'template \w+\([^)]*\) """(.*?)"""', text, re.S)
            yield from (
                "{{ a }}{% for x in b %}{{ loop.index }} {{ x }}{% else %}no{% endfor %}", "{{ c.v | join(', ') }}", "{{ a|upper|center(20) }}",
                "{% set t = [a, b] %}{{ t }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(a) }}", "{{ range(3)|list }}", "{{ e ** 2 // 3 % 4 }}",
                "{{ a.split(' ')[0] ~ d }}", "{{ ''.__class__ }}", "{{ b|map('string')|sort|first }}", "{{ e|round(2) }}{{ a|truncate(3) }}",
            )  # fmt: skip
        case "csv":
            yield from (
                'id,text\n1,hello\n2,"a\nb"\n',
                "id;text\r\n1;x\r\n",
                "id,text\n1\n2,3,4\n",
                "\ufeffid,text\n1,é\n",
                'a\n"b""c"\n',
                "",
            )
            yield b"id,text\n1,\xff\xfe\n\x00,2\n"
        case "jsonl":
            yield from (
                '{"id":1,"text":"a"}\n{"id":2,"text":null}\n',
                '{"a":{"b":[1,2.5,"x"]}}\n',
                '1\n"a"\n',
                '{"id":1,"id":2}\n{"id":',
                '{"a":"\\ud800"}\n',
            )
        case "json":
            yield from ('[{"id":1,"text":["a"]},{"id":"2"}]', '{"data":[{"id":1}]}', '{"id":1}{"id":2}', "[[1,2],[3]]", '[{"id":1},')
        case "conll":
            yield from ("EU\tB-ORG\nrejects\tO\n\nPeter\tB-PER\n", "# text\na\tO\n", "a\n\nb\tO\tX\n", "-DOCSTART-\tO\n\n")
        case "ledger":
            from recipec.models.ledger import HEADER, Ledger

            folder = place() / "seed"
            shutil.rmtree(folder, ignore_errors=True)
            with Ledger(folder) as kept:
                kept.append([(bytes(range(16)), answer("yes")), (bytes(16), answer("no é"))])
            yield (folder / "answers-0001.jsonl").read_bytes()
            yield HEADER
            yield b"+{}\n"
        case "lock":
            yield '[recipe]\n"name" = "x"\n"version" = "1"\n\n[steps.a]\n"fingerprint" = "1"\n"reads" = ["x"]\n[sources.x]\n"rows" = 3\n'
            yield '[recipe]\n[params]\n"a" = { "b" = [1, 2.5, true] }\n'


def words(name: str) -> list[bytes]:
    """Pieces that inputs of a target are made of, for the mutator's dictionary."""
    pieces = {w for s in seeds(name) for w in re.findall(rb'"""|[\w.]{2,20}|[^\w\s]{1,3}', s)}
    extra = [b"\xed\xa0\x80", b"\x00", b"\xff", "。".encode(), "😀".encode(), b"9" * 40, b"1e999", b"((((((((", b"[[[[[[[[", b"{{{{{{{{"]
    if name == "template":
        extra += [b"__class__", b"__globals__", b"|attr", b"format", b"namespace", b"cycler", b"{% for i in range(99999) %}", b"* 999999"]
    return sorted(pieces)[:400] + extra
