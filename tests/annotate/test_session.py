"""Which rows are asked for, in which order, and what answering, undoing and searching do."""

from __future__ import annotations

from typing import Any

import pytest

from recipec.annotate.session import Refused, Session
from recipec.cli._errors import CannotRun


def texts(session: Session) -> list[str]:
    return [next(f["value"] for f in session.queue.row(n).fields if f["name"] == "text") for n in range(len(session.queue))]


def test_rows_in_doubt_come_first_and_the_others_only_when_asked_for(begin: Any, mail: str) -> None:
    session = begin(mail, "topic")
    assert session.queue.reasons() == {"unsure": 1, "nobody voted": 2}
    assert texts(session)[0] == "免费 prize hello"
    assert set(texts(session)[1:]) == {"see you", "nothing"}
    every = begin(mail, "topic", "--all", run=False)
    assert len(every.queue) == 8
    assert texts(every)[:3] == texts(session)
    accepted = begin(mail.replace("guidelines", "combine: first()\n  guidelines"), "topic")
    assert accepted.queue.reasons() == {"voters fight": 1, "nobody voted": 2}


def test_a_sample_is_the_same_for_everybody(begin: Any, mail: str) -> None:
    ann, bob = begin(mail, "topic", "--sample", "4"), begin(mail, "topic", "--sample", "4", run=False, worker="bob")
    assert texts(ann) == texts(bob)
    assert len(ann.queue) == 4
    assert texts(begin(mail, "topic", "--sample", "3", run=False)) == texts(ann)[:3]


def test_rows_by_a_condition(begin: Any, mail: str) -> None:
    assert set(texts(begin(mail, "topic", "--rows", "text like 'see%' or id = '1'"))) == {"see you", "win a prize"}
    with pytest.raises(CannotRun, match=r"--rows: .*txt"):
        begin(mail, "topic", "--rows", "txt = ''", run=False)
    with pytest.raises(CannotRun, match="no row is as --rows says"):
        begin(mail, "topic", "--rows", "false", run=False)


def test_before_the_label_step_is_built_its_input_is_asked_for(lab: Any, begin: Any, mail: str) -> None:
    lab.write("pool.csv", "id,text\n1,prize\n2,hello\n")
    lab.run(mail + 'source again = csv("pool.csv")\n', only=["again"])
    with pytest.raises(CannotRun, match="neither `topic` nor `pool` is built yet"):
        begin(mail, "topic", run=False)
    lab.run(mail, only=["pool"])
    session = begin(mail, "topic", run=False)
    assert len(session.queue) == 2
    assert session.queue.reasons() == {}


def test_any_step_can_be_asked_about(begin: Any, mail: str) -> None:
    session = begin(mail, "pool", "--classes", "x,y", "--show", "other")
    assert session.classes == ("x", "y")
    assert [f["name"] for f in session.queue.row(0).fields] == ["other"]
    for words, said in [
        (("pool",), "declares no classes"), (("pool", "--classes", "x"), "two at least"), (("pool", "--classes", "x,x"), "twice"),
        (("pool", "--classes", "a,b", "--show", "texts"), "did you mean `text`"), (("pol",), "did you mean `pool`"),
        (("pool", "--tags", "A", "--tokens", "text"), "no list of tokens"),
    ]:  # fmt: skip
        with pytest.raises(CannotRun, match=said):
            begin(mail, *words, run=False)


def test_nobody_is_led(begin: Any, mail: str) -> None:
    """Labels, votes and gold are not shown; votes are when asked for."""
    golden = mail.replace("classes:", "gold: other  classes:").replace('"ham"]', '"ham", "n0", "n1", "n2"]')
    session = begin(golden, "topic", "--all")
    assert [f["name"] for f in session.queue.row(0).fields] == ["id", "text"]
    assert "votes" not in session.row(0)
    told = begin(golden, "topic", "--show-votes", run=False).row(0)
    assert told["votes"] == {"prize": "spam", "hello": "ham"}
    assert told["why"] == "unsure"


def test_the_guidelines_are_the_recipes(begin: Any, mail: str) -> None:
    assert begin(mail, "topic").guidelines == "spam: wants something of you.\nham: 其他。"


def test_guidelines_run_nothing_again(lab: Any, begin: Any, mail: str) -> None:
    begin(mail, "topic")
    assert set(lab.run(mail.replace("其他。", "everything else")).statuses.values()) == {"reused"}


def test_answers_are_on_disk_at_once_and_undone_one_by_one(begin: Any, mail: str) -> None:
    session = begin(mail, "topic")
    path = session.answers.path
    assert path.name == "topic.jsonl"
    assert path.read_text() == ""
    assert session.answer(0, {"answers": ["ham"]})["next"] == 1
    assert path.read_text() == '{"item": "3", "worker": "ann", "answer": "ham"}\n'
    session.answer(0, {"answers": ["spam"]})
    session.answer(1, {"skip": True})
    assert session.state()["answered"] == 2
    assert session.undo()["undone"] == 1
    assert session.undo()["row"]["mine"] == {"answers": ["ham"]}
    assert session.undo()["row"]["mine"] is None
    assert path.read_text() == ""
    with pytest.raises(Refused, match="nothing to undo"):
        session.undo()


def test_a_session_goes_on_where_the_last_ended(begin: Any, mail: str) -> None:
    session = begin(mail, "topic")
    session.answer(0, {"answers": ["ham"]})
    again = begin(mail, "topic", run=False).state()
    assert (again["answered"], again["next"], again["total"]) == (1, 1, 3)
    assert begin(mail, "topic", run=False, worker="bob").state()["answered"] == 0


