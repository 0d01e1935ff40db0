"""Recipes that use every kind, voter, combiner, augmenter, selector, task and metric: those that ask no model, and those that do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.steps.taught import SCRATCH
from tests.steps.taught import TAUGHT as TAUGHT_STEPS

VOTERS = """
def by_length(batch):
    return ["delivery" if text and len(text) > 60 else None for text in batch["text"].to_pylist()]


def told(batch):
    import pyarrow as pa

    said = [f"{key}: {text}" for key, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist())]
    return pa.record_batch({"id": batch["id"], "said": pa.array(said, pa.string())})
"""
COMBINERS = ("majority(ties: first)", "weighted(weights: {parcel: 2})", "first()", "one_coin()", "label_model()", "mace()")
"""Those that votes of rules are combined by; ``dawid_skene`` has a step of its own."""
SLIPS = (
    "delete_words", "typos", "noise", "ocr_errors", "homoglyphs", "change_case", "change_punctuation", "shape_errors", "pinyin_errors",
)  # fmt: skip

RULED = """
label ruled{n} from rows {
  classes: ["delivery", "returns"]
  when text matches r/parcel/ => "delivery" as parcel
  when text matches r/包裹/ => "delivery" as parcel_zh
  when n < 4 => "returns" as low
  vote keywords({returns: ["refund"], delivery: ["courier"]}, text: text) as words
  vote plugin("voters:by_length") as by_length
  vote knn(seeds, k: 3, text: text, label: topic) as near
  combine: {combine}
  gold: topic
}
"""
PLAIN = (
    r'''recipe "kinds" { seed: 5 }
sql rows """
  select i as id, i % 7 as n, case when i % 3 = 0 then 'Where is my parcel number ' || i || ', courier of Oslo?' when i % 3 = 1
    then '我的包裹在哪里？今天天气很好。' || i else 'I want a refund of ' || (i * 7 % 11) || ' euro for these shoes!' end as text,
  case when i % 9 = 4 then 'returns' when i % 3 < 2 then 'delivery' else 'returns' end as topic,
  ['Ann', case when i % 2 = 0 then 'lives' else 'works' end, 'in', case when i % 3 = 0 then 'Rome' else 'Oslo' end] as tokens,
  ['B-PER', 'O', 'O', 'B-LOC'] as tags, [cos(i * 0.3), sin(i * 0.3)]::double[] as v
  from range(48) r(i) union all
  select 100, 3, null, null, null, null, null union all select 101, 3, '', 'returns', [], [], [0, 1]
""" { key: id }
sql thesaurus """select * from (values ('parcel', 'packet'), ('shoes', 'boots'), ('天气', '气候'), ('包裹', '邮包')) t(word, synonym)"""
sql people """select 'Ann' as line"""
sql templates """select 'Is it {weather} in {city}?' as text, 't' as topic, i from range(4) r(i)""" { key: i }
sql values """select * from (values ('city', 'Rome'), ('city', 'Oslo'), ('weather', 'wet')) t(slot, value)"""
sql said """select 'w' || (i % 3) as worker, (i % 10) as item, case when i % 4 = 0 then 'a' else 'b' end as answer from range(30) r(i)"""
sql items """select i as item, i * 2 as twice from range(12) r(i)""" { key: item }
source marked = annotations("marked.jsonl")
source lines = lines("voters.py")
clean seeds from rows { keep where id < 12 and text is not null }
'''
    + "".join(RULED.replace("{n}", str(n or "")).replace("{combine}", c) for n, c in enumerate(COMBINERS))
    + """
label tagged from rows {
  tags: ["PER", "LOC"]
  vote gazetteer(people.line, tag: "PER") as known
  vote pattern(r/Oslo|Rome/, tag: "LOC") as places
  vote human(marked) as people
  combine: majority(ties: first)
  gold: tags
}
label several from rows { classes: ["a", "b"]  many: true  when n > 2 => "a" as a  when n < 5 => ["a", "b"] as b }
label crowded from items { classes: ["a", "b"]  vote crowd(said, worker: worker, item: item, answer: answer)  combine: dawid_skene() }

augment kept from rows { label: topic  copies: 2  swap_words(text)  typos(text, rate: 5%)  keep where similarity(text, original.text) > 20% }
augment slots from templates { originals: false  copies: 3  fill_slots(text, from: values)  dedupe(text) }
augment even from ruled { balance: ruled  at_most: 3  synonyms(text, from: thesaurus, rate: 30%)  insert_words(text, from: thesaurus) }
augment slips from rows { SLIPS }
augment wide from rows { label: topic  copies: auto  eda(text, from: thesaurus)  mix_sentences(text, within: topic)  dedupe(text) }
augment entities from rows { label: tags  copies: 2  swap_entities(tokens, tags) }

select longest from rows { take: 20%  by: top(words(text)) }
select pilot from rows { take: 9  by: random()  per: topic }
select far from rows { take: 7  by: k_center(vectors: v) }
select typical from rows { take: 7  by: facility(vectors: v) }
select picked from rows { take: 7  by: deita(n, id, vectors: v) }
select alike from rows { take: 9  by: dsir(text, target: longest.text) }

