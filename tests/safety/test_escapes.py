"""The public ways out of Jinja's sandbox, and SQL that reaches beyond a recipe's tables: all refused, in any name, expression or text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipec.api import DataError

# Jinja2's own list of CVEs (2016-10745, 2019-10906, 2024-34064, 2024-56201, 2024-56326, 2025-27516), and the collections of
# server-side template injections.
ESCAPES = (
    "{{ text.__class__ }}", "{{ text['__class__'] }}", "{{ text|attr('__class__') }}", "{{ ''['__cla' ~ 'ss__'] }}", "{{ text['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}", "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{{ joiner.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}", "{{ namespace.__init__.__globals__ }}", "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__.__builtins__ }}", "{{ '{0.__class__}'.format(text) }}", "{{ ('{0.__class__}'|attr('format'))(text) }}",
    "{{ '{a.__class__}'.format_map({'a': text}) }}", "{% set f = '{0.__class__.__init__.__globals__}'.format %}{{ f(text) }}",
    "{{ ['{0.__class__}']|map('format', text)|list }}", "{{ [text]|map(attribute='__class__')|list }}",
    "{% set a = '__cla' ~ 'ss__' %}{{ [text]|map(attribute=a)|list }}", "{{ [text]|sort(attribute='__class__') }}", "{{ [text]|groupby('__class__') }}",
    "{{ [text]|selectattr('__class__')|list }}", "{{ [text]|sum(attribute='__len__') }}", "{{ [text]|unique(attribute='__class__')|list }}",
    "{% set n = 'att' ~ 'r' %}{{ [text]|map(n, '__class__')|list }}", "{{ {'a b/onload=x': 1}|xmlattr }}", "{% import 'x' as y %}", "{% from 'x' import y %}",
    "{% extends 'x' %}", "{% include '/etc/passwd' %}", "{% include ['/etc/passwd'] %}", "{% include text %}", "{% block a %}{{ super.__class__ }}{% endblock %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}", "{% macro m() %}{% endmacro %}{{ m._func }}", "{% macro m() %}{% endmacro %}{{ m.name }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}", "{% macro m() %}{{ kwargs.__class__ }}{% endmacro %}{{ m(a=1) }}",
    "{% for i in [1] %}{{ loop.__class__ }}{% endfor %}", "{% for i in [1] %}{{ loop._iterator }}{% endfor %}", "{% for i in [1] %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop }}{% endfor %}", "{{ (text|map('upper')).gi_frame }}", "{{ {}.items.__self__ }}", "{{ range.__init__ }}", "{{ text.join.__self__ }}",
    "{% filter attr('__class__') %}a{% endfilter %}", "{% do text.append(1) %}", "{% trans %}a{% endtrans %}", "{% debug %}", "{{ context }}", "{{ g }}",
    "{{ request.application.__globals__ }}", "{{ config }}", "{{ url_for.__globals__ }}", "{{ get_flashed_messages.__globals__ }}", "{{ text.nope.__class__ }}",
    "{% for i in text.__aiter__ %}{% endfor %}", "{{ dict.mro() }}", "{{ text.encode }}", "{{ text.upper }}", "{{ [text.upper] }}", "{{ [text.upper]|tojson }}",
    "{{ text.upper ~ '' }}", "{{ text.translate({}) }}", "{{ text is callable }}", "{{ text is filter }}", "{{ __import__('os') }}", "{{ [nope] }}",
    "{% set x = text.__class__ %}", "{{ text[:1].__class__ }}", "{{ (1).__class__ }}", "{{ none.__class__.__base__ }}", "{{ true|attr('real') }}",
)  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_no_template_gets_out(text: str) -> None:
    """Rendered as it is, without the check before it, which refuses most: nothing of Python's is printed."""
    from recipec.templates.render import Renderer

    state = {"name": "t", "params": [("text", "json")], "roles": None, "sources": {"0": text}, "includes": {"0": {}}}
    try:
        made = Renderer(json.dumps(state)).text({"text": "hello"})
    except DataError:
        return
    # In SQL's sense a field of null is null; the others print a text of the row, or nothing.
    assert made in (None, "", "hello"), made


