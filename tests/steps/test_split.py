"""``split``: parts by share, count, hash, group, near-duplicates, time, folds."""

from __future__ import annotations

from typing import Any

ROWS = 'recipe "r" { seed: 5 }\nsql t """select i as id, i % 7 as class, i // 10 as customer, timestamp \'2026-01-01\' + interval (i) hour as moment, \'text number \' || i as s from range(1000) r(i)""" { key: id }\n'


def sizes(ran: Any, split: str) -> dict[str, int]:
    built = ran[split].built
    assert built is not None
    return {p: ran.rows(f'select count(*) from "{split}"."{p}"')[0][0] for p in built.parts if p}


def test_shares_counts_and_the_rest(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      split a from t {{ train: 80%  validation: 10%  test: 10% }}
      split b from t {{ test: 100  train: rest }}
      split c from t {{ train: 50%  test: 10% }}
      split d from t {{ train: 33.3%  test: 33.3%  other: 33.4% }}
      split e from t {{ all_of_it: 100% }}
    """)
    assert sizes(ran, "a") == {"train": 800, "validation": 100, "test": 100}
    assert sizes(ran, "b") == {"test": 100, "train": 900}
    assert sizes(ran, "c") == {"train": 500, "test": 100}
    assert ran.dropped("c") == {"left out of every part": 400}
    assert ran.rows("select count(*) from c") == [(600,)]
    assert sizes(ran, "d") == {"train": 333, "test": 333, "other": 334}
    assert sizes(ran, "e") == {"all_of_it": 1000}
    assert ran.rows("select count(*) from a") == [(1000,)]
    assert ran.rows("select count(*) from a.train join a.test using (_key)") == [(0,)]
    assert ran["a"].built.extra["parts"] == [
        {"name": "train", "rows": 800, "wanted": 800.0}, {"name": "validation", "rows": 100, "wanted": 100.0}, {"name": "test", "rows": 100, "wanted": 100.0},
    ]  # fmt: skip


def test_stratified_to_within_a_row(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      clean u from t {{ class = case when class == 6 then null else class end }}
      split a from u {{ train: 70%  test: rest  stratify: class }}
      split b from u {{ train: 70%  test: rest  stratify: [class, customer % 2] }}
    """)
    for strata, name in (("class", "a"), ("class, customer % 2", "b")):
        rows = ran.rows(f"""
          select total * 0.7 - coalesce(got, 0) from (select {strata}, count(*) as total from u group by all) w
          left join (select {strata}, count(*) as got from {name}.train group by all) g on {" and ".join(f"w.{i} is not distinct from g.{i}" for i in ("class", '"(customer % 2)"')[: strata.count(",") + 1])}
        """)
        assert all(abs(r[0]) < 1 for r in rows), rows
        assert sizes(ran, name) == {"train": 700, "test": 300}


def test_groups_stay_together(lab: Any) -> None:
    ran = lab.run(
        f"{ROWS}split a from t {{ train: 80%  test: rest  group: customer }}\nsplit h from t {{ train: 80%  test: rest  group: customer  assign: hash }}"
    )
    for name in ("a", "h"):
        assert ran.rows(f"select count(*) from {name}.train a join {name}.test b using (customer)") == [(0,)]
    assert sizes(ran, "a") == {"train": 800, "test": 200}


def test_near_duplicates_stay_together(lab: Any) -> None:
    base = "the committee met on tuesday to discuss the new budget for the library and the school in the old town"
    rows = ", ".join(f"({i}, '{base if i % 2 else base.replace('budget', 'building')} in room {i // 2}')" for i in range(60))
    ran = lab.run(f"""
      sql t \"\"\"select * from (values {rows}) v(id, s)\"\"\" {{ key: id }}
      split a from t {{ train: 50%  test: rest  group: near_duplicates(s, near: 95%) }}
      split b from t {{ train: 50%  test: rest  group: near_duplicates(s, near: 50%) }}
    """)
    assert sizes(ran, "b") in ({"train": 60, "test": 0}, {"train": 0, "test": 60}), "all are alike, step by step"
    assert sum(sizes(ran, "a").values()) == 60


def test_by_time_the_earliest_first(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      split a from t {{ train: 80%  test: rest  time: moment }}
      split g from t {{ train: 80%  test: rest  time: moment  group: customer }}
    """)
    assert ran.rows("select (select max(moment) from a.train) < (select min(moment) from a.test)") == [(True,)]
    assert sizes(ran, "a") == {"train": 800, "test": 200}
    assert ran.rows("select count(*) from g.train join g.test using (customer)") == [(0,)]


def test_folds(lab: Any) -> None:
    ran = lab.run(f"{ROWS}split a from t {{ folds: 3  stratify: class }}\nclean k from a.fold_2 {{ keep where class == 1 }}")
    assert sorted(sizes(ran, "a").values()) == [333, 333, 334]
    assert set(sizes(ran, "a")) == {"fold_1", "fold_2", "fold_3"}


def test_hash_moves_no_row_when_rows_are_added(lab: Any) -> None:
    recipe = "split a from t { train: 70%  validation: 15%  test: rest  assign: hash }"
    ran = lab.run(ROWS + recipe)
    before = dict(
        ran.rows(
            "select id, part from (select id, 'train' as part from a.train union all select id, 'v' from a.validation union all select id, 't' from a.test)"
        )
    )
    assert 640 < sizes(ran, "a")["train"] < 760
    more = lab.run(ROWS.replace("range(1000)", "range(1500)") + recipe)
    after = dict(
        more.rows(
            "select id, part from (select id, 'train' as part from a.train union all select id, 'v' from a.validation union all select id, 't' from a.test)"
        )
    )
    assert len(after) == 1500
    assert all(after[i] == part for i, part in before.items())


def test_seed_and_salt(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      split a from t {{ train: 50%  test: rest }}
      split same from t {{ train: 50%  test: rest }}
      split other from t {{ train: 50%  test: rest  seed: 8 }}
      split inner from a.train {{ dev: 50%  rest_of_it: rest }}
    """)
    assert ran.rows("select count(*) from a.train join same.train using (id)") == [(500,)]
    assert ran.rows("select count(*) from a.train join other.train using (id)")[0][0] < 400
    assert sizes(ran, "inner") == {"dev": 250, "rest_of_it": 250}


def test_more_than_there_is(lab: Any) -> None:
    ran = lab.run(f"{ROWS}split a from t {{ train: 2000 }}", good=False)
    assert "2,000 rows of 1,000" in ran.error("a")
    ran = lab.run(f"{ROWS}split a from t {{ train: 990  test: 5% }}", good=False)
    assert "more than all rows" in ran.error("a")
