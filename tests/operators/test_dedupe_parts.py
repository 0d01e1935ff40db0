"""Lines and paragraphs that were seen before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HEAD = 'recipe "r" { seed: 1 }\n'


def table(texts: Sequence[str | None], name: str = "t") -> str:
    rows = ", ".join(f"({i}, {'null' if t is None else 'chr(0)' if t == chr(0) else repr_sql(t)})" for i, t in enumerate(texts))
    return f'sql {name} """select id::bigint as id, s::varchar as s from (values {rows}) v(id, s)""" {{ key: id }}\n'


def repr_sql(text: str) -> str:
    """SQL for a text, all on one line."""
    return "(" + " || ".join([*(f"chr({ord(c)})" for c in text), "''"]) + ")"


def order(ran: Any) -> list[int]:
    return [r[0] for r in ran.rows("select id from t order by _key")]


def expected(texts: list[str | None], ids: list[int]) -> dict[int, str | None]:
    """Lines by the definition; None for a text that goes."""
    seen: set[str] = set()
    made: dict[int, str | None] = {}
    for i in ids:
        text = texts[i]
        if text is None:
            continue
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        kept, gone = [], 0
        for line in lines:
            said = line.strip(" \t\u3000")
            if said and said in seen:
                gone += 1
                continue
            seen.add(said)
            kept.append(line)
        made[i] = text if not gone else ("\n".join(kept) if "".join(kept).strip(" \t\u3000") else None)
    return made


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)
@given(st.lists(st.one_of(st.none(), st.text("ab \n\r中😀", max_size=12)), min_size=1, max_size=12))
def test_lines_are_what_the_definition_says(lab: Any, tmp_path_factory: Any, texts: list[str | None]) -> None:
    here = type(lab)(tmp_path_factory.mktemp("lines"))
    ran = here.run(f"{HEAD}{table(texts)}clean k from t {{ dedupe(s, unit: line) }}")
    wanted = expected(texts, order(ran))
    assert {i: s for i, s in ran.rows("select id, s from k") if s is not None} == {i: s for i, s in wanted.items() if s is not None}
    assert sum(ran.dropped("k").values()) == Counter(wanted.values())[None]


def test_first_stays_and_the_rest_is_counted(lab: Any) -> None:
    texts = ["Home\nfirst text\nAbout", "Home\nsecond text\r\nAbout", " About \nHome", "", None, "\n\n", "中文标题\n正文"]
    ran = lab.run(f"{HEAD}{table(texts)}clean k from t {{ sort(id)  dedupe(s, unit: line) }}")
    assert ran.rows("select id, s from k order by id") == [
        (0, texts[0]),
        (1, "second text"),
        (3, ""),
        (4, None),
        (5, "\n\n"),
        (6, texts[6]),
    ]
    assert ran.dropped("k") == {"duplicate lines": 1}
    assert ran.rows("select because from recipec.dropped") == [("all its 2 lines were seen before",)]


def test_which_one_stays(lab: Any) -> None:
    texts = ["a line", "a line\nand a longer text", "A Line 7!", "a line 8"]
    ran = lab.run(f"""{HEAD}{table(texts)}
      clean longest from t {{ dedupe(s, unit: line, keep: longest) }}
      clean best from t {{ dedupe(s, unit: line, keep: best(id)) }}
      clean loose from t {{ sort(id)  dedupe(s, unit: line, loose: true) }}
      clean long from t {{ dedupe(s, unit: line, min_length: 7) }}
    """)
    assert ran.rows("select id, s from longest where id < 2") == [(1, "a line\nand a longer text")]
    assert ran.rows("select id, s from best where id < 2") == [(1, "a line\nand a longer text")]
    assert [r[0] for r in ran.rows("select id from loose order by id")] == [0, 1, 2]
    assert ran.rows("select s from loose where id = 1") == [("and a longer text",)]
    assert ran.rows("select count(*) from long") == [(4,)]


def test_paragraphs(lab: Any) -> None:
    texts = [
        "One para\nof two lines.\n\n  Second one.",
        "Third.\n \t\n\n  Second one.\n\nOne para\nof two lines.",
        "One para\n\nof two lines.",
    ]
    ran = lab.run(f"{HEAD}{table(texts)}clean k from t {{ sort(id)  dedupe(s, unit: paragraph) }}")
    assert ran.rows("select s from k order by id") == [(texts[0],), ("Third.",), (texts[2],)]


def test_lines_of_other_tables(lab: Any) -> None:
    texts = ["asked", "said\nasked"]
    ran = lab.run(f"""{HEAD}{table(texts)}{table(["asked"], "bench")}
      clean k from t {{ dedupe(s, unit: line, across: [bench]) }}
    """)
    assert ran.rows("select id, s from k") == [(1, "said")]


def test_one_row_of_very_many_lines(lab: Any) -> None:
    ran = lab.run(f'''{HEAD}sql t """select i as id, repeat('the same line' || chr(10), 200000) as s from range(2) r(i)""" {{ key: id }}
      clean k from t {{ dedupe(s, unit: line) }}''')
    assert ran.rows("select s from k") == [("the same line\n",)]
    assert ran.dropped("k") == {"duplicate lines": 1}


def test_one_step_and_two(lab: Any) -> None:
    texts = ["x\ny", "y\nz", "x", "w", "w\nx"]
    ran = lab.run(f"""{HEAD}{table(texts)}
      clean one from t {{ drop where s == "w"  dedupe(s, unit: line)  dedupe(s)  dedupe(s, near: 95%, by: simhash)  dedupe(s, unit: paragraph) }}
      clean a from t {{ drop where s == "w" }}
      clean b from a {{ dedupe(s, unit: line) }}
      clean c from b {{ dedupe(s) }}
      clean d from c {{ dedupe(s, near: 95%, by: simhash) }}
      clean e from d {{ dedupe(s, unit: paragraph) }}
    """)
    assert ran.rows("select * from one order by _key") == ran.rows("select * from e order by _key")


@pytest.mark.parametrize(("call", "said"), [
    ("dedupe(s, unit: line, near: 85%)", "two ways"),
    ("dedupe(s, id, unit: line)", "one column"),
    ("dedupe(id, unit: line)", "parts of a text"),
    ("dedupe(s, min_length: 3)", "unit: line"),
    ("dedupe(s, near: 80%, by: simhash)", "90%"),
    ("dedupe(s, by: simhash)", "near: 85%"),
    ("dedupe(s, meaning: 95%)", "with: m"),
    ("dedupe(s, unit: word)", "line"),
])  # fmt: skip
def test_what_cannot_be(lab: Any, call: str, said: str) -> None:
    found = lab.check(f"{HEAD}{table(['a'])}clean k from t {{ {call} }}")
    assert any(said in f"{d.message} {d.help}" for d in found), [d.message for d in found]
