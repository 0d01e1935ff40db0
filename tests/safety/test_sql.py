"""SQL of a recipe during a run: names, values and queries of any letters give the database the same statements as harmless ones, and whatever
statement came to it could neither open anything nor change a setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recipec.api import quote
from recipec.resolve.typing import Typing
from recipec.workspace.database import OURS
from tests.safety.test_escapes import ODD, TABLE

SETTINGS = "SELECT name, value FROM duckdb_settings() ORDER BY 1"


@contextmanager
def told(statements: list[str]) -> Iterator[None]:
    """Whatever text goes to any database of this process meanwhile."""
    originals = {name: getattr(duckdb.DuckDBPyConnection, name) for name in ("execute", "executemany", "sql", "query")}

    def listening(original: Any) -> Any:
        def call(self: Any, query: Any, *args: Any, **options: Any) -> Any:
            statements.append(str(query))
            return original(self, query, *args, **options)

        return call

    for name, original in originals.items():
        setattr(duckdb.DuckDBPyConnection, name, listening(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(duckdb.DuckDBPyConnection, name, original)


def kinds(statements: list[str]) -> set[tuple[str, ...]]:
    """The kinds of the statements that each of those texts holds, as DuckDB's own parser has them. How many texts there are depends on the rows."""
    with duckdb.connect() as con:
        return {tuple(s.type.name for s in con.extract_statements(text)) for text in statements}


RECIPE = """param wanted: text = {value}
source x = jsonl("x.jsonl") {{ key: id }}
clean c from x {{ same = `{column}` == {value}  given = wanted  drop where id > 5 as {reason} }}
sql s from c \"\"\"select *, {sql_value} as "{sql_column}", "{sql_column2}" = {sql_value} as alike from c where "{sql_column2}" is not null\"\"\"
python p from s {{ call: "own:made"  columns: {{ id: int, `{made}`: text }} }}
label l from c {{ classes: [{label}, "other"]  when `{column}` == {value} => {label} as rule  combine: majority() }}
export e1 from p {{ to: {file}  format: jsonl() }}
export e2 from c {{ to: "build/x.sqlite"  format: sqlite() }}
export e3 from c {{ to: "build/x.duckdb"  format: duckdb() }}
export e4 from l {{ to: "build/x.parquet"  format: parquet() }}
"""
OWN = "import pyarrow as pa\nimport pathlib\ndef made(rows):\n    name, value = (pathlib.Path(__file__).with_name(n).read_text() for n in ('name', 'value'))\n    return rows.select(['id']).append_column(name, pa.array([value] * rows.num_rows, pa.string()))\n"


def text(t: str) -> str:
    return json.dumps(t, ensure_ascii=False).replace("\\u001b", "\x1b")


def recipe(column: str, value: str, reason: str, label: str, made: str, file: str) -> str:
    """One with those names and values wherever there can be any."""
    return RECIPE.format(
        column=column, value=text(value), reason=text(reason), label=text(label), made=made, file=text(f"build/{file}.jsonl"),
        sql_value="'" + value.replace("'", "''") + "'", sql_column=f"{made}x".replace('"', '""'), sql_column2=column.replace('"', '""'),
    )  # fmt: skip


def carry_out(lab: Any, column: str, value: str, reason: str, label: str, made: str, file: str) -> list[str] | None:
    """The statements of a run; None where the recipe has a finding."""
    import shutil

    shutil.rmtree(lab.workspace, ignore_errors=True)
    shutil.rmtree(lab.folder / "build", ignore_errors=True)
    lab.write("x.jsonl", json.dumps({column: value, "id": 1}, ensure_ascii=False) + "\n")
    lab.write("own.py", OWN)
    (lab.folder / "name").write_text(made, encoding="utf-8", newline="")
    (lab.folder / "value").write_text(value, encoding="utf-8", newline="")
    written = recipe(column, value, reason, label, made, file)
    program = lab.program(written)
    if program.findings.errors:
        return None
    statements: list[str] = []
    with lab.open(threads=2, files=program.files) as workspace:
        from recipec.engines.runner import run
        from recipec.plan.planner import make_plan

        plan = make_plan(program, workspace, None)
        before = workspace.con.execute(SETTINGS).fetchall()
        with told(statements):
            result = run(plan, workspace)
        assert not result.failed, [(s.name, s.error and s.error.message) for s in result.failed]
        assert workspace.con.execute(SETTINGS).fetchall() == before
    assert {p.relative_to(lab.folder).as_posix() for p in lab.folder.rglob("*") if p.is_file() and ".recipec" not in p.parts} == {
        "x.jsonl", "own.py", "name", "value", f"build/{file}.jsonl", "build/x.sqlite", "build/x.duckdb", "build/x.parquet",
    }  # fmt: skip
    assert lab.rows("SELECT same, given FROM c") == [(True, value)]
    assert lab.rows(f"SELECT alike, {quote(made + 'x')} FROM s") == [(True, value)]
    assert lab.rows(f"SELECT {quote(made)} FROM p") == [(value,)]
    (line,) = (lab.folder / "build" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"id": 1, made: value}
    return statements


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, ...]]:
    from tests.conftest import Lab

    statements = carry_out(Lab(tmp_path_factory.mktemp("harmless")), "a", "b", "c", "d", "e", "f")
    assert statements is not None
    assert len(statements) > 50
    return kinds(statements)


