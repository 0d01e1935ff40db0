"""Templates at work: what they print, what of it is null, when steps run again, and what cannot be got past the sandbox."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from recipec.api import DataError
from recipec.templates.render import Renderer

if TYPE_CHECKING:
    from tests.conftest import Lab

TABLE = '''
sql t """select * from (values (1, 'a "q" <b> 中', [{text: '好', label: '褒'}, {text: 'x', label: 'y'}]), (2, null, null), (3, 'c', []))
  v(id, s, l)""" { key: id }
'''


def column(lab: Lab, template: str, call: str) -> list[Any]:
    ran = lab.run(f"{template}\n{TABLE}\nclean k from t {{ a = {call} }}")
    return [value for (value,) in ran.rows("select a from k order by id")]


def render(text: str, **values: Any) -> Any:
    params = [[name, "json"] for name in values]
    state = {"name": "ask", "params": params, "roles": None, "sources": {"0": text}, "includes": {"0": {}}}
    return Renderer(json.dumps(state)).text(values)


def test_loops_chinese_and_null(lab: Lab) -> None:
    template = '''template ask(text, examples) """
      {% for e in examples %}{{ e.text }} [SEP] {{ e.label }}
      {% endfor %}{{ text }} [SEP]
      """'''
    assert column(lab, template, "ask(s, examples: l)") == ['好 [SEP] 褒\nx [SEP] y\na "q" <b> 中 [SEP]', None, "c [SEP]"]


def test_null_that_the_template_asks_about(lab: Lab) -> None:
    template = 'template ask(text) """{% if text is none %}nothing{% else %}{{ text }}{% endif %}{{ text|default("!") }}"""'
    assert column(lab, template, "ask(s)")[1:] == ["nothing!", "cc"]


def test_chat(lab: Lab) -> None:
    template = '''template ask(text: text, n: int) { system """{% if n > 2 %}Brief.{% endif %}""" user """
      {{ text }} {{ n }}
      """ assistant "ok" }'''
    first, second, third = column(lab, template, "ask(s, id)")
    assert first == [{"role": "user", "content": 'a "q" <b> 中 1'}, {"role": "assistant", "content": "ok"}]
    assert second is None
    assert third[0] == {"role": "system", "content": "Brief."}


def test_values_of_all_types(lab: Lab) -> None:
    template = 'template ask(a, b, c, d, e) """{{ a }} {{ b + 1 }} {{ c }} {{ d.x[0] }} {{ e }} {{ d|tojson }}"""'
    call = 'ask(true, id, 0.5, {x: ["中"]}, cast("2024-02-03" as date))'
    assert column(lab, template, call)[0] == 'True 2 0.5 中 2024-02-03 {"x": ["中"]}'


def test_without_parameters_and_with_includes(lab: Lab) -> None:
    lab.write("common.recipe", 'template end(name) "{{ name }}!"\ntemplate greet(name) """Hello {% include "end" %}"""')
    template = '''import "common.recipe" as common
template end() "."
template ask(name) """{% include "common.greet" %}{% include "end" %}"""'''
    assert column(lab, template, "ask(s) || common.greet(s) || end()")[2] == "Hello c!.Hello c!."


def test_an_edit_runs_what_uses_it_again_and_says_why(lab: Lab) -> None:
    recipe = f'''
template inner(text) "{{{{ text }}}}"
template ask(text) """{{% include "inner" %}}?"""
template other(text) "{{{{ text }}}}"
{TABLE}
clean k from t {{ a = ask(s) }}
clean m from t {{ a = other(s) }}
'''
    lab.run(recipe)

    def plan(text: str) -> dict[str, str]:
        return {p.name: p.why for p in lab.plan(text).steps if p.status == "run"}

    assert plan(recipe + "# a remark\n") == {}
    assert plan(recipe.replace("ask(", "question(")) == {}
    assert plan(recipe.replace('"inner" %}?', '"inner" %}!')) == {"k": "column a: template `ask` changed"}
    assert plan(recipe.replace('inner(text) "', 'inner(text) "> ')) == {"k": "column a: template `ask` changed"}


def test_the_same_bytes_for_any_number_of_threads(lab: Lab) -> None:
    recipe = '''template ask(text, n) """{{ n }}: {{ text|upper }} {{ [text, n]|tojson }}"""
sql t """select i as id, 'text ' || i as s from range(20000) r(i)""" { key: id }
clean k from t { a = ask(s, id) }'''
    digests = []
    for threads in (1, 2):
        ran = lab.run(recipe + f"\n# {threads}", threads=threads)
        digests.append(ran.rows("select md5(string_agg(a, '|' order by id)), count(*) from k"))
        with lab.open() as workspace:
            workspace.con.execute("select 1")
        for path in sorted(lab.workspace.glob("work.duckdb*")):
            path.unlink()
    assert digests[0] == digests[1]


def test_a_mistake_of_a_row_is_told_with_its_values(lab: Lab) -> None:
    recipe = f'template ask(text) """\n  line one\n  {{{{ text.missing }}}}"""\n{TABLE}\nclean k from t {{ a = ask({{a: s}}) }}'
    ran = lab.run(recipe, good=False)
    assert "template `ask`, line 2 of its text: there is no field `missing`; there are: a" in ran.error("k")


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ x['__class__'] }}",
    "{{ x['__cla' ~ 'ss__'] }}",
    "{{ (x|list)['__class__'] }}",
    "{{ ().__class__.__bases__ }}",
    "{{ range.__globals__ }}",
    "{{ range.__call__.__func__ }}",
    "{{ range }}",
    "{{ [range]|string }}",
    "{{ [''.upper]|join }}",
    "{{ {'a': ''.upper}|tojson }}",
    "{{ ''.upper.__self__ }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{% macro f() %}{% endmacro %}{{ f.__globals__ }}",
    "{% macro f() %}{% endmacro %}{{ f._func }}",
    "{% macro f() %}{{ caller._environment }}{% endmacro %}{% call f() %}{% endcall %}",
    "{% macro f() %}{{ varargs.__class__ }}{{ kwargs.__class__ }}{% endmacro %}{{ f() }}",
    "{% for i in [1] %}{{ loop.__init__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop._iterable }}{% endfor %}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__ }}",
    "{{ namespace.__init__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}",
    "{{ [[]]|map(attribute='__class__')|list }}",
    "{{ [[]]|map(attribute='append')|list }}",
    "{{ ['a']|map('attr', '__class__')|list }}",
    "{{ [{'a': 1}]|sort(attribute='__class__') }}",
    "{{ [[]]|groupby('__class__') }}",
    "{{ [[]]|selectattr('__class__')|list }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ '%s' % 1 }}",
    "{{ [].append(1) }}",
    "{{ {}.update({}) }}",
    "{{ x.clear() }}",
    "{{ ''.encode() }}",
    "{{ ''.translate({}) }}",
    "{{ (1).bit_length() }}",
    "{{ (1.5).hex() }}",
    "{{ nope.__class__ }}",
    "{{ nope }}",
    "{{ x.nope }}",
    "{{ x.nope.more }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_no_way_to_pythons_insides(text: str) -> None:
    """As the template runs, without the check before it, which refuses what can be seen in its text."""
    with pytest.raises(DataError, match="template `ask`"):
        render(text, x={"a": 1})


@pytest.mark.parametrize("text", ["{{ x|attr('a') }}", "{{ x|random }}", "{{ x|pprint }}", "{{ x|format }}", "{{ x is callable }}"])
def test_filters_that_are_not_there(text: str) -> None:
    with pytest.raises(Exception, match=r"No (filter|test) named"):
        render(text, x="a")


ENDLESS = [
    "{% for i in range(10**9) %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}a{% endfor %}{% endfor %}",
    "{% set x %}{% for i in range(100000) %}{% for j in range(100000) %}a{% endfor %}{% endfor %}{% endset %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{{ 'a' * 10**10 }}",
    "{{ [1] * 10**10 }}",
    "{{ 10**10 * [1] }}",
    "{{ 2 ** (2 ** 40) }}",
    "{{ 10 ** 4000 * 10 ** 4000 }}",
    "{{ 'a'|center(10**10) }}",
    "{{ 'a'|indent(10**10) }}",
    "{{ ('a\n' * 1000000)|indent(1000) }}",
    "{{ 'a'|batch(10**10, 'x')|list }}",
    "{{ ['a']|slice(10**10)|list }}",
    "{{ ('a' * 100000)|replace('', 'b' * 100000) }}",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "{{ range(100000)|join('b' * 100000) }}",
    "{{ ('b' * 100000).join(['a'] * 100000) }}",
    "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% set a = 'x' * 1000000 %}{% set b = a ~ a ~ a ~ a ~ a %}{% set c = b ~ b ~ b ~ b ~ b %}{{ c }}",
    "{% set a = 'x' * 10000000 %}{% for i in range(100000) %}{% if a|upper == 'b' %}{% endif %}{% endfor %}",
]


@pytest.mark.parametrize("text", ENDLESS)
def test_no_template_runs_without_end(text: str) -> None:
    started = time.process_time()
    with pytest.raises(DataError, match="template `ask`"):
        render(text, x=1)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\n", "a"),
        ("a\n\n", "a\n"),
        ("{{ x }}", "<&中"),
        ("{{ x|tojson }}", '"<&中"'),
        ("{{ [1, none]|tojson }}", "[1, null]"),
        ("{{ none }}", None),
        ("{{ none ~ 'a' }}", None),
        ("{{ none|upper }}", None),
        ("{{ none.a.b }}", None),
        ("{{ none + 1 }}", None),
        ("{% for a in none %}{% endfor %}", None),
        ("{{ none|default('-') }}{{ nope|default('-') }}{{ ''|default('-', true) }}", "---"),
        ("{{ 'a,b'.split(',')|map('upper')|join('+') }}", "A+B"),
        ("{{ [1, 2]|map('string') }}", "['1', '2']"),
        (
            "{% for a in 'ab' %}{{ loop.index }}/{{ loop.length }}{{ loop.cycle('x', 'y') }}{{ ',' if not loop.last }}{% endfor %}",
            "1/2x,2/2y",
        ),
        ("{% for a in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{% for g in [{'k': 'a', 'v': 1}, {'k': 'a', 'v': 2}]|groupby('k') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}", "a2"),
        ("{% for i in range(2) %}{{ range(i)|length }}{% endfor %}", "01"),
        ("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m(1) %}!{% endcall %}", "12!"),
        ("{{ {'items': 3}.items }}{{ {'a': 1}.get('b', 7) }}", "37"),
        ("{% filter upper %}a{{ x }}{% endfilter %}", "A<&中"),
        ("{{ 7 // 2 }}{{ 7 % 4 }}{{ 1 / 4 }}{{ 2 ** 10 }}{{ 'ab' * 2 }}{{ 'a' + 'b' }}", "330.251024ababab"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_what_is_printed(text: str, printed: str | None) -> None:
    assert render(text, x="<&中") == printed


def test_jinja_is_imported_for_recipes_with_templates_alone() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from recipec.resolve.loading import load; from recipec.source import Source\n"
        "p = load(Source('x.recipe', '{}param a: int = 1\\n')); p.resolve(); print('jinja2' in sys.modules, 'pyarrow' in sys.modules)"
    )
    for text, wanted in (("", "False False"), ('template a(x) \\"{{ x }}\\"\\n', "True False")):
        done = subprocess.run([sys.executable, "-c", code.replace("{}", text, 1)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == wanted
