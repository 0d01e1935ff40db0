"""``recipec labels``: what is said of votes, on data where each thing happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_harness import Run

ROWS = 'source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, topic: text } }\n'
DATA = "id,text,topic\n1,free money,spam\n2,see you at noon,ham\n3,odd one,ham\n4,silence,spam\n5,free noon,spam\n6,win,none\n"


def built(recipec: Run, folder: Path, label: str) -> list[str]:
    (folder / "rows.csv").write_text(DATA, encoding="utf-8")
    (folder / "r.recipe").write_text(ROWS + label, encoding="utf-8")
    done = recipec("run", "r.recipe")
    assert done.status == 0, done.err
    return recipec("labels", "r.recipe", "t").out.splitlines()


def test_one_worker_has_no_skill_and_is_told(recipec: Run, tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("worker,item,answer\nann,1,spam\nann,2,ham\nann,3,perhaps\n", encoding="utf-8")
    label = 'source said = csv("said.csv") { columns: { worker: text, item: int, answer: text } }\n'
    said = built(recipec, tmp_path, label + 'label t from rows { classes: ["spam", "ham", "other"]  vote crowd(said) }')
    assert said == [
        "voter  class      coverage  overlap  conflict",
        "crowd  2 classes    33.3 %    0.0 %     0.0 %",
        "",
        "class  rows voted for  labelled   share",
        "spam                1         1  50.0 %",
        "ham                 1         1  50.0 %",
        "other               0         0   0.0 %",
        "",
        "dropped: no vote 4",
        '! crowd: 1 answer is none of the classes, and counts as an abstention: "perhaps"',
        "! crowd: only worker ann answers: nothing can be learned from agreement",
        "! crowd: 1 of 3 items has no answer",
        "! nobody votes for other: no row can get it",
        "",
        "worker (crowd)  answers",
        "ann                   2",
    ]


def test_gold_that_is_no_class_and_rules_that_never_meet(recipec: Run, tmp_path: Path) -> None:
    rules = 'when text like "%silence%" => "spam" as quiet  when text like "%odd%" => "ham" as odd'
    said = built(recipec, tmp_path, f'label t from rows {{ classes: ["spam", "ham"]  {rules}  gold: topic }}')
    assert said == [
        "voter  class  coverage  overlap  conflict  gold (5)",
        "quiet  spam     16.7 %    0.0 %     0.0 %     1.000",
        "odd    ham      16.7 %    0.0 %     0.0 %     1.000",
        "",
        "on gold: majority 1.000 of 2 rows with votes",
        "",
        "class  rows voted for  labelled   share  gold",
        "spam                1         1  50.0 %     3",
        "ham                 1         1  50.0 %     2",
        "",
        "dropped: no vote 4",
        '! 1 row has a gold label that is none of the classes, and is not used: "none"',
        "! nobody votes on 4 of 6 rows",
    ]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_it_fits_the_terminal(recipec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    rules = " ".join(
        f'when text like "%{w}%" => "{c}" as {w}_is_a_long_name_of_a_rule' for w, c in [("free", "spam"), ("noon", "ham"), ("win", "spam")]
    )
    said = built(recipec, tmp_path, f'label t from rows {{ classes: ["spam", "ham"]  {rules}  combine: dawid_skene()  gold: topic }}')
    assert max(map(len, said)) <= int(columns)
    assert any("nobody votes on 2 of 6 rows" in line for line in said)


def test_who_agrees_least_and_who_fights(recipec: Run, tmp_path: Path) -> None:
    def voter(name: str, flips: str) -> str:
        return f'when true => case when id in [{flips}] then "spam" else "ham" end as {name}'

    voters = " ".join([voter("one", "1, 2"), voter("two", "1, 2, 3"), voter("three", "4, 5, 6")])
    said = built(recipec, tmp_path, f'label t from rows {{ classes: ["spam", "ham"]  {voters} }}')
    assert "Cohen's kappa, least: two and three -1.00 · one and three -0.67 · one and two 0.67" in said
    assert said[said.index("votes that fight most:") :][:4] == [
        "votes that fight most:",
        "        3 rows  → ham 0.67   ham: one, two   spam: three",
        "        2 rows  → spam 0.67   spam: one, two   ham: three",
        "        1 row   → ham 0.67   ham: one, three   spam: two",
    ]


def test_majority_that_beats_the_model_on_gold_is_said(recipec: Run, tmp_path: Path) -> None:
    rules = " ".join(f'when text like "%{w}%" => "{c}" as {w}' for w, c in [("free", "spam"), ("noon", "ham"), ("win", "spam")])
    said = built(
        recipec, tmp_path, f'label t from rows {{ classes: ["spam", "ham"]  {rules}  combine: dawid_skene(gold: ignore)  gold: topic }}'
    )
    assert any(line.startswith("! on gold plain majority is right more often than dawid_skene: ") for line in said)