mix shares from ruled, even { weights: { ruled: 1  even: 3 }  missing: null  origin: "from" }
mix repeated from longest, pilot { weights: { longest: 2  pilot: 1 }  missing: null  take: 30 }
split parts from ruled { train: 70%  test: 30%  stratify: topic }
python told from parts.train { call: "voters:told"  columns: { id: int, said: text } }
evaluate scores from ruled {
  gold: topic  predicted: ruled  metrics: [accuracy, f1, precision, recall, balanced_accuracy, mcc, cohen_kappa, hamming_loss]  slices: [n]
}
evaluate tag_scores from tagged { gold: tags  predicted: tagged }
evaluate text_scores from kept { gold: text  predicted: topic  metrics: [exact_match, token_f1, bleu, chrf, rouge_1, rouge_2, rouge_l] }
evaluate number_scores from rows { gold: id  predicted: n  metrics: [mae, mse, rmse, r2, pearson, spearman] }
expect sane from parts.train, parts.test { expect overlap(parts.train.id, parts.test.id) == 0 }
export out from parts { to: "build/kinds"  format: jsonl() }
""".replace("SLIPS", "  ".join(f"{name}(text)" for name in SLIPS))
)
"""What asks no model."""

EMBEDDING = """
model mini = embedding("mini")
label zeroed from parts.test { classes: ["animal", "money"]  vote zero_shot(mini, text: text, describe: {animal: "a cat"}) }
label neared from parts.test { classes: ["animal", "money"]  vote knn(parts.dev, k: 3, with: mini, text: text, label: label) as near }
select spread from parts.test { take: 6  by: k_center(mini, text: text) }
select suspect from parts.train { by: suspect_labels(mini, label, text: text) }
clean apart from parts.train { dedupe(text, meaning: 99%, with: mini) }
predict placed from parts.test { model: mini  text: text }
augment meant from parts.test { copies: 2  swap_words(text)  keeps_meaning(text, with: mini, at_least: 10%) }
"""

ASKING = (
    TAUGHT_STEPS.replace("epochs: 6", "steps: 4")
    + EMBEDDING
    + f"""
model tiny = transformers("tiny", precision: "fp32", max_tokens: 6)
model hot = transformers("tiny", precision: "fp32", max_tokens: 6, temperature: 0.9, seed: 4)
model bert = transformers("bert", precision: "fp32")
template chat(x) \"\"\"Say {{{{ x }}}}: \"\"\"

label voted from parts.test {{
  classes: ["animal", "money"]  vote classifier(clf) as clf
  vote llm(tiny, ask(text)) as scored  vote llm(tiny, ask(text), score: false) as read  combine: majority(ties: first)
}}
generate said from parts.test {{ with: tiny  prompt: chat(text)  into: said  max_bad: 100%  cut_off: keep }}
generate warm from parts.dev {{ with: hot  prompt: chat(text)  into: said  samples: 2  max_bad: 100%  cut_off: keep }}
augment masked from parts.test {{ label: label  copies: 2  mask_words(text, with: bert)  keeps_label(text, label: label, with: clf) }}
augment there from parts.test {{ label: label  copies: 1  back_translate(text, forward: tiny, back: tiny)  typos(text) }}
augment again from parts.test {{ label: label  copies: 1  paraphrase(text, with: lm)  typos(text) }}
select unsure from parts.test {{ take: 6  by: entropy(clf) }}
select close from parts.test {{ take: 6  by: margin(clf) }}
select least from parts.test {{ take: 6  by: least_confidence(clf) }}
select argued from parts.test {{ take: 6  by: committee([clf, weak]) }}
select doubted from parts.test {{ take: 6  by: bald(clf, passes: 3) }}
select fluent from parts.test {{ take: 6  by: perplexity(tiny, text) }}
select hard from parts.test {{ take: 6  by: ifd(tiny, prompt, answer) }}
predict guess from parts.test {{ model: clf }}
predict sets from parts.test {{ model: several }}
predict tagged from parts.test {{ model: ner }}
predict answered from parts.test {{ model: lm  prompt: ask(prompt) }}
predict number from parts.test {{ model: reg }}
predict vector from parts.test {{ model: emb }}
select sure from guess {{ by: above(clf, 60%) }}
evaluate classes from parts.test {{
  model: clf  against: weak  metrics: [accuracy, roc_auc, average_precision, brier, ece, log_loss, top_k(2)]  slices: [third]
}}
evaluate tags from parts.test {{ model: ner }}
clean with_sets from parts.test {{ sets = [label] }}
evaluate sets_scores from with_sets {{ model: several  gold: sets }}
evaluate numbers from parts.test {{ model: reg }}
evaluate losses from parts.test {{ model: lm  gold: answer  prompt: ask(prompt)  metrics: [perplexity] }}
evaluate texts from parts.test {{ model: lm  gold: answer  prompt: ask(prompt)  metrics: [exact_match] }}
train team from parts.train {{ task: classify(text => label)  {SCRATCH}  steps: 2  batch_size: 8  ensemble: 2 }}
predict teamed from parts.test {{ model: team }}
train liked from parts.train {{ task: prefer(prompt: prompt, chosen: answer, rejected: text)  base: lm  steps: 2  batch_size: 4 }}
"""
)
"""What asks models: trained in the recipe, or standing beside it."""


def write(folder: Path, models: bool) -> None:
    """What the recipes read beside themselves."""
    (folder / "voters.py").write_text(VOTERS, encoding="utf-8")
    marked = [{"item": str(i), "worker": "ann", "spans": [[0, 1, "PER"]], "tokens": 4} for i in range(5)]
    (folder / "marked.jsonl").write_text("".join(json.dumps(m) + "\n" for m in marked), encoding="utf-8")
    if models:
        sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
        from tiny_models import write_transformers

        from tests.augment.masked import masked_model

        write_transformers(folder / "tiny")
        masked_model(folder / "bert")
        masked_model(folder / "mini")
