"""The formats of chat trainers: the columns, their Arrow types, and the rows that are refused.

What the trainers themselves make of these files stands in test_trl.py, test_axolotl.py and test_llama_factory.py, which are skipped where
they are not installed; what LLaMA-Factory's converter asks of a row is therefore restated here.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipec.api import DataError

CHAT = "STRUCT(role VARCHAR, content VARCHAR)[]"
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def turn(role, content, **more):
    return {"role": role, "content": content} | more


def said(*turns, type=CHAT):
    from recipec.api import literal

    return f"{literal(list(turns))}::{type}"


def chats(*rows, type=CHAT):
    return "SELECT unnest([" + ", ".join(said(*r, type=type) if r is not None else "NULL" for r in rows) + "]) AS messages"


GOOD = [
    [turn("system", "短"), turn("user", "q1"), turn("assistant", "a1"), turn("user", "q2"), turn("assistant", "a2")],
    [turn("user", "q"), turn("assistant", "a")],
]


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


# messages


def test_messages_are_role_and_content_and_nothing_else(export):
    rows = [[m | {"name": None, "tool_calls": None} for m in c] for c in GOOD]
    wide = "STRUCT(role VARCHAR, content VARCHAR, name VARCHAR, tool_calls JSON)[]"
    table = pq.read_table(export.make("messages", f"SELECT *, 7 AS day FROM ({chats(*rows, type=wide)})") / "train.parquet")
    assert table.schema.names == ["messages"]
    assert table.schema.field("messages").type == MESSAGES
    assert table["messages"].to_pylist() == GOOD


def test_messages_from_columns_of_text(export):
    sql = "SELECT * FROM (VALUES ('q', 'a', 's', 1), ('问', '答', NULL, 2)) t(q, a, s, id)"
    out = export.make("messages", sql, user="q", assistant="a", system="s", keep=["id"], single="sft.jsonl")
    assert jsonl(out / "sft.jsonl") == [
        {"id": 1, "messages": [turn("system", "s"), turn("user", "q"), turn("assistant", "a")]},
        {"id": 2, "messages": [turn("user", "问"), turn("assistant", "答")]},
    ]


def test_prompt_and_completion(export):
    table = pq.read_table(export.make("messages", chats(*GOOD), shape="prompt_completion") / "train.parquet")
    assert [f.type for f in table.schema] == [MESSAGES, MESSAGES]
    assert table.to_pylist() == [{"prompt": c[:-1], "completion": c[-1:]} for c in GOOD]


def test_roles_are_renamed_where_asked(export):
    rows = [[turn("human", "q"), turn("gpt", "a")]]
    out = export.make("messages", chats(*rows), roles={"human": "user", "gpt": "assistant"}, file="jsonl")
    assert jsonl(out / "train.jsonl") == [{"messages": GOOD[1]}]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (None, "1 row without `messages`"),
        ([], "1 row without `messages`"),
        ([turn("user", "q"), turn("assistant", None)], "1 row with a null role or content"),
        ([turn(None, "q"), turn("assistant", "a")], "1 row with a null role or content"),
        ([turn("human", "q"), turn("gpt", "a")], r"none of system, user, assistant, tool \(first: row 2, key k2: `human`\)"),
        ([turn("user", "q"), turn("system", "s"), turn("assistant", "a")], "a system message that is not the first"),
        ([turn("system", "s"), turn("user", "q")], "without an assistant's message"),
    ],
)
def test_rows_that_would_break_a_trainer_or_mislead_it(export, row, what):
    with pytest.raises(DataError, match=what) as caught:
        export.make("messages", chats(GOOD[0], row))
    assert "row 2, key k2" in caught.value.message
    assert caught.value.help


def test_all_kinds_of_bad_rows_are_counted_at_once(export):
    bad = [[], [turn("human", "q"), turn("assistant", "a")], [turn("gpt", "q"), turn("assistant", "a")]]
    with pytest.raises(DataError, match=r"1 row without .*; 2 rows with a role .* \(first: row 2, key k2: `human`\)"):
        export.make("messages", chats(*bad))


def test_a_conversation_must_end_with_the_completion(export):
    with pytest.raises(DataError, match="whose last message in `messages` is not the assistant's"):
        export.make("messages", chats([*GOOD[1], turn("user", "?")]), shape="prompt_completion")


@pytest.mark.parametrize(
    ("types", "arguments", "said"),
    [
        ({"text": "VARCHAR"}, {}, "there is no column `messages`"),
        ({"messages": "VARCHAR"}, {}, "`messages` is text, not a list of messages"),
        ({"messages": "STRUCT(role VARCHAR, content VARCHAR[])[]"}, {}, "not a list of messages"),
        ({"messages": 'STRUCT("from" VARCHAR, "value" VARCHAR)[]'}, {}, "not a list of messages"),
        ({"q": "VARCHAR"}, {"user": "q"}, "`user` and `assistant` belong together"),
        ({"q": "VARCHAR", "a": "BIGINT"}, {"user": "q", "assistant": "a"}, "`a` must be text, and is int"),
        ({"q": "VARCHAR", "a": "VARCHAR", "messages": CHAT}, {"user": "q", "assistant": "a", "column": "messages"}, "not from both"),
        ({"messages": CHAT, "s": "VARCHAR"}, {"system": "s"}, "`system` goes with"),
        ({"messages": CHAT, "i": "INTERVAL"}, {"keep": ["i"]}, "cannot hold column `i`"),
        ({"messages": CHAT}, {"keep": ["i"]}, "column `i` is not exported"),
    ],
)
def test_check_says_what_messages_need(export, types, arguments, said):
    problems = export.check("messages", types, **arguments)
    assert said in problems[0][0]
    assert problems[0][1]


# segments

SEGMENTS = pa.list_(pa.struct([("label", pa.bool_()), ("text", pa.string())]))


def test_segments_of_messages(export):
    table = pq.read_table(export.make("segments", chats(*GOOD)) / "train.parquet")
    assert table.schema.names == ["segments"]
    assert table.schema.field("segments").type == SEGMENTS
    first, second = table["segments"].to_pylist()
    assert [(s["label"], s["text"]) for s in second] == [
        (False, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"), (True, "a<|im_end|>"), (False, "\n")
    ]  # fmt: skip
    assert [s["text"] for s in first if s["label"]] == ["a1<|im_end|>", "a2<|im_end|>"]


def test_segments_in_other_marks(export):
    out = export.make("segments", chats(GOOD[1]), template="llama3", begin="<|begin_of_text|>", file="jsonl")
    head = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    assert jsonl(out / "train.jsonl") == [{"segments": [{"label": False, "text": head}, {"label": True, "text": "a<|eot_id|>"}]}]


def test_segments_refuse(export):
    with pytest.raises(DataError, match="1 row with nothing to train"):
        export.make("segments", chats(GOOD[0], GOOD[1][:1]))
    with pytest.raises(DataError, match=r"1 row without `a` \(first: row 2"):
        export.make("segments", "SELECT * FROM (VALUES ('q', 'a'), ('q', '')) t(q, a)", prompt="q", completion="a", folder="bare")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"train": ["bot"]}, "`train:` names `bot`, and the roles are"),
        ({"train": []}, "names no role"),
        ({"end": "</s>"}, "`end` has no place"),
        ({"prompt": "q"}, "belong together"),
        ({"prompt": "q", "completion": "a", "user": "q"}, "two kinds of data"),
        ({"prompt": "n", "completion": "a"}, "`n` must be text"),
    ],
)
def test_check_says_what_segments_need(export, arguments, said):
    types = {"messages": CHAT, "q": "VARCHAR", "a": "VARCHAR", "n": "INTEGER"}
    assert any(said in message for message, _ in export.check("segments", types, **arguments))


# sharegpt


def test_sharegpt(export):
    out = export.make("sharegpt", chats(*GOOD), single="chat.json")
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    assert json.loads((out / "chat.json").read_text(encoding="utf-8")) == [
        {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in c]} for c in GOOD
    ]


def test_sharegpt_takes_turns(export):
    with pytest.raises(DataError, match=r"user and assistant do not take turns in `messages` .*: `user, user, assistant`"):
        export.make("sharegpt", chats([turn("user", "a"), *GOOD[1]]))
    with pytest.raises(DataError, match="none of system, user, assistant"):
        export.make("sharegpt", chats([turn("user", "a"), turn("tool", "b"), turn("assistant", "c")]), folder="two")


# alpaca


def test_alpaca(export):
    sql = "SELECT * FROM (VALUES ('do', 'it', 'done', 1), ('做', NULL, '好', 2)) t(instruction, input, output, id)"
    out = export.make("alpaca", sql)
    assert jsonl(out / "train.jsonl") == [
        {"instruction": "do", "input": "it", "output": "done"},
        {"instruction": "做", "input": "", "output": "好"},
    ]


def test_alpaca_with_system_and_history_as_one_array(export):
    sql = """SELECT * FROM (VALUES ('do', 'done', 's', [['a', 'b']]), ('do', 'done', NULL, NULL)) t(q, a, system, past)"""
    out = export.make("alpaca", sql, instruction="q", output="a", history="past", file="json")
    assert json.loads((out / "train.json").read_text()) == [
        {"instruction": "do", "input": "", "output": "done", "system": "s", "history": [["a", "b"]]},
        {"instruction": "do", "input": "", "output": "done", "system": "", "history": []},
    ]


def test_alpaca_refuses(export):
    missing = [m for m, _ in export.check("alpaca", {"question": "VARCHAR"})]
    assert missing == ["there is no column `instruction`", "there is no column `output`"]
    types = {"instruction": "VARCHAR", "output": "BIGINT", "history": "VARCHAR[]"}
    assert [m for m, _ in export.check("alpaca", types)] == [
        "`output` must be text, and is int",
        "`history` is [text], not a list of [question, answer]",
    ]
    with pytest.raises(DataError, match="1 row without `output`"):
        export.make("alpaca", "SELECT 'a' AS instruction, NULL::VARCHAR AS output")
    with pytest.raises(DataError, match="that is not a pair of texts"):
        export.make("alpaca", "SELECT 'a' AS instruction, 'b' AS output, [['x']] AS history", folder="two")


# openai


def test_openai(export):
    out = export.make("openai", chats(*GOOD))
    assert jsonl(out / "train.jsonl") == [{"messages": c} for c in GOOD]


def test_openai_keeps_what_it_knows_and_only_where_it_is(export):
    wide = "STRUCT(role VARCHAR, content VARCHAR, weight INTEGER, tool_calls JSON, tool_call_id VARCHAR, mood VARCHAR)[]"
    call = '[{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]'
    empty = {"weight": None, "tool_calls": None, "tool_call_id": None, "mood": "x"}
    row = [
        turn("user", "q", **empty | {"weight": 1}),
        turn("assistant", None, **empty | {"tool_calls": call, "weight": 0}),
        turn("tool", "r", **empty | {"tool_call_id": "c1"}),
        turn("assistant", "a", **empty),
    ]
    sql = f'SELECT *, unnest([\'[{{"type": "function"}}]\', NULL]) AS tools FROM ({chats(row, type=wide)})'
    out = export.make("openai", sql, tools="tools")
    want = [
        turn("user", "q"),
        turn("assistant", None, tool_calls=json.loads(call), weight=0),
        turn("tool", "r", tool_call_id="c1"),
        turn("assistant", "a"),
    ]
    assert jsonl(out / "train.jsonl") == [{"messages": want, "tools": [{"type": "function"}]}, {"messages": want}]


def test_openai_refuses(export):
    wide = "STRUCT(role VARCHAR, content VARCHAR, weight INTEGER)[]"
    with pytest.raises(DataError, match="a weight other than 0 and 1"):
        export.make("openai", chats([turn("user", "q", weight=None), turn("assistant", "a", weight=2)], type=wide))
    with pytest.raises(DataError, match="whose last message"):
        export.make("openai", chats([*GOOD[1], turn("user", "?")]), folder="two")
    with pytest.raises(DataError, match="a null role or content"):
        export.make("openai", chats([turn("user", None), turn("assistant", "a")]), folder="three")
    assert "two kinds of data" in export.check("openai", {"messages": CHAT, "c": "VARCHAR"}, column="messages", chosen="c")[0][0]
    assert "not a list of functions" in export.check("openai", {"messages": CHAT, "t": "BIGINT"}, tools="t")[0][0]


# preferences

PAIRS = "SELECT * FROM (VALUES ('q', 'good', 'bad'), ('问', '好', '坏')) t(prompt, chosen, rejected)"
WHOLE = f"SELECT {said(*GOOD[0])} AS chosen, {said(*GOOD[0][:-1], turn('assistant', 'worse'))} AS rejected"


def test_preferences_from_text(export):
    table = pq.read_table(export.make("preference", PAIRS) / "train.parquet")
    assert {f.name: f.type for f in table.schema} == dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES)
    chosen, rejected = [turn("assistant", "好")], [turn("assistant", "坏")]
    assert table.to_pylist()[1] == {"prompt": [turn("user", "问")], "chosen": chosen, "rejected": rejected}


def test_preferences_as_two_whole_conversations(export):
    table = pq.read_table(export.make("preference", f"SELECT 7 AS id, * FROM ({PAIRS})", shape="implicit", keep=["id"]) / "train.parquet")
    assert table.to_pylist()[0] == {
        "id": 7,
        "chosen": [turn("user", "q"), turn("assistant", "good")],
        "rejected": [turn("user", "q"), turn("assistant", "bad")],
    }


def test_the_prompt_is_what_two_conversations_share(export):
    (row,) = pq.read_table(export.make("preference", f"SELECT 7 AS id, * FROM ({WHOLE})", keep=["id"]) / "train.parquet").to_pylist()
    assert row == {"id": 7, "prompt": GOOD[0][:-1], "chosen": GOOD[0][-1:], "rejected": [turn("assistant", "worse")]}


def test_kto(export):
    sql = "SELECT * FROM (VALUES ('q', 'a', true), ('q', 'b', false)) t(prompt, answer, good)"
    table = pq.read_table(export.make("preference", sql, completion="answer", label="good") / "train.parquet")
    assert table.schema.field("label").type == pa.bool_()
    assert table.to_pylist()[1] == {"prompt": [turn("user", "q")], "completion": [turn("assistant", "b")], "label": False}


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT 'q' AS prompt, 'a' AS chosen, 'a' AS rejected", "whose chosen and rejected answers are the same"),
        ("SELECT 'q' AS prompt, 'a' AS chosen, NULL::VARCHAR AS rejected", "1 row without `rejected`"),
        ("SELECT NULL::VARCHAR AS prompt, 'a' AS chosen, 'b' AS rejected", "1 row without `prompt`"),
        (f"SELECT 'q' AS prompt, * FROM ({WHOLE})", "where `chosen` is not the assistant's"),
        (f"SELECT {said(*GOOD[1])} AS prompt, 'a' AS chosen, 'b' AS rejected", "prompt does not end with the user"),
        (f"SELECT {said(*GOOD[0])} AS chosen, {said(*GOOD[1])} AS rejected", "without `prompt`"),
    ],
)
def test_pairs_that_teach_nothing_or_the_wrong_thing(export, sql, what):
    with pytest.raises(DataError, match=what):
        export.make("preference", sql)


def test_check_says_what_preferences_need(export):
    assert export.check("preference", {"prompt": "VARCHAR"})[0][0] == "there is no column `chosen`"
    assert "must be a whole conversation" in export.check("preference", {"chosen": "VARCHAR", "rejected": CHAT})[0][0]
    assert "must be text or messages" in export.check("preference", {"prompt": "BIGINT", "chosen": "VARCHAR", "rejected": "VARCHAR"})[0][0]
    assert "belong together" in export.check("preference", {"prompt": "VARCHAR", "a": "VARCHAR"}, completion="a")[0][0]
    rated = {"prompt": "VARCHAR", "a": "VARCHAR", "good": "BIGINT"}
    assert "must be true or false" in export.check("preference", rated, completion="a", label="good")[0][0]
    assert "take the place" in export.check("preference", rated, completion="a", label="good", chosen="a")[0][0]


def test_openai_preferences(export):
    sql = f"SELECT *, '[]' AS tools FROM ({PAIRS})"
    out = export.make("openai", sql, prompt="prompt", chosen="chosen", rejected="rejected", tools="tools")
    assert jsonl(out / "train.jsonl")[0] == {
        "input": {"messages": [turn("user", "q")], "tools": []},
        "preferred_output": [turn("assistant", "good")],
        "non_preferred_output": [turn("assistant", "bad")],
    }
    many = f"SELECT 'q' AS prompt, {said(*GOOD[0][2:])} AS chosen, 'b' AS rejected"
    with pytest.raises(DataError, match="several messages in `chosen`"):
        export.make("openai", many, prompt="prompt", chosen="chosen", rejected="rejected", folder="two")


# llama_factory


def accepted(row, entry):
    """What LLaMA-Factory's converter for its sharegpt formatting asks before it takes a row."""
    tags = entry["tags"]
    messages = row[entry["columns"]["messages"]]
    if messages and messages[0][tags["role_tag"]] == tags["system_tag"]:
        messages = messages[1:]
    sides = ((tags["user_tag"], tags["observation_tag"]), (tags["assistant_tag"], tags["function_tag"]))
    turns = all(m[tags["role_tag"]] in sides[i % 2] for i, m in enumerate(messages))
    return turns and len(messages) % 2 == (1 if entry.get("ranking") else 0) and messages != []