def test_a_class_that_is_gone_is_asked_again(begin: Any, mail: str) -> None:
    session = begin(mail, "topic", "--classes", "ham,eggs")
    session.answer(0, {"answers": ["eggs"]})
    row = begin(mail, "topic", run=False).row(0)
    assert row["mine"] is None
    assert "'eggs', which is no class now" in row["stale"]


def test_two_answers_of_one_person_are_asked_again(begin: Any, mail: str) -> None:
    session = begin(mail, "topic")
    line = '{{"item": "3", "worker": "ann", "answer": "{}"}}\n'
    session.answers.path.write_text(line.format("ham") + line.format("spam"))
    assert "which is it?" in session.row(0)["stale"]
    session.answer(0, {"answers": ["ham"]})
    assert session.answers.path.read_text() == line.format("ham")


@pytest.mark.parametrize(
    "given",
    [
        {"answers": ["eggs"]},
        {"answers": []},
        {"answers": ["ham", "spam"]},
        {"answers": "ham"},
        {"answers": [1]},
        {"spans": []},
        {},
        {"skip": 1},
    ],
)
def test_what_is_no_answer_is_refused(begin: Any, mail: str, given: dict[str, Any]) -> None:
    session = begin(mail, "topic")
    with pytest.raises(Refused):
        session.answer(0, given)
    with pytest.raises(Refused, match="no row"):
        session.answer(99, {"answers": ["ham"]})
    assert session.answers.path.read_text() == ""


def test_search_finds_all_words_in_any_script(begin: Any, mail: str) -> None:
    session = begin(mail, "topic", "--all")
    assert session.search("世界")["total"] == 1
    assert session.search("HELLO prize")["rows"][0]["text"] == "免费 prize hello"
    assert session.search("%")["total"] == 0
    assert session.search("  ")["total"] == 0


def test_agreement_of_people(begin: Any, mail: str) -> None:
    ann, bob = begin(mail, "topic", "--all"), begin(mail, "topic", "--all", run=False, worker="bob")
    for n in range(8):
        ann.answer(n, {"answers": ["ham" if n < 4 else "spam"]})
        if n:
            bob.answer(n, {"answers": ["ham" if n < 3 else "spam"]})
    facts = ann.agreement()
    assert facts["people"] == {"ann": 8, "bob": 7}
    (pair,) = facts["pairs"]
    # Six of seven alike; chance (3/7 x 2/7 + 4/7 x 5/7) = 26/49, so kappa = (42 - 26) / (49 - 26).
    assert pair["value"] == pytest.approx(16 / 23)
    assert (pair["rows"], pair["differ"], facts["rows"]) == (7, 1, 7)
    assert [d["n"] for d in facts["differ"]] == [3]
    # Who has not answered a row is not told what others said of it.
    assert begin(mail, "topic", "--all", run=False, worker="cleo").agreement()["differ"] == []


def test_where_answers_go(lab: Any, begin: Any, mail: str) -> None:
    crowd = mail.replace("label topic", 'source said = annotations("people/mail.jsonl")\nlabel topic').replace(
        "  guidelines", "  vote crowd(said)\n  guidelines"
    )
    begin(mail, "topic")
    # The file that the recipe reads is made, so that the recipe can be checked before the first answer.
    session = begin(crowd, "topic", run=False)
    assert session.answers.path == lab.folder / "people" / "mail.jsonl"
    assert (lab.folder / "people" / ".gitattributes").exists()
    assert begin(mail, "topic", "--to", str(lab.folder / "other.jsonl"), run=False).answers.path.name == "other.jsonl"
    several = crowd.replace('"people/mail.jsonl"', '"labels/*.jsonl"')
    lab.write("labels/bob.jsonl", "")
    assert begin(several, "topic", run=False).answers.path == lab.folder / "labels" / "topic.jsonl"


def test_a_recipe_cannot_have_files_made_outside_its_folder(lab: Any, begin: Any, mail: str) -> None:
    inner = lab.folder / "inner"
    inner.mkdir()
    outside = mail.replace("label topic", 'source said = annotations("../out/mail.jsonl")\nlabel topic').replace(
        "  guidelines", "  vote crowd(said)\n  guidelines"
    )
    lab.folder = inner
    lab.workspace = inner / ".recipec"
    lab.write("pool.csv", "id,text\n1,prize\n")
    path = lab.write("test.recipe", outside)
    from recipec.cli import annotate
    from recipec.cli._parser import parse
    from recipec.report.terminal import stderr

    assert annotate.prepared(parse("annotate", annotate, [str(path), "topic"]), stderr()) is None
    assert not (inner.parent / "out").exists()
    # Nor through a link.
    (inner / "link").symlink_to(inner.parent)
    path.write_text(outside.replace("../out", "link/out"), encoding="utf-8")
    assert annotate.prepared(parse("annotate", annotate, [str(path), "topic"]), stderr()) is None
    assert not (inner.parent / "out").exists()


def test_a_link_does_not_lead_answers_elsewhere(lab: Any, begin: Any, mail: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (lab.folder / "labels").symlink_to(elsewhere)
    with pytest.raises(CannotRun, match="lies outside the recipe's folder"):
        begin(mail, "topic")
    assert list(elsewhere.iterdir()) == []
    assert begin(mail, "topic", "--to", str(elsewhere / "t.jsonl"), run=False).answers.path == elsewhere / "t.jsonl"
