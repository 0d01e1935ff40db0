"""Readers of answers, and what the exporters' own tasks look like when they come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXPORT = """
recipe "r" {{ version: "1.0.0" }}
source pool = jsonl("pool.jsonl") {{ key: id }}
export out from pool {{ to: "tasks"  format: {format} }}
"""
POOL = [{"id": "a", "text": "Ada in 北京 😀 now", "tokens": ["Ada", "in", "北京"]}, {"id": "b", "text": "nothing", "tokens": ["nothing"]}]


def exported(lab: Any, format: str) -> list[dict[str, Any]]:
    lab.write("pool.jsonl", "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in POOL))
    lab.run(EXPORT.format(format=format))
    found: list[dict[str, Any]] = json.loads(next((lab.folder / "tasks").glob("*.json")).read_text(encoding="utf-8"))
    return found


def rows(lab: Any, source: str, columns: str = "item, worker, answer") -> list[tuple[Any, ...]]:
    lab.run(f'recipe "r" {{ version: "1.0.0" }}\nsource said = {source} {{ max_bad: 100% }}\n')
    found: list[tuple[Any, ...]] = lab.rows(f"SELECT {columns} FROM said ORDER BY ALL")
    return found


def bad(lab: Any) -> list[str]:
    return [r[0] for r in lab.rows("SELECT reason FROM recipec.bad ORDER BY row")]


def test_answers_are_rows(lab: Any) -> None:
    lab.write(
        "l.jsonl",
        '{"item": 7, "worker": "ann", "answer": "games"}\n{"item": ["x", "y"], "worker": "王", "answer": null}\n'
        '{"item": "n", "worker": "ann", "spans": [[1, 3, "PER"]], "tokens": 4}\n{"item": "m", "worker": "ann", "answer": ["a", "b"]}\n'
        '{"item": 7, "worker": "ann", "answer": "games"}\n',
    )
    assert rows(lab, 'annotations("l.jsonl")', "item, worker, answer, answers, tags") == [
        ("7", "ann", "games", ["games"], None),
        ("m", "ann", None, ["a", "b"], None),
        ("n", "ann", None, None, ["O", "B-PER", "I-PER", "O"]),
        ("x\x1fy", "王", None, None, None),
    ]


def test_what_one_person_says_twice_otherwise_is_set_aside(lab: Any) -> None:
    lab.write("a.jsonl", '{"item": "1", "worker": "ann", "answer": "x"}\n{"item": "1", "worker": "bob", "answer": "x"}\n')
    lab.write("b.jsonl", '{"item": "1", "worker": "ann", "answer": "y"}\n>>>>>>> theirs\n')
    assert rows(lab, 'annotations(["a.jsonl", "b.jsonl"])') == [("1", "bob", "x")]
    assert sorted(bad(lab)) == [
        "ann gave this row 2 different answers", "ann gave this row 2 different answers",
        "git left a conflict here: keep the lines of both sides, and take out the marks",
    ]  # fmt: skip


def test_an_empty_file_has_no_answers(lab: Any) -> None:
    lab.write("l.jsonl", "")
    assert rows(lab, 'annotations("l.jsonl")') == []


def annotation(value: list[dict[str, Any]], by: object, **more: Any) -> dict[str, Any]:
    """An annotation with the fields that Label Studio's documentation of its export shows."""
    return {
        "id": 9, "completed_by": by, "result": value, "was_cancelled": False, "ground_truth": False, "created_at": "2021-03-09T22:16:08.728353Z",
        "lead_time": 4.2, "result_count": 0, "task": 1, **more,
    }  # fmt: skip


def test_label_studio_there_and_back(lab: Any) -> None:
    tasks = exported(lab, "label_studio(text: text, keep: [id])")
    choice = {"from_name": "label", "to_name": "text", "type": "choices", "origin": "manual", "id": "x1"}
    for task, chosen in zip(tasks, ["games", "sound"], strict=True):
        task |= {"id": 1, "project": 3, "annotations": [annotation([{**choice, "value": {"choices": [chosen]}}], 10)]}
    user = {"id": 11, "email": "ann@example.org", "first_name": "", "last_name": ""}
    tasks[0]["annotations"] += [
        annotation([{**choice, "value": {"choices": ["games", "sound"]}}], user),
        annotation([], {"id": 12}, was_cancelled=True),
        annotation([{**choice, "from_name": "quality", "value": {"choices": ["bad"]}}], 13),
    ]
    lab.write("export.json", json.dumps(tasks, ensure_ascii=False))
    assert rows(lab, 'label_studio("export.json", item: id, name: "label")', "item, worker, answer, answers") == [
        ("a", "10", "games", ["games"]),
        ("a", "12", None, None),
        ("a", "13", None, None),
        ("a", "ann@example.org", None, ["games", "sound"]),
        ("b", "10", "sound", ["sound"]),
    ]


