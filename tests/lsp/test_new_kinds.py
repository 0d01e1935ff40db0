"""Completion in every kind of step, each place typed at the end of a recipe through a client over stdio."""

from __future__ import annotations

from typing import Any

import pytest

RECIPE = """\
recipe "shop" { seed: 7 }
source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, label: text } }
model lm = openai("gpt-4o-2024-08-06")
template ask(text, tone: text) \"\"\"Say {{ text }} in a {{ tone }} way\"\"\"
clean tidy from rows {}
split final from tidy { train: 80%  test: 20% }
label topic from tidy { classes: ["sound", "games"]  when text matches r/a/ => "sound"  when text matches r/b/ => "games" }
"""
PLACES = {
    'label l from tidy { classes: ["a"]  vote ¦ }': {"llm", "knn", "crowd", "keywords"},
    'label l from tidy { classes: ["a"]  vote llm(¦) }': {"lm", "samples", "examples"},
    'label l from tidy { classes: ["a"]  vote llm(lm, ¦) }': {"ask"},
    'label l from tidy { classes: ["a", "b"]  when text == "x" => ¦ }': {'"a"', '"b"'},
    'label l from tidy { classes: ["a", "b"]  when text == "x" => "¦" }': {"a", "b"},
    'label l from tidy { classes: ["a"]  combine: ¦ }': {"majority", "dawid_skene", "label_model"},
    'label l from tidy { classes: ["a"]  combine: majority(ties: ¦) }': {"abstain", "first", "random"},
    "augment a from final.train { ¦ }": {"swap_words", "typos", "copies", "balance"},
    "augment a from final.train { typos(text, rate: 2%, ¦) }": {"layout"},
    "select s from tidy { take: 10  by: ¦ }": {"random", "dsir", "k_center"},
    "train t from final.train { ¦ }": {"task", "base", "search", "epochs"},
    "train t from final.train { task: ¦ }": {"classify", "tag", "generate"},
    "train t from final.train { base: ¦ }": {"scratch", "lm"},
    "train t from final.train { adapter: lora(¦) }": {"rank", "alpha"},
    "train t from final.train { task: classify(text => label)  search { ¦ } }": {"learning_rate", "epochs", "trials", "on"},
    "train t from final.train { search { epochs: [1], ¦ } }": {"learning_rate", "trials"},
    "train t from final.train { search { schedule: [¦] } }": {"cosine", "linear"},
    "train t from final.train { validation: ¦ }": {"final.test"},
    "evaluate e from final.test { metrics: [¦] }": {"accuracy", "f1", "roc_auc"},
    "evaluate e from final.test { metrics: [f1(¦)] }": {"average"},
    "evaluate e from final.test { model: ¦ }": {"lm"},
    "predict p from tidy { model: lm  prompt: ¦ }": {"ask"},
    "predict p from tidy { model: lm  prompt: ask(¦) }": {"text", "label"},
    "generate g from tidy { ¦ }": {"with", "prompt", "answer", "samples"},
    "generate g from tidy { with: lm  answer: { question: ¦ } }": {"text", "int"},
    "mix m from tidy, rows { weights: { ¦ } }": {"tidy", "rows"},
    "model em = ¦": {"openai", "embedding", "transformers"},
    "model em = openai(¦)": {"base_url", "temperature"},
    'export o from final { to: "o"  format: ¦ }': {"jsonl", "huggingface", "messages"},
    "repeat 2 as round { clean c from tidy { ¦ } }": {"dedupe", "keep where"},
    "repeat 2 as round { evaluate score from final.test { gold: label  predicted: label } } until ¦": {"gain", "score"},
    "repeat 2 as round { evaluate score from final.test { gold: label  predicted: label  metrics: [f1] } } until score.¦": {"f1", "rows"},
    "repeat 2 as round { train clf from tidy { task: classify(text => label)  base: scratch() }"
    " evaluate score from final.test { model: clf  metrics: [f1, mcc] } } until gain(score.¦)": {"f1", "f1_low", "mcc"},
    "repeat 2 as round { clean c from tidy {} }\nclean d from c@¦ {}": {"1", "2"},
    'template t(text, mood) """{{ ¦ }}"""': {"text", "mood"},
    'template t(text, mood) """{{ text|¦ }}"""': {"upper", "trim", "length"},
    'template t(rows: [{alpha: text}]) """{% for e in rows %}{{ ¦ }}{% endfor %}"""': {"e", "rows", "loop"},
    'template t(rows: [{alpha: text}]) """{% for e in rows %}{{ e.¦ }}{% endfor %}"""': {"alpha"},
    'sql j from tidy """ select ¦ from tidy """': {"tidy", "text", "label"},
    "clean c from tidy { lines(text) { ¦ } }": {"keep where", "drop where"},
    'clean c from topic { keep where topic == "¦" }': {"sound", "games"},
    "# allow: ¦\nclean c from tidy {}": {"augment-before-split", "unused-step"},
    "# allow: unused-step ¦\nclean c from tidy {}": {"because"},
}