QUERIES = (
    "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "select id, (select count(*) from read_text('/etc/passwd')) as c from x",
    "select * from glob('/*')", "select id, getenv('HOME') as h from x", "select * from query('select 42')", "select * from query_table('x')",
    "select * from duckdb_secrets()", "select * from duckdb_settings()", "select id, current_setting('memory_limit') as h from x", "copy x to '/tmp/no.csv'",
    "attach '/tmp/no.db'", "install httpfs", "load httpfs", "set memory_limit = '1GB'", "pragma database_list", "select * from pragma_database_list()",
    "export database '/tmp/no'", "call pragma_version()", "select 1 as id; select 2 as id", "set variable a = 1", "select id, getvariable('a') as v from x",
    "select * from 'http://127.0.0.1:9/x.parquet'", "select * from read_parquet('/etc/passwd')", "select * from read_blob('/etc/passwd')",
    "select * from information_schema.tables", "select * from sqlite_master", "select * from temp.main.t0", "select * from json_execute_serialized_sql('x')",
    "select id, write_log('x') as l from x", "select * from sniff_csv('/etc/passwd')", "select * from parquet_metadata('/etc/passwd')", "select * from sys",
    "create macro f() as 1", "create view v as select 1", "explain analyze select * from x", "select id from x where exists (from '/etc/passwd')",
    "with y as (select * from read_csv_auto('/etc/passwd')) select * from y", "select * from x, lateral (select * from read_json('/etc/passwd'))",
    "select * from x union all select content from read_text('/etc/passwd')", "describe x", "summarize x", "use memory", "detach memory", "checkpoint",
    "select id, which_secret('a', 's3') as s from x", "select * from duckdb_extensions()", "select * from test_all_types()", "vacuum", "execute q",
    "insert into x values ('a')", "update x set id = 'b'", "delete from x", "drop table x", "truncate x", "select * from arrow_scan(1, 2, 3)",
)  # fmt: skip
TABLE = 'source x = csv("x.csv") { columns: { id: text, text: text } }\n'


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_reaches_beyond_its_inputs(lab: Any, query: str) -> None:
    lab.write("x.csv", "id,text\n1,a\n")
    assert any(d.severity == "error" for d in lab.check(f'{TABLE}sql s from x """{query}"""\n'))


@pytest.mark.parametrize(
    "name",
    [
        "read_text",
        "read_csv",
        "getenv",
        "query",
        "glob",
        "current_setting",
        "getvariable",
        "read_blob",
        "nextval",
        "which_secret",
        "write_log",
    ],
)
def test_no_expression_reaches_beyond_its_row(lab: Any, name: str) -> None:
    lab.write("x.csv", "id,text\n1,a\n")
    assert any(d.severity == "error" for d in lab.check(f'{TABLE}clean c from x {{ y = {name}("/etc/passwd") }}\n'))


def test_a_run_opens_what_the_recipe_names_and_nothing_else(lab: Any) -> None:
    """Whatever statement came to the database of a run: files are those of the sources and of the workspace, and settings stay."""
    import duckdb

    lab.write("x.csv", "id,text\n1,a\n")
    lab.write("y.csv", "id,text\n1,a\n")
    program = lab.sound(TABLE)
    with lab.open(files=program.files) as workspace:
        workspace.con.execute(f"SELECT * FROM read_csv('{lab.folder / 'x.csv'}')").fetchall()
        for statement in (
            f"SELECT * FROM read_csv('{lab.folder / 'y.csv'}')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
            f"COPY (SELECT 1) TO '{lab.folder / 'z.csv'}'", f"ATTACH '{lab.folder / 'z.db'}'", "LOAD httpfs", "INSTALL httpfs",
            "SET enable_external_access = true", "SET allowed_paths = ['/etc/passwd']", "SET allowed_directories = ['/']",
        ):  # fmt: skip
            with pytest.raises(duckdb.Error):
                workspace.con.execute(statement).fetchall()


PIECES = [*"ab\"'`;-/*\\\n\r\t{}[]()$%#.,:=|&<>é中\u202e\x1b", "--", "*/", "''", '""', "; drop table x", "' or 1=1 --"]
ODD = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=ODD.filter(lambda t: t.strip() == t and "`" not in t and t.isprintable() and "\\" not in t), value=ODD, reason=ODD, label=ODD)
def test_names_and_values_are_names_and_values(lab: Any, column: str, value: str, reason: str, label: str) -> None:
    """Columns, values, reasons and classes of any letters: what is in is what comes out, or a finding; never another statement."""

    def text(t: str) -> str:
        return json.dumps(t, ensure_ascii=False).replace("\\u001b", "\x1b")

    names = [column, "id"]
    lab.write("x.jsonl", json.dumps(dict(zip(names, [value, 1], strict=True)), ensure_ascii=False) + "\n")
    recipe = (
        f'source x = jsonl("x.jsonl") {{ key: id }}\nclean c from x {{ same = `{column}` == {text(value)}  drop where id > 5 as {text(reason)} }}\n'
        f'label l from c {{ classes: [{text(label)}, "other"]  when `{column}` == {text(value)} => {text(label)} as rule  combine: majority() }}\n'
    )
    program = lab.program(recipe)
    if program.findings.errors:
        return
    lab.run(recipe)
    assert lab.rows("SELECT same, l FROM l") == [(True, label)]
    assert {
        r[0] for r in lab.rows("SELECT table_name FROM duckdb_views() JOIN (VALUES ('x')) v(table_name) ON view_name = table_name")
    } == {"x"}


def test_a_step_named_like_a_statement(lab: Any) -> None:
    lab.write("x.csv", "id,text\n1,a\n")
    ran = (
        lab.run(TABLE + "clean `drop table x; --` from x { y = 1 }\n")
        if not lab.check(TABLE + "clean `drop table x; --` from x { y = 1 }\n")
        else None
    )
    assert ran is None or ran.rows("SELECT count(*) FROM x") == [(1,)]
    assert Path(lab.folder).exists()
