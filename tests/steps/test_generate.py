"""``generate`` as a user runs it: what rows and columns it makes, what an answer must be, what is counted and shown where it is not, budgets,
and that nothing is asked twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import Lab
from tests.models.server import Server, serving

HEAD = """recipe "r" { seed: 5 }
source rows = csv("rows.csv") { key: id  columns: { id: int, text: text } }
model lm = openai("m", base_url: env("LLM_URL"), seed: 1%s) { retries: 0 %s }
template ask(text) \"""About {{ text }}\"""
template chat(text) { system "Be brief." user \"""{{ text }}\""" }
template shown(text, examples) \"""{% for e in examples %}[{{ e.word }} {{ e.n }}] {% endfor %}{{ text }}\"""
""".replace("{% ", "{%% ").replace(" %}", " %%}")
Reply = Callable[[dict[str, Any]], tuple[str, str]]


def head(params: str = "", settings: str = "") -> str:
    return HEAD % (params, settings)


def asked(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def rows(lab: Lab, count: int = 6) -> None:
    lab.write("rows.csv", "id,text\n" + "".join(f"{n},thing {n}\n" for n in range(count)))


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, says: Reply, **told: Any) -> Iterator[Server]:
    with serving(says=says, **told) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield server


def plain(request: dict[str, Any]) -> tuple[str, str]:
    """The text asked about, and the seed that came with it."""
    return f"{asked(request)} / {request['seed']}", "stop"


def found(request: dict[str, Any]) -> dict[str, Any]:
    """A good answer of the form ``{ word: text, n: int }``."""
    return {"word": asked(request).split()[-1], "n": int(asked(request).split()[-1])}


def typed(request: dict[str, Any]) -> tuple[str, str]:
    return json.dumps(found(request)), "stop"


# What is made ---------------------------------------------------------------------------------------------------------