@pytest.fixture
def editor(client: Any) -> Any:
    (client.root / "rows.csv").write_text("id,text,label\n1,a,x\n", encoding="utf-8")
    return client


def test_every_place_has_its_offers(editor: Any) -> None:
    missing: dict[str, Any] = {}
    for number, (place, wanted) in enumerate(PLACES.items()):
        name = f"r{number}.recipe"
        before, _, after = (RECIPE + place + "\n").partition("¦")
        editor.open(name, before + after)
        line = before.rpartition("\n")[2]
        position = {"line": before.count("\n"), "character": len(line)}
        found = editor.ask("textDocument/completion", textDocument={"uri": editor.uri(name)}, position=position)
        labels = {i["label"] for i in found["items"]}
        if not wanted <= labels:
            missing[place] = (wanted - labels, sorted(labels)[:10])
        editor.tell("textDocument/didClose", textDocument={"uri": editor.uri(name)})
    assert missing == {}


def test_half_a_variable_is_replaced_whole(editor: Any) -> None:
    editor.open("r.recipe", RECIPE + 'template t(text) """{{ te }}"""\n')
    line = RECIPE.count("\n")
    found = editor.ask("textDocument/completion", textDocument={"uri": editor.uri("r.recipe")}, position={"line": line, "character": 25})
    (offer,) = [i for i in found["items"] if i["label"] == "text"]
    assert offer["textEdit"]["range"] == {"start": {"line": line, "character": 23}, "end": {"line": line, "character": 25}}


LOOP = """\
label mood from tidy { classes: ["a", "b"]  vote llm(lm, ask(text, label), samples: 2)  combine: dawid_skene(iterations: 5)  accept: confidence > 50% }
augment more from mood { copies: 2  swap_words(text, rate: 10%) }
repeat 2 as round {
  train clf from mood { task: classify(text => mood)  base: scratch()  search { epochs: [2, 3] }  validation: more }
  evaluate scores from mood { model: clf  gold: label  metrics: [f1(average: macro)] }
} until gain(scores.f1) < 1%
predict guess from mood { model: clf }
generate out from mood { with: lm  prompt: ask(text, label)  answer: { question: text } }
"""
TOLD = {
    "vote l|lm(lm": "llm(model, prompt",
    "samp|les: 2": "`samples`: int",
    "dawid|_skene(": "dawid_skene(iterations: 100",
    "swap|_words(": "Exchange two words",
    "se|arch {": "`learning_rate`: [number]",
    "epo|chs: [2": "`epochs`: [number]",
    "metrics: [f|1(": "harmonic mean",
    "ope|nai(": "base_url",
    "until ga|in(": "since the round before",
    "gain(sco|res.f1": "evaluate scores",
    "gain(scores.f|1": "float",
    "accept: confi|dence": "0 to 1",
    "wi|th: lm": "`with`: model",
    "guess from mood { model: cl|f }": "train clf",
}
"""Where the editor points, and what it is told there."""


def test_what_is_told_and_where_names_lead(editor: Any) -> None:
    editor.open("r.recipe", RECIPE + LOOP)
    for words, wanted in TOLD.items():
        page = editor.ask("textDocument/hover", **editor.at("r.recipe", words))
        assert page is not None, words
        assert wanted in page["contents"]["value"], words
    found = editor.ask("textDocument/definition", **editor.at("r.recipe", "vote llm(l|m"))
    assert (found if isinstance(found, dict) else found[0])["range"]["start"] == {"line": 2, "character": 6}
    edits = editor.ask("textDocument/rename", **editor.at("r.recipe", "with: l|m"), newName="大模型")
    text = editor.applied("r.recipe", edits["changes"][editor.uri("r.recipe")])
    assert text.count("大模型") == 3
    assert " lm" not in text