def test_label_studio_spans_there_and_back(lab: Any) -> None:
    tasks = exported(lab, "label_studio(text: text, keep: [id])")
    text = tasks[0]["data"]["text"]
    start = text.index("北京")
    value = {"start": start, "end": start + 2, "text": "北京", "labels": ["LOC"]}
    tasks[0]["annotations"] = [annotation([{"from_name": "label", "to_name": "text", "type": "labels", "value": value}], 1)]
    tasks[1]["annotations"] = [annotation([], 1)]
    lab.write("export.json", json.dumps(tasks))
    assert rows(lab, 'label_studio("export.json", item: id)', "item, spans") == [
        ("a", [{"start": start, "end": start + 2, "tag": "LOC"}]),
        ("b", []),
    ]


def test_label_studio_tasks_that_give_nothing(lab: Any) -> None:
    """Predictions are no answers; a task without its key, JSON-MIN and places in markup are named."""
    html = {
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": "/p[1]/text()[1]", "end": "/p[1]", "labels": ["A"]},
    }
    lab.write(
        "export.json",
        json.dumps(
            [
                {"data": {"id": "a"}, "predictions": [{"result": []}], "annotations": []},
                {"data": {"text": "x"}, "annotations": [annotation([], 1)]},
                {"id": 3, "text": "x", "label": "games", "annotator": 1},
                {"data": {"id": "c"}, "annotations": [annotation([html], 1), 5]},
                7,
            ]
        ),
    )
    assert rows(lab, 'label_studio("export.json")') == []
    reasons = bad(lab)
    assert len(reasons) == 5
    assert "have no `id`" in reasons[0]
    assert "JSON-MIN" in reasons[1]
    assert "not in characters" in reasons[2]


def test_argilla_there_and_back(lab: Any) -> None:
    records = exported(lab, 'argilla(text: text, keep: [id], question: "topic")')
    for record in records:
        # As ``Record.to_dict`` gives it.
        record["_server_id"] = "0b3c"
    records[0]["responses"] = {
        "topic": [{"value": "games", "user_id": "u1"}, {"value": None, "user_id": "u2"}],
        "other": [{"value": "x", "user_id": "u1"}],
    }
    records[1]["responses"] = {
        "topic": [{"value": ["games", "sound"], "user_id": "u1"}, {"value": "x", "user_id": "u3", "status": "draft"}]
    }
    lab.write("records.json", json.dumps(records))
    assert rows(lab, 'argilla("records.json", question: "topic", item: id)', "item, worker, answer, answers") == [
        ("a", "u1", "games", ["games"]), ("a", "u2", None, None), ("b", "u1", None, ["games", "sound"]),
    ]  # fmt: skip
    keys = {str(r[0]) for r in lab.rows("SELECT item FROM said")}
    assert keys == {"a", "b"}
    assert {r[0] for r in rows(lab, 'argilla("records.json", question: "topic")')} == {r["id"] for r in records}


def test_argilla_spans_ratings_and_what_is_neither(lab: Any) -> None:
    values: list[Any] = [[{"start": 0, "end": 3, "label": "PER"}], [], 4, {"text": "x"}, [{"start": None, "end": 3, "label": "PER"}]]
    lab.write(
        "records.json",
        json.dumps([{"id": str(n), "fields": {}, "responses": {"label": [{"value": v, "user_id": "u"}]}} for n, v in enumerate(values)]),
    )
    assert rows(lab, 'argilla("records.json")', "item, answer, spans") == [
        ("0", None, [{"start": 0, "end": 3, "tag": "PER"}]), ("1", None, []), ("2", "4", None),
    ]  # fmt: skip
    assert len(bad(lab)) == 2


def test_a_reader_does_not_care_how_files_are_cut(lab: Any, tmp_path: Path) -> None:
    lines = [f'{{"item": "{n}", "worker": "w", "answer": "c{n % 3}"}}\n' for n in range(30_000)]
    lab.write("l.jsonl", "".join(lines))
    assert len(rows(lab, 'annotations("l.jsonl")')) == 30_000