def test_llama_factory(export):
    out = export.make("llama_factory", {"train": chats(*GOOD), "validation": chats(GOOD[1])}, name="shop")
    info = json.loads((out / "dataset_info.json").read_text(encoding="ascii"))
    assert {k: v["file_name"] for k, v in info.items()} == {"shop_train": "train.jsonl", "shop_validation": "validation.jsonl"}
    entry = info["shop_train"]
    assert entry["formatting"] == "sharegpt"
    assert entry["tags"]["user_tag"] == "user"
    rows = jsonl(out / entry["file_name"])
    assert rows == [{"messages": c} for c in GOOD]
    assert all(accepted(r, entry) for r in rows)


def test_llama_factory_preferences(export):
    out = export.make("llama_factory", PAIRS, prompt="prompt", chosen="chosen", rejected="rejected", file="parquet")
    entry = json.loads((out / "dataset_info.json").read_text())["train"]
    assert entry["ranking"] is True
    assert entry["columns"] == {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}
    rows = pq.read_table(out / "train.parquet").to_pylist()
    assert rows[0] == {"messages": [turn("user", "q")], "chosen": turn("assistant", "good"), "rejected": turn("assistant", "bad")}
    assert all(accepted(r, entry) for r in rows)


def test_llama_factory_kto_in_shards(export):
    sql = f"SELECT *, true AS good FROM ({chats(*GOOD)})"
    out = export.make("llama_factory", sql, label="good", shards=2)
    entry = json.loads((out / "dataset_info.json").read_text())["train"]
    assert entry["columns"] == {"messages": "messages", "kto_tag": "kto_tag"}
    assert entry["file_name"] == "train"
    files = sorted((out / "train").iterdir())
    assert [f.name for f in files] == ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]
    assert all(r["kto_tag"] is True and accepted(r, entry) for f in files for r in jsonl(f))


def test_llama_factory_refuses_what_it_would_skip(export):
    with pytest.raises(DataError, match="do not take turns in `messages`"):
        export.make("llama_factory", chats([turn("assistant", "a")]))
    with pytest.raises(DataError, match="is not the assistant's"):
        export.make("llama_factory", chats([*GOOD[1], turn("user", "?")]), folder="two")
    with pytest.raises(DataError, match=r"llama_factory\(\) writes its data and dataset_info.json"):
        export.make("llama_factory", chats(*GOOD), single="x.jsonl", folder="three")
    assert "must be true or false" in export.check("llama_factory", {"messages": CHAT, "g": "VARCHAR"}, label="g")[0][0]


def test_the_same_bytes_with_any_number_of_threads(export, digest):
    sql = "SELECT [{'role': 'user', 'content': 'q' || i}, {'role': 'assistant', 'content': 'a'}] AS messages FROM range(8_000) r(i)"
    part = export.part("train", sql)
    for format in ("messages", "llama_factory", "segments"):
        seen = []
        for threads in (1, 4):
            export.con.execute(f"SET threads = {threads}")
            seen.append(digest(export.make(format, [part], folder=f"{format}{threads}")))
        assert seen[0] == seen[1]
