"""A chain of statements in one step gives what the same statements give as steps of their own, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

ROWS = '''
recipe "r" { seed: 1 }
sql t """
  select i as id, case when i % 7 = 0 then null else i % 10 end as a, (i * 13) % 9 as b,
    case when i % 5 = 0 then null when i % 3 = 0 then 'x' || (i % 4) else cast(i % 11 as varchar) end as s,
    case when i % 6 = 0 then [] when i % 11 = 0 then null else range(i % 4) end as l
  from range(60) r(i)
""" { key: id }
'''
NUMBERS = st.sampled_from([
    "a", "b", "a + b", "b * 2 - 1", "coalesce(a, 0)", "length(s)", "try_cast(s as int)", "a % 3", "case when a > b then a else b end", "len(l)",
])  # fmt: skip
CONDITIONS = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), st.integers(0, 9)).map(lambda x: f"{x[0]} {x[1]} {x[2]}"),
    st.sampled_from([
        "s is null", 's like "x%"', "a in [1, 2, 3]", "s matches r/^\\d$/", "a is not null and b > 3", "not (a > 4)", "a between 2 and 7", "2 in l",
    ]),
)  # fmt: skip
STATEMENTS = st.one_of(
    st.tuples(st.sampled_from(["a", "b", "c", "d"]), NUMBERS).map(lambda x: f"{x[0]} = {x[1]}"),
    NUMBERS.map(lambda x: f"s = cast({x} as text)"),
    CONDITIONS.map(lambda c: f"keep where {c}"),
    CONDITIONS.map(lambda c: f'drop where {c} as "gone"'),
    st.sampled_from([
        "dedupe(a)", "dedupe(s, b)", "dedupe(s, unit: line)", "dedupe(s, unit: paragraph, keep: best(a))", "dedupe(s, near: 95%, by: simhash)", "dedupe(s, near: 60%)",
        "dedupe(b, keep: best(id))", "dedupe(s, keep: longest)", "sort(b, s)", "sort(a, descending: true)",
        "limit(20)", "limit(3)", "explode(l)", "sample(60%)", "sample(12)", "d = random()", "keep where random() < 0.7",
    ]),
)  # fmt: skip


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)
@given(st.lists(STATEMENTS, min_size=2, max_size=9))
@example(["keep where s is null", "sort(b, s)"])
@example(["sample(60%)", "explode(l)", "d = random()", "sample(12)", "keep where random() < 0.7"])
def test_one_step_and_many(lab: Any, tmp_path_factory: Any, statements: list[str]) -> None:
    here = type(lab)(Path(tmp_path_factory.mktemp("chain")))
    many = "\n".join(f"clean m{i} from {'t' if i == 0 else f'm{i - 1}'} {{ {s} }}" for i, s in enumerate(statements))
    recipe = f"{ROWS}{many}\nclean one from t {{\n{chr(10).join(statements)}\n}}"
    assume(not here.check(recipe))
    ran = here.run(recipe)
    last = f"m{len(statements) - 1}"
    assert ran.rows("select * from one order by _key") == ran.rows(f"select * from {last} order by _key")
    total = sum(sum(ran.dropped(f"m{i}").values()) for i in range(len(statements)))
    assert sum(ran.dropped("one").values()) == total
    one = ran.rows("select _key, reason from recipec.dropped where step = 'one' order by 1")
    assert one == ran.rows("select _key, reason from recipec.dropped where step <> 'one' order by 1")