def test_one_answer_is_a_column_of_the_row(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    with answering(monkeypatch, plain):
        ran = lab.run(
            head()
            + """generate said from rows { with: lm  prompt: ask(text) }
            generate named from rows { with: lm  prompt: chat(text)  into: reply  reply = upper(reply) }"""
        )
    assert ran.rows("select text, said from said order by id limit 1") == [("thing 0", "About thing 0 / 1")]
    assert ran.rows("select count(*) from said join rows using (_key)") == [(6,)], "the rows keep their keys"
    assert ran.rows("select reply from named order by id limit 1") == [("THING 0 / 1",)]


def test_samples_are_rows_with_their_number_and_their_parent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    with answering(monkeypatch, plain) as server:
        ran = lab.run(head() + "generate said from rows { with: lm  prompt: ask(text)  into: reply  samples: 3  numbered: attempt }")
    assert server.number == 18
    # Every sample is asked with a seed of its own.
    assert ran.rows("select attempt, reply from said where id = 2 order by _key") == [(n, f"About thing 2 / {n}") for n in (1, 2, 3)]
    assert ran.rows("select count(*) from said s join rows r on s._parent = r._key where s.text = r.text") == [(18,)]


def test_typed_answers_become_typed_columns(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)

    def says(request: dict[str, Any]) -> tuple[str, str]:
        made = {
            "n": 3,
            "share": 0.5,
            "sure": True,
            "day": "2024-02-29",
            "tags": ["a", "好"],
            "who": {"name": "Ada", "age": 36},
            "extra": [1, None],
        }
        return json.dumps(made | {"text": "new"}), "stop"

    with answering(monkeypatch, says) as server:
        ran = lab.run(
            head()
            + "generate g from rows { with: lm  prompt: ask(text)  answer: { n: int, share: float, sure: bool, day: date, tags: [text],"
            " who: { name: text, age: int }, extra: json, text: text } }"
        )
    assert ran.rows("select n, share, sure, day::text, tags, who.age, extra::text, text from g limit 1") == [
        (3, 0.5, True, "2024-02-29", ["a", "好"], 36, "[1,null]", "new")
    ]
    schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["who"]["required"] == ["name", "age"]
    assert (schema["properties"]["day"], schema["additionalProperties"]) == ({"type": "string", "format": "date"}, False)


def test_a_list_makes_a_row_of_each_item_and_one_bad_item_leaves_the_others(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 3)

    def says(request: dict[str, Any]) -> tuple[str, str]:
        n = found(request)["n"]
        items = [{"word": f"w{n}{i}", "n": i} for i in range(3)]
        if n == 1:
            items[1]["n"] = "many"  # type: ignore[assignment]
        return (f"```json\n{json.dumps(items)}\n```" if n == 2 else json.dumps({"items": items})), "stop"

    with answering(monkeypatch, says):
        ran = lab.run(head() + "generate g from rows { with: lm  prompt: ask(text)  answer: [{ word: text, n: int }]  numbered: place }")
    assert ran.rows("select list(word order by place), list(place order by place) from g group by id order by id") == [
        (["w00", "w01", "w02"], [1, 2, 3]), (["w10", "w12"], [1, 3]), (["w20", "w21", "w22"], [1, 2, 3])
    ]  # fmt: skip
    assert ran.dropped("g") == {"not of the asked form": 1}
    assert lab.rows("select reason, text from recipec.bad") == [
        ("not of the asked form: `n` is no whole number", '{"word": "w11", "n": "many"}')
    ]


def test_an_answer_may_be_one_of_given_values(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    verdicts = [("A", 1, ["x"]), ("tie", 5, []), ("C", 1, ["x"]), ("B", 6, ["x"]), ("B", 2, ["x", "z"]), ("B", 2, ["y", "x"])]

    def says(request: dict[str, Any]) -> tuple[str, str]:
        better, score, tags = verdicts[found(request)["n"]]
        return json.dumps({"better": better, "score": score, "tags": tags}), "stop"

    with answering(monkeypatch, says) as server:
        ran = lab.run(
            head()
            + 'generate g from rows { with: lm  prompt: ask(text)  answer: { better: ["A", "B", "tie"], score: [1, 2, 3, 4, 5], tags: [["x", "y"]] } }'
        )
    assert ran.rows("select id, better, score, tags from g order by id") == [(0, "A", 1, ["x"]), (1, "tie", 5, []), (5, "B", 2, ["y", "x"])]
    assert sorted(r for (r,) in lab.rows("select reason from recipec.bad")) == [
        'not of the asked form: `better` is "C", none of A, B, tie',
        "not of the asked form: `score` is 6, none of 1, 2, 3, 4, 5",
        'not of the asked form: `tags` is "z", none of x, y',
    ]
    properties = server.requests[0]["response_format"]["json_schema"]["schema"]["properties"]
    assert properties["better"] == {"type": "string", "enum": ["A", "B", "tie"]}
    assert properties["tags"]["items"]["enum"] == ["x", "y"]


def test_statements_follow_and_near_copies_go(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    said = ["how do I dry a tent", "how do I dry a wet tent", "帐篷怎么晾干", "帐篷怎么晾干呢", "which stove is lightest", "x"]
    with answering(monkeypatch, lambda r: (json.dumps({"question": said[found(r)["n"]]}), "stop")):
        ran = lab.run(
            head()
            + """generate g from rows {
              with: lm  prompt: ask(text)  answer: { question: text }
              keep where rouge_l(question, others) < 70%
              drop where length(question) < 3 as "too short"
              long = length(question) > 20
              expect unique(question)
            }"""
        )
    assert ran.dropped("g") == {"not novel": 2, "too short": 1}
    assert ran.rows("select count(*) from g where long is not null") == [(3,)]


def test_prompts_that_are_null_are_not_asked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("rows.csv", "id,text\n0,a\n1,\n2,c\n")
    with answering(monkeypatch, plain) as server:
        ran = lab.run(head() + "generate g from rows { with: lm  prompt: ask(text) }")
        none = lab.run(
            head() + "clean no from rows { keep where id > 5 }\ngenerate g from no { with: lm  prompt: ask(text)  answer: { a: text } }"
        )
    assert server.number == 2
    assert ran.dropped("g") == {"no prompt": 1}
    assert none.rows("select count(*) from g") == [(0,)]


# Prompts --------------------------------------------------------------------------------------------------------------


def test_a_column_of_messages_goes_on_turn_after_turn(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 3)
    text = (
        head()
        + """
      clean talk from rows { messages = conversation(user: text, system: "Be kind.")  select(id, messages) }
      repeat 3 as turn {
        generate told from talk { with: lm  prompt: messages  into: said }
        clean talk from told {
          messages = list_append(list_append(messages, { role: "assistant", content: said }), { role: "user", content: "and then?" })
          select(id, messages)
        }
      }
    """
    )

    def says(request: dict[str, Any]) -> tuple[str, str]:
        return f"{len(request['messages'])} so far", "stop"

    with answering(monkeypatch, says) as server:
        ran = lab.run(text)
        assert [[m["role"] for m in r["messages"]] for r in server.requests][-1] == ["system", "user", *["assistant", "user"] * 2]
        again = lab.run(text)
    assert ran.rows("select list_transform(messages, lambda m: m.content) from talk where id = 1") == [
        (["Be kind.", "thing 1", "2 so far", "and then?", "4 so far", "and then?", "6 so far", "and then?"],)
    ]
    assert server.number == 9
    assert set(again.statuses.values()) == {"reused"}


def test_a_column_of_text_and_messages_with_gaps(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 3)
    text = (
        head()
        + """
      clean odd from rows {
        messages = case id
          when 0 then [{ role: "user", content: text, name: "Ada" }]
          when 1 then [{ role: "user", content: null, name: "Ada" }]
          else []
        end
      }
      generate a from odd { with: lm  prompt: messages  into: said }
      generate b from rows { with: lm  prompt: text  into: said }
    """
    )
    with answering(monkeypatch, plain) as server:
        ran = lab.run(text)
        assert {"messages": [{"role": "user", "content": "thing 0"}]}.items() <= server.requests[0].items(), "no name is sent"
    assert ran.dropped("a") == {"no prompt": 2}
    assert ran.rows("select said from b order by id limit 1") == [("thing 0 / 1",)]


POOL = """
source words = csv("words.csv") { key: word  columns: { n: int, word: text } }
generate g from rows { with: lm  prompt: shown(text)  examples: random(words, k: 4) }
"""


def test_examples_are_drawn_for_every_row_by_the_seed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 20)
    lab.write("words.csv", "n,word\n" + "".join(f"{n},词{n}\n" for n in range(12)))
    with answering(monkeypatch, lambda r: (asked(r), "stop")) as server:
        ran = lab.run(head() + POOL)
        drawn = [tuple(re.findall(r"\[词(\d+) (\d+)\]", said)) for (said,) in ran.rows("select g from g order by id")]
        assert all(len(d) == len(set(d)) == 4 and all(a == b for a, b in d) for d in drawn), "four different rows, whole"
        assert len(set(drawn)) > 15, "others for every row"
        counts = [sum((str(n), str(n)) in d for d in drawn) for n in range(12)]
        assert min(counts) >= 1
        other = type(lab)(lab.folder / "again")
        other.write("words.csv", "n,word\n" + "".join(f"{n},词{n}\n" for n in reversed(range(12))))
        other.write("rows.csv", (lab.folder / "rows.csv").read_text())
        shuffled = other.run(head() + POOL, threads=1)
        assert shuffled.rows("select g from g order by id") == ran.rows("select g from g order by id"), "nor threads nor order count"
        before = server.number
        changed = lab.run((head() + POOL).replace("seed: 5", "seed: 6"))
        assert changed.rows("select g from g order by id") != shuffled.rows("select g from g order by id")
        assert server.number > before
        fixed = lab.run(head() + POOL.replace("random", "fixed"))
        assert len({re.sub(r"thing.*", "", g) for (g,) in fixed.rows("select g from g")}) == 1


def test_no_row_is_its_own_example_and_a_small_pool_is_shown_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 5)
    text = (
        head()
        + """
      clean pool from rows { word = text  n = id }
      generate g from pool { with: lm  prompt: shown(text)  examples: random(pool, k: 9) }
    """
    )
    with answering(monkeypatch, lambda r: (asked(r), "stop")):
        ran = lab.run(text)
        for n, said in ran.rows("select id, g from g order by id"):
            assert sorted(map(int, re.findall(r"\[thing (\d)", said))) == [i for i in range(5) if i != n]
        empty = lab.run(text.replace("n = id }", "n = id  keep where id < 0 }").replace("from pool", "from rows"), good=False)
    assert empty.error("g") == "`pool` has no rows to show as examples"


LIKE = """
source words = csv("words.csv") { key: word  columns: { n: int, word: text, body: text } }
generate g from rows { with: lm  prompt: shown(text)  examples: nearest(words, k: 2, text: body) }
"""


def test_the_nearest_examples(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.engines.estimate import estimates
    from recipec.plan.planner import make_plan

    bodies = ["the weather is fine", "fine weather today", "stocks fell on friday", "banks and stocks", "今天天气很好", "今天天气不好"]
    lab.write("words.csv", "n,word,body\n" + "".join(f"{n},w{n},{body}\n" for n, body in enumerate(bodies)))
    lab.write(
        "rows.csv",
        "id,text\n" + "".join(f"{n},{t}\n" for n, t in enumerate(["is the weather fine", "stocks of banks", "今天天气好", "zzz"])),
    )
    with answering(monkeypatch, lambda r: (asked(r), "stop")):
        ran = lab.run(head() + LIKE)
        drawn = [re.findall(r"\[w(\d) ", said) for (said,) in ran.rows("select g from g order by id")]
        assert drawn[0] == ["1", "0"], "the most alike last"
        assert [set(d) for d in drawn[1:3]] == [{"2", "3"}, {"4", "5"}]
        assert len(drawn[3]) == 2, "where nothing is alike, some"
        program = lab.sound(head() + LIKE)
        with lab.open() as workspace:
            workspace.drop(workspace.current("test.recipe")["g"])
            (told,) = estimates(make_plan(program, workspace), workspace)["g"]
        assert (told.calls, told.in_ledger) == (0, 4), "a plan makes the same prompts"
        diverse = lab.run(head() + LIKE.replace("nearest(words", "diverse(words, balance: 0.9"))
        assert len(diverse.rows("select g from g")) == 4
        own = lab.run(
            head()
            + """generate g from rows { with: lm  prompt: shown(text)  examples: nearest(other, k: 3) }
          clean other from rows { word = text  n = id }"""
        )
        for n, said in own.rows("select id, g from g order by id"):
            assert str(n) not in re.findall(r" (\d)\]", said), "no row is its own example"


def test_a_plan_counts_what_a_run_asks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.engines.estimate import estimates
    from recipec.plan.planner import make_plan

    rows(lab, 7)
    lab.write("words.csv", "n,word\n1,a\n2,b\n3,c\n")
    text = head() + POOL + "generate h from rows { with: lm  prompt: text  into: said  samples: 2 }"
    with answering(monkeypatch, plain) as server:
        lab.run(text, only=["rows", "words"])

        def counts() -> dict[str, tuple[Any, Any]]:
            program = lab.sound(text)
            with lab.open() as workspace:
                return {s: (e[0].calls, e[0].in_ledger) for s, e in estimates(make_plan(program, workspace), workspace).items()}

        assert counts() == {"g": (7, 0), "h": (14, 0)}
        lab.run(text)
        assert server.number == 21
        with lab.open() as workspace:
            for step in ("g", "h"):
                workspace.drop(workspace.current("test.recipe")[step])
        assert counts() == {"g": (0, 7), "h": (0, 14)}, "the same prompts: all are in the ledger"
        lab.run(text)
        assert server.number == 21


# What makes no row ----------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[tuple[str, str], str, str]] = {
    "no JSON": (("Sure! Here you are.", "stop"), "not of the asked form", "no JSON"),
    "an array": (('[{"word": "a", "n": 1}]', "stop"), "not of the asked form", "it is no object"),
    "a field missing": (('{"word": "a"}', "stop"), "not of the asked form", "`n` is missing"),
    "a wrong type": (('{"word": "a", "n": "1"}', "stop"), "not of the asked form", "`n` is no whole number"),
    "a null": (('{"word": null, "n": 1}', "stop"), "not of the asked form", "`word` is no text"),
    "too large": (('{"word": "a", "n": 123456789012345678901234567890}', "stop"), "not of the asked form", ""),
    "cut off": (('{"word": "a", "n": 1}', "length"), "cut off", "it reached max_tokens"),
    "empty": (("", "stop"), "empty", ""),
    "blank": (("  \n", "stop"), "empty", ""),
    "refused": (("I will not.", "refusal"), "refused", ""),
    "filtered": (("...", "content_filter"), "refused", ""),
    "deep": (("[" * 100_000, "stop"), "not of the asked form", "no JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_answer_costs_its_row_alone_and_is_shown(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows(lab)
    bad, reason, detail = BAD[name]
    with answering(monkeypatch, lambda r: bad if asked(r).endswith("3") else typed(r)):
        ran = lab.run(head() + "generate g from rows { with: lm  prompt: ask(text)  answer: { word: text, n: int } }")
    assert ran.rows("select n from g order by n") == [(0,), (1,), (2,), (4,), (5,)]
    assert ran.dropped("g") == {reason: 1}
    ((file, said, text),) = lab.rows("select file, reason, text from recipec.bad")
    assert (file, text) == ("model lm", bad[0])
    assert said.startswith(f"{reason}: {detail}" if detail else reason)
    built = ran["g"].built
    assert built is not None
    assert any("recipec bad g" in note for note in built.notes)


@pytest.mark.parametrize("name", ["cut off", "empty", "blank", "refused", "filtered"])
def test_a_plain_answer_that_is_none_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows(lab)
    bad, reason, _ = BAD[name]
    with answering(monkeypatch, lambda r: bad if asked(r).endswith("3") else plain(r)):
        ran = lab.run(head() + "generate g from rows { with: lm  prompt: ask(text) }")
        assert (ran.dropped("g"), ran.rows("select count(*) from g")) == ({reason: 1}, [(5,)])
        kept = lab.run(head() + "generate g from rows { with: lm  prompt: ask(text)  cut_off: keep }")
        assert kept.dropped("g") == ({} if name == "cut off" else {reason: 1})


@pytest.mark.parametrize(
    ("type", "value"), [("date", "the day after"), ("timestamp", "noon"), ("[date]", ["2024-01-01", "?"]), ("{ a: date }", {"a": "?"})]
)
def test_a_value_that_its_type_does_not_take(lab: Lab, monkeypatch: pytest.MonkeyPatch, type: str, value: Any) -> None:
    rows(lab)
    good: Any = {"date": "2024-01-01", "timestamp": "2024-01-01 10:00:00", "[date]": ["2024-01-01"]}.get(type, {"a": "2024-01-01"})
    with answering(monkeypatch, lambda r: (json.dumps({"d": value if asked(r).endswith("3") else good}), "stop")):
        ran = lab.run(head() + f"generate g from rows {{ with: lm  prompt: ask(text)  answer: {{ d: {type} }} }}")
    assert ran.dropped("g") == {"not of the asked form": 1}
    assert ran.rows("select count(d) from g") == [(5,)]
    assert lab.rows("select count(*) from recipec.bad where len(reason) > 30") == [(1,)]


def test_a_filter_may_give_the_reason_that_the_server_gave(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    refused = {"1": ("No.", "refusal"), "2": ("I'm sorry, I cannot.", "stop")}
    with answering(monkeypatch, lambda r: refused.get(asked(r)[-1], plain(r))):
        ran = lab.run(head() + 'generate g from rows { with: lm  prompt: ask(text)  drop where g matches r/sorry/ as "refused" }')
    assert ran.dropped("g") == {"refused": 2}


def test_answers_that_are_mostly_bad_fail_the_step_and_stay_to_be_looked_at(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    text = (
        head()
        + "generate g from rows { with: lm  prompt: ask(text)  answer: { word: text, n: int } }\nclean after from g { keep where true }"
    )
    with answering(monkeypatch, lambda r: typed(r) if asked(r).endswith("3") else ("Sure!", "stop")) as server:
        ran = lab.run(text, good=False)
        assert ran.error("g") == "5 of 6 answers of `lm` make no row; the first: not of the asked form: no JSON"
        assert ran.statuses["after"] == "skipped"
        assert lab.rows("select count(*) from recipec.bad") == [(5,)]
        allowed = lab.run(text.replace("prompt: ask(text)", "prompt: ask(text)  max_bad: 90%"))
        assert allowed.rows("select count(*) from after") == [(1,)]
        assert server.number == 6, "nothing was asked twice"


def test_a_server_that_takes_no_schema_is_asked_without(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    text = head() + "generate g from rows { with: lm  prompt: ask(text)  answer: { word: text, n: int } }"
    with answering(monkeypatch, typed, refuse_json_schema=True) as server:
        ran = lab.run(text)
        forms = {(r.get("response_format") or {}).get("type") for r in server.requests}
    assert "json_object" in forms
    assert ran.rows("select count(*) from g") == [(6,)]
    with answering(monkeypatch, typed) as server:
        lab.run(text.replace("prompt: ask(text)", "prompt: ask(text)  constrain: false"))
        assert not any("response_format" in r for r in server.requests)


# No answer, budgets, resuming -----------------------------------------------------------------------------------------


def test_rows_without_an_answer_are_counted_and_asked_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    text = head() + "generate g from rows { with: lm  prompt: ask(text)  max_failed: 50% }"
    with answering(monkeypatch, plain, bad_words="thing 3") as server:
        ran = lab.run(text)
        assert ran.dropped("g") == {"no answer": 1}
        assert "bad words" in lab.rows("select reason from recipec.bad")[0][0]
        server.behaviour.bad_words = ""
        again = lab.run(text)
        assert again.rows("select count(*) from g") == [(6,)]
        assert server.number == 7, "only the one is asked again"
        assert set(lab.run(text).statuses.values()) == {"reused"}


def test_too_many_without_an_answer_fail_and_what_was_answered_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab)
    text = head() + "generate g from rows { with: lm  prompt: ask(text) }"
    with answering(monkeypatch, plain, bad_words="thing 3") as server:
        ran = lab.run(text, good=False)
        assert ran.error("g").startswith("1 of 6 prompts got no answer from `lm`: refused: ")
        server.behaviour.bad_words = ""
        lab.run(text)
        assert server.number == 7


def test_a_budget_stops_and_a_greater_one_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 40)
    limited = head(", max_tokens: 20", "concurrency: 1  budget_tokens: 300")
    step = "generate g from rows { with: lm  prompt: ask(text) }"
    with answering(monkeypatch, plain) as server:
        ran = lab.run(limited + step, good=False)
        assert "budget" in ran.error("g")
        paid = server.number
        assert 0 < paid < 40
        more = lab.run(limited.replace("300", "100_000") + step)
        assert more.rows("select count(*) from g") == [(40,)]
        assert server.number == 40, "what was paid is not paid again"


def test_more_rows_or_samples_ask_only_for_these(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 6)
    step = "generate g from rows { with: lm  prompt: ask(text)  samples: %d  into: said }"
    with answering(monkeypatch, plain) as server:
        lab.run(head() + step % 2)
        rows(lab, 8)
        lab.run(head() + step % 2)
        assert server.number == 16
        lab.run(head() + step % 3)
        assert server.number == 24


def test_the_same_bytes_whatever_order_answers_come_in(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(lab, 60)
    text = (
        head()
        + """generate g from rows {
      with: lm  prompt: ask(text)  answer: [{ word: text, n: int }]  samples: 2  numbered: s
      keep where rouge_l(word, others) < 90%
    }"""
    )

    def says(request: dict[str, Any]) -> tuple[str, str]:
        n = found(request)["n"]
        return json.dumps([{"word": f"word {(n * i) % 7} of {n % 5}", "n": n if n % 4 else "?"} for i in range(3)]), "stop"

    results = []
    for threads, spread in ((1, 0.0), (2, 0.9)):
        place = type(lab)(lab.folder / str(threads))
        rows(place, 60)
        with answering(monkeypatch, says, latency=0.002, spread=spread):
            ran = place.run(text, threads=threads)
        results.append((ran.rows("select * from g order by _key"), ran.dropped("g"), place.rows("select reason, text from recipec.bad")))
    assert results[0] == results[1]


# What does not check --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("generate g from rows { with: lm }", "`generate` needs `prompt`"),
        ("generate g from rows { prompt: ask(text) }", "`generate` needs `with`"),
        ("generate g from rows { with: lm  prompt: aks(text) }", "no template `aks`"),
        ("generate g from rows { with: lm  prompt: ask }", "`ask` needs `text`"),
        ("generate g from rows { with: lm  prompt: id }", "`prompt` is a text or messages; `id` is int"),
        ('generate g from rows { with: lm  prompt: "hello" }', "`prompt` is a template with its arguments, or a column"),
        ("generate g from rows { with: lm  prompt: ask(text)  answer: text }", "`answer` gives the fields of an answer and their types"),
        ("generate g from rows { with: lm  prompt: ask(text)  answer: { a: txt } }", "no type `txt`"),
        ("generate g from rows { with: lm  prompt: ask(text)  answer: { a: text, a: int } }", "the field `a` is listed twice"),
        ('generate g from rows { with: lm  prompt: ask(text)  answer: { a: ["x", "x"] } }', "`a` lists a value twice"),
        ('generate g from rows { with: lm  prompt: ask(text)  answer: { a: ["x", 1] } }', "no type"),
        ("generate g from rows { with: lm  prompt: ask(text)  into: text }", "`rows` has a column `text` already"),
        ("generate g from rows { with: lm  prompt: ask(text)  numbered: text }", "there is a column `text` already"),
        ("generate g from rows { with: lm  prompt: ask(text)  samples: 0 }", "samples"),
        ("generate g from rows { with: lm  prompt: ask(text)  smaples: 2 }", "`generate` has no setting `smaples`"),
        ("generate g from rows { with: lm  prompt: shown(text) }", "`shown` needs `examples`"),
        ("generate g from rows { with: lm  prompt: ask(text)  examples: random(rows) }", "`ask` has no open parameter `examples`"),
        ("generate g from rows { with: lm  prompt: shown(text)  examples: nearst(rows) }", "no choice of examples `nearst`"),
        ("generate g from rows { with: lm  prompt: shown(text)  examples: nearest(rows, text: body) }", "`rows` has no column `body`"),
        ("generate g from rows { with: lm  prompt: shown(text)  examples: nearest(rows, with: lm) }", "`lm` does not embed texts"),
        ("generate g from rows { with: lm  prompt: shown(text)  examples: random(nobody) }", "nobody"),
        ("generate g from rows { with: rows  prompt: ask(text) }", "`rows` is a source, not a model"),
        ("generate g from rows { with: lm  prompt: ask(text)  answer: { a: text }  keep where b == 1 }", "no column `b`"),
    ],
)
def test_what_does_not_check(lab: Lab, step: str, message: str) -> None:
    rows(lab)
    errors = [d for d in lab.check(head() + step) if d.severity == "error"]
    assert [message in d.message for d in errors] == [True], [f"{d.message} {d.help}" for d in errors]
