"""Label Studio tasks and Argilla records. Neither is installed here: the documented shape is checked, and that places are right."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from recipec.api import DataError
from recipec.formats._labels import Mention, mentions

TEXTS = "SELECT * FROM (VALUES ('a <b>', 'games', 0.5, 1), ('文', NULL, NULL, 2)) t(text, topic, sure, id)"
NEWS = "SELECT * FROM (VALUES (['😀', 'Li', 'Na', '在', 'UN'], ['O', 'B-PER', 'I-PER', 'O', 'B-ORG']), (['x'], NULL)) t(tokens, tags)"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_label_studio_choices(export):
    out = export.make("label_studio", TEXTS, label="topic", confidence="sure", keep=["id"])
    one, two = read(out / "train.json")
    assert one == {
        "data": {"text": "a <b>", "id": 1},
        "predictions": [
            {
                "model_version": "recipec",
                "score": 0.5,
                "result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["games"]}}],
            }
        ],
    }
    assert two == {"data": {"text": "文", "id": 2}, "predictions": []}
    root = ElementTree.fromstring((out / "label_config.xml").read_text(encoding="utf-8"))
    assert root.find("Text").attrib == {"name": "text", "value": "$text"}
    assert root.find("Choices").attrib == {"name": "label", "toName": "text", "choice": "single"}
    assert [c.get("value") for c in root.find("Choices")] == ["games"]


def test_label_studio_marks_words(export):
    out = export.make("label_studio", NEWS, tokens="tokens", tags="tags")
    one, two = read(out / "train.json")
    text = one["data"]["text"]
    values = [r["value"] for r in one["predictions"][0]["result"]]
    assert [(v["labels"], text[v["start"] : v["end"]], v["text"]) for v in values] == [(["PER"], "Li Na", "Li Na"), (["ORG"], "UN", "UN")]
    assert two["predictions"] == []
    root = ElementTree.fromstring((out / "label_config.xml").read_text(encoding="utf-8"))
    assert [c.get("value") for c in root.find("Labels")] == ["ORG", "PER"]


def test_label_studio_without_labels_yet(export):
    out = export.make("label_studio", "SELECT unnest(['a', 'b']) AS t", text="t")
    assert [r["data"]["text"] for r in read(out / "train.json")] == ["a", "b"]
    assert not (out / "label_config.xml").exists()


def test_several_classes(export):
    sql = "SELECT 'a' AS text, ['x', 'y'] AS topics"
    out = export.make("label_studio", sql, label="topics")
    assert read(out / "train.json")[0]["predictions"][0]["result"][0]["value"] == {"choices": ["x", "y"]}
    assert 'choice="multiple"' in (out / "label_config.xml").read_text()
    out = export.make("argilla", f"SELECT *, 0.5 AS p FROM ({sql})", label="topics", confidence="p", folder="two")
    assert read(out / "train.json")[0]["suggestions"]["label"] == {"value": ["x", "y"], "score": [0.5, 0.5], "agent": "recipec"}


def test_argilla(export):
    out = export.make("argilla", TEXTS, label="topic", confidence="sure", keep=["id"], question="topic")
    assert read(out / "train.json") == [
        {
            "id": "k1", "fields": {"text": "a <b>"}, "metadata": {"id": 1}, "responses": {}, "vectors": {},
            "suggestions": {"topic": {"value": "games", "score": 0.5, "agent": "recipec"}},
        },
        {"id": "k2", "fields": {"text": "文"}, "metadata": {"id": 2}, "responses": {}, "vectors": {}, "suggestions": {}},
    ]  # fmt: skip


def test_argilla_spans_and_its_own_id(export):
    out = export.make("argilla", f"SELECT *, 9 AS n FROM ({NEWS})", tokens="tokens", tags="tags", joiner="", id="n")
    one = read(out / "train.json")[0]
    assert one["id"] == "9"
    assert one["fields"]["text"] == "😀LiNa在UN"
    assert one["suggestions"]["label"]["value"] == [{"start": 1, "end": 5, "label": "PER"}, {"start": 6, "end": 8, "label": "ORG"}]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["B-A", "I-A", "O"], [(0, 3, "A")]),
        (["B-A", "B-A", "O"], [(0, 1, "A"), (2, 3, "A")]),
        (["I-A", "I-A", "I-B"], [(0, 3, "A"), (4, 5, "B")]),
        (["O", "S-A", "S-A"], [(2, 3, "A"), (4, 5, "A")]),
        (["B-A", "E-A", "I-A"], [(0, 3, "A"), (4, 5, "A")]),
        (["A", "A", "B"], [(0, 3, "A"), (4, 5, "B")]),
        ([None, "U-A-B", "O"], [(2, 3, "A-B")]),
    ],
)
def test_tags_as_mentions(tags, found):
    assert mentions(["a", "b", "c"], tags, " ") == [Mention(*f) for f in found]


def test_refused_rows_and_columns(export):
    with pytest.raises(DataError, match="1 row without `text`"):
        export.make("label_studio", "SELECT NULL::VARCHAR AS text")
    with pytest.raises(DataError, match="different lengths"):
        export.make("argilla", "SELECT ['a'] AS tokens, ['O', 'O'] AS tags", tokens="tokens", tags="tags", folder="two")
    assert "is not exported" in export.check("label_studio", {"body": "VARCHAR"})[0][0]
    assert "belong together" in export.check("label_studio", {"tokens": "VARCHAR[]"}, tokens="tokens")[0][0]
    both = {"tokens": "tokens", "tags": "tags"}
    types = {"tokens": "VARCHAR[]", "tags": "VARCHAR[]", "text": "VARCHAR"}
    assert "take the place" in export.check("argilla", types, text="text", **both)[0][0]
    assert "must be a list of text" in export.check("argilla", types | {"tokens": "VARCHAR"}, **both)[0][0]
    assert "must be text or a list" in export.check("argilla", {"text": "VARCHAR", "l": "BIGINT"}, label="l")[0][0]
    assert "must be a number" in export.check("argilla", {"text": "VARCHAR", "c": "VARCHAR"}, confidence="c")[0][0]