VALUE = ODD.filter(lambda t: "\r" not in t)
"""It stands in SQL as it is, and a line of a recipe ends the same however its file ends lines."""
NAME = ODD.filter(lambda t: t.strip() == t and "`" not in t and t.isprintable() and "\\" not in t)


def file_of(text: str) -> str:
    """What of a text may stand in the name of an export's file."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "", text).strip()


FILE = ODD.map(file_of).filter(lambda t: t.isprintable() and t.strip(". ") == t and t != "")


@settings(max_examples=3, deadline=None, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=NAME, value=VALUE, reason=ODD, label=ODD, made=NAME, file=FILE)
def test_odd_letters_give_the_same_statements(
    lab: Any, harmless: set[tuple[str, ...]], column: str, value: str, reason: str, label: str, made: str, file: str
) -> None:
    """In names of columns (of sources, queries and `python` steps), values, parameters, reasons, classes, queries and names of exports."""
    statements = carry_out(lab, column, value, reason, label, made, file)
    if statements is not None:
        assert kinds(statements) <= harmless


HOSTILE = """'; ATTACH '/tmp/no.db'; -- "; DROP TABLE x; -- */ $$ 中"""


def test_a_hostile_text_everywhere(lab: Any, harmless: set[tuple[str, ...]]) -> None:
    statements = carry_out(lab, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE + "2", file_of(HOSTILE))
    assert statements is not None
    assert kinds(statements) <= harmless


SAYS = (
    "SET threads = 1", "SET GLOBAL threads = 1", "RESET threads", "PRAGMA threads = 4", "SET lock_configuration = false", "RESET lock_configuration",
    "SET allowed_configs = ['threads']", "RESET allowed_configs", "SET enable_external_access = true", "RESET enable_external_access",
    "SET allowed_paths = ['/etc/passwd']", "SET allowed_directories = ['/']", "SET temp_directory = '/'", "SET home_directory = '/'",
    "SET autoload_known_extensions = true", "SET autoinstall_known_extensions = true", "SET allow_unsigned_extensions = true",
    "SET custom_extension_repository = 'http://127.0.0.1:9'", "SET extension_directory = '/tmp'", "SET python_scan_all_frames = true",
    "SET disabled_filesystems = ''", "SET log_query_path = '/tmp/no'", "SET profiling_output = '/tmp/no'", "PRAGMA enable_profiling",
    "CALL enable_logging()", "SET enable_logging = true", "SET secret_directory = '/tmp'", "SET http_proxy = '127.0.0.1:9'",
    "LOAD httpfs", "INSTALL httpfs", "FORCE INSTALL httpfs FROM 'http://127.0.0.1:9'", "ATTACH '/tmp/no.db'", "ATTACH 'http://127.0.0.1:9/no.db'",
    "COPY (SELECT 1) TO '/tmp/no.csv'", "EXPORT DATABASE '/tmp/no'", "IMPORT DATABASE '/etc'", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'", "SELECT * FROM glob('/etc/*')", "SELECT * FROM read_csv('/proc/self/environ')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')", "SELECT * FROM read_blob('../../../../etc/passwd')",
    "CREATE PERSISTENT SECRET s (TYPE s3)", "SELECT getenv('HOME')",
)  # fmt: skip


@pytest.mark.parametrize("where", ["run", "check"])
def test_no_statement_changes_a_setting_or_gets_out(lab: Any, where: str) -> None:
    """Of the databases that runs and checks use, whatever a statement says."""
    lab.write("x.csv", "id,text\n1,a\n")
    with lab.open(files=lab.sound(TABLE).files) as workspace:
        if where == "check":
            typing = Typing()
            typing.seal()
        con = workspace.con if where == "run" else typing.con
        before = con.execute(SETTINGS).fetchall()
        for statement in SAYS:
            with pytest.raises(duckdb.Error):
                con.execute(statement).fetchall()
        assert con.execute(SETTINGS).fetchall() == before
        for name in OURS if where == "run" else ():
            con.execute(f"SET {name} = current_setting('{name}')")
    assert not [p for p in ("/tmp/no.csv", "/tmp/no.db", "/tmp/no") if Path(p).exists()]


@given(st.text(max_size=12), st.text(max_size=12))
@settings(max_examples=50, deadline=None)
def test_what_is_quoted_is_one_name_or_one_text(name: str, value: str) -> None:
    """The two functions through which every name and text goes into a statement."""
    from recipec.api import literal

    if "\x00" in name + value or not name:
        return
    if any("\ud800" <= c <= "\udfff" for c in name + value):
        return
    found = duckdb.execute(f"SELECT {literal(value)} AS {quote(name)}")
    assert found.description is not None
    assert ([d[0] for d in found.description], found.fetchall()) == ([name], [(value,)])
