"""Steps that are decided in one place and carried out in tasks: whole tables, what is told of them and what is kept aside are DuckDB's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from recipec.api import DataError
from recipec.cli import main
from recipec.engines.ray.code import Code, allowed
from tests.ray.test_equal import write_rows

SOURCE = """recipe "decided" { seed: 11 }
source rows = jsonl("rows-*.jsonl") {
  key: id
  columns: { id: text, text: text, section: text, n: int, day: date, customer: text }
  max_bad: 5%
}
clean known from rows { drop where text is null as "no text"  keep where section is not null }
"""

MIXES = """
clean web from known { keep where section == "web" }
clean games from known { keep where section == "games" }
clean some from known { keep where n < 30 }
mix weighed from web, games { weights: { web: 70%  games: 30% } }
mix taken from web, games { weights: { web: 2  games: 1 }  take: 40  origin: "from" }
mix again from web, games { epochs: { web: 2.5  games: 1 }  take: 120 }
mix warm from web, games { temperature: 3  cap: { web: 20 } }
mix counted from web, games { count: words(text)  take: 400 tokens  epochs: 3 }
mix shared from web, some, known { weights: { web: 1  some: 2  known: 1 }  take: 90 }
mix short from web, games { take: 100_000 }
expect some_order from shared { expect rows(shared) > 10 }
"""


def assert_explained_alike(folder: Path, capsys: pytest.CaptureFixture[str], **rows: str) -> None:
    """``recipec explain`` tells the same of a row of each step, whoever made its table."""
    for step, key in rows.items():
        told = []
        for engine in ("duckdb", "ray"):
            assert main(["explain", str(folder / "decided.recipe"), step, key, "--workspace", str(folder / engine)]) == 0
            told.append(capsys.readouterr().out)
        assert told[0] == told[1]
        assert f"{step} " in told[0]


def test_mixtures(both: Any, tmp_path: Path) -> None:
    write_rows(tmp_path)
    ways = both(tmp_path / "decided.recipe", SOURCE + MIXES, tmp_path)
    for name in ("weighed", "taken", "again", "warm", "counted", "shared", "short"):
        assert ways[name]["way"] == "narrow", name
        assert ways[name]["tasks"] >= 12, name


LABELS = """
source people = csv("people.csv") { columns: { worker: text, item: text, answer: text } }
source names = lines("names.txt")
clean golden from known {
  truth = case when n % 5 == 0 then section when n == 7 then "odd" end
  truths = case when n % 4 == 0 then [section, "web", "odd"] end
}
label topic from golden {
  classes: ["web", "games", "sound", "网络"]
  when section in ["web", "games"]   => section  as by_section
  when n > 40                        => customer as by_customer
  when text matches r/sound|声音/     => "sound"  as sound_words
  when text matches r/server|网络/    => "网络"   as net_words
  vote keywords({games: ["games", "editor"], web: ["network", "server"]}, text: text) as words
  vote plugin("voters:by_length")
  combine: dawid_skene()
  gold: truth
  accept: confidence >= 60% and length(text) > 20
}
label heads from golden {
  classes: ["web", "games", "sound"]
  when section == "web"              => "web"   as a
  when text matches r/games/         => "games" as b
  when text matches r/sound/         => "sound" as c
  combine: majority(ties: random)
  unsure: keep
}
label agreed from golden {
  classes: ["web", "games", "sound"]
  when section in ["web", "games"]   => section as a
  when text matches r/server|deep/   => "web"   as b
  when text matches r/games|kind/    => "games" as c
  when text matches r/sound/         => "sound" as d
  combine: label_model(epochs: 50)
  calibrate: isotonic
  gold: truth
}
label asked from golden {
  classes: ["web", "games"]
  vote crowd(people, item: item)
  calibrate: temperature
  gold: truth
}
label both_ways from golden {
  classes: ["web", "games"]
  vote crowd(people, item: item)      as crowd
  when section == "web"               => "web" as by_section
  combine: weighted()
  gold: truth
}
label many_of_them from golden {
  classes: ["web", "games", "none"]
  many: true
  when section == "web"              => ["web", "odd"] as by_section
  when text matches r/games/         => "games"        as by_word
  vote keywords({games: ["games", "editor"], web: ["network", "server"]}, text: text) as words
  combine: one_coin()
  gold: truths
  accept: confidence > 70%
}
label crowd_lists from golden { classes: ["web", "games"]  many: true  vote crowd(people, item: item)  unsure: keep }
clean cut from known { tokens = string_split(text, " ")  gold = list_transform(tokens, lambda t: case when t == "games" then "B-WORD" else "O" end) }
label entities from cut {
  tags: ["NAME", "WORD"]
  vote gazetteer(names.line, tag: "NAME")                     as listed
  vote pattern(r/(red|green) \\w+/, tag: "WORD")               as coloured
  vote plugin("voters:tags")                                  as own
  combine: one_coin(ties: random)
  gold: gold
}
label sure_entities from cut {
  tags: ["NAME"]
  vote gazetteer(names.line, tag: "NAME", case: false)        as listed
  accept: confidence > 50%
}
"""


def write_voters(folder: Path) -> None:
    (folder / "voters.py").write_text(
        "def by_length(batch):\n    return ['games' if len(t) > 80 else 'web' if len(t) < 40 else None for t in batch['text'].to_pylist()]\n"
        "def tags(batch):\n    return [['B-NAME' if t in ('The', 'kind') else None for t in row] for row in batch['tokens'].to_pylist()]\n",
        encoding="utf-8",
    )
    said = [f"w{w},r{i:05},{'web' if (i * 7 + w) % 3 else 'games'}" for i in range(0, 260, 3) for w in range(1 + i // 3 % 3)]
    (folder / "people.csv").write_text(
        "worker,item,answer\n" + "\n".join([*said, "w1,nobody,web", "w1,r00003,odd"]) + "\n", encoding="utf-8"
    )
    (folder / "names.txt").write_text("network\nkind package\nThe red\n软件包\n", encoding="utf-8")


def test_labels(both: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path)
    write_voters(tmp_path)
    (tmp_path / "decided.recipe").write_text(SOURCE + LABELS, encoding="utf-8")
    ways = both(tmp_path / "decided.recipe", SOURCE + LABELS, tmp_path)
    assert_explained_alike(tmp_path, capsys, topic="r00009", entities="r00010", many_of_them="r00009", crowd_lists="r00015")
    for name in ("topic", "heads", "agreed", "asked", "both_ways", "many_of_them", "crowd_lists", "entities", "sure_entities"):
        assert ways[name]["way"] == "narrow", name
        assert ways[name]["tasks"] >= 6, name


SELECTS = """
source wanted = lines("wanted.txt")
sql scored from known \"\"\"
  select *, map {'web': (n / 50.0)::double, 'games': (1 - n / 50.0)::double} as odds, [length(text) / 300.0, n / 50.0, 0.5]::double[] as place,
    n * 7 % 11 as good from known
\"\"\" { key: id }
select pilot from known { take: 30  by: random() }
select strata from known { take: 40  by: random()  per: [section, n % 2]  divide: equally }
select longest from known { take: 15%  by: top(words(text))  per: section }
select least from known { take: 25  by: top(case when n > 3 then n / 7.0 end, order: least)  score: value }
select budget from known { take: 300 tokens  by: top(n)  count: words(text) }
select doubtful from scored { take: 20  by: entropy(probabilities: odds)  per: section  divide: proportionally }
select sure from scored { by: above(threshold: 70%, probabilities: odds) }
select suspect from scored { by: suspect_labels(label: section, probabilities: odds) }
select spread from scored { take: 12  by: k_center(vectors: place)  per: section }
select covering from scored { take: 9  by: facility(vectors: place) }
select tuned from scored { take: 18  by: deita(good, n + 1, vectors: place) }
select like_these from known { take: 35  by: dsir(text, target: wanted.line) }
select likest from known { take: 35  by: dsir(lower(text), target: wanted.line, noise: false, pairs: false)  per: section }
clean none from known { drop where n >= 0 }
select of_none from none { take: 5  by: top(n) }
"""


def test_selections(both: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path)
    (tmp_path / "wanted.txt").write_text("the network server\nkind sound library\n网络软件\n", encoding="utf-8")
    (tmp_path / "decided.recipe").write_text(SOURCE + SELECTS, encoding="utf-8")
    ways = both(tmp_path / "decided.recipe", SOURCE + SELECTS, tmp_path)
    assert_explained_alike(tmp_path, capsys, strata="r00009", suspect="r00010", like_these="r00015")
    for name in re.findall(r"^select (\w+)", SELECTS, re.M):
        assert ways[name]["way"] == "narrow", name
        assert ways[name]["tasks"] >= 6 or name == "of_none", name


AUGMENTS = """
source thesaurus = csv("thesaurus.csv") { columns: { word: text, synonym: text } }
clean classed from known { keep where section in ["web", "games", "网络"] or n > 44 }
clean tagged from known { tokens = string_split(text, " ")  tags = list_transform(tokens, lambda t: case when t in ["games", "kind"] then "B-WORD" else "O" end) }
augment plain from classed { copies: 2  typos(text, rate: 3%)  change_case(text) }
augment many from classed { copies: auto  swap_words(text, rate: 20%)  originals: false }
augment even from classed { balance: section  synonyms(text, from: thesaurus)  delete_words(text, rate: 20%) }
augment mixed from classed { copies: 2  mix_sentences(text, within: section, how: append)  typos(text) }
augment even_mixed from classed { balance: section  at_most: 3  mix_sentences(text, how: append) }
augment filtered from classed {
  copies: 3
  delete_words(text, rate: 15%)
  keep where similarity(text, original.text) > 30% and n < 48
  drop where n == 7 as "odd"
  dedupe(text)
}
augment nearly from classed {
  copies: 3
  delete_words(text, rate: 30%)
  dedupe(text)
  dedupe(text, near: 80%, ngram: 2)
  dedupe(text, near: 60%, by: characters)
  label: section
  labels: keep
}
augment swapped from tagged { copies: 2  swap_entities(tokens, tags, rate: 50%)  dedupe(tokens) }
augment nothing from known { copies: 2  synonyms(text, from: odd_words) }
clean odd_words from thesaurus { keep where word == "none of them" }
"""


def write_thesaurus(folder: Path) -> None:
    pairs = ["green,verdant", "kind,gentle", "kind,warm", "网络,互联网", "network,net work", "none of them,nothing"]
    (folder / "thesaurus.csv").write_text("word,synonym\n" + "\n".join(pairs) + "\n", encoding="utf-8")


def test_copies(both: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path)
    write_thesaurus(tmp_path)
    (tmp_path / "decided.recipe").write_text(SOURCE + AUGMENTS, encoding="utf-8")
    ways = both(tmp_path / "decided.recipe", SOURCE + AUGMENTS, tmp_path)
    assert_explained_alike(tmp_path, capsys, nearly="r00009", even_mixed="r00009")
    found = {name: ways[name]["way"] for name in re.findall(r"^augment (\w+)", AUGMENTS, re.M)}
    assert found == {
        "plain": "rows", "many": "rows", "even": "narrow", "mixed": "narrow", "even_mixed": "narrow", "filtered": "keys", "nearly": "bands",
        "swapped": "keys", "nothing": "rows",
    }  # fmt: skip
    assert all(ways[name]["tasks"] >= 3 for name in found)


def test_code_is_what_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task executes the recipe's own code where the run was allowed to, and no file that is another on its machine."""
    from recipec import trust

    write_voters(tmp_path)
    file = tmp_path / "voters.py"
    code = Code.allowed(file, "by_length")
    monkeypatch.setenv("RECIPEC_TRUST", "")
    monkeypatch.setattr(trust, "listed", list)
    with pytest.raises(DataError, match="nobody has said"):
        Code.allowed(file, "by_length")
    with allowed([code]):
        assert trust.allowed(file)
    assert not trust.allowed(file)
    file.write_text("def by_length(batch): ...", encoding="utf-8")
    with pytest.raises(DataError, match="not, on every machine, the file"), allowed([code]):
        pass


def test_plans_tell_how_these_go(tmp_path: Path) -> None:
    """What a plan says of a step, and of how many tasks, without Ray."""
    from recipec.engines.ray.cost import model_of, text
    from recipec.plan.planner import make_plan
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.workspace.database import open_workspace

    write_rows(tmp_path)
    write_voters(tmp_path)
    write_thesaurus(tmp_path)
    (tmp_path / "wanted.txt").write_text("the network server\n", encoding="utf-8")
    program = load(Source(str(tmp_path / "decided.recipe"), SOURCE + MIXES + LABELS + SELECTS + AUGMENTS))
    program.resolve()
    with open_workspace(tmp_path / "work", doing="test") as workspace:
        model = model_of(make_plan(program, workspace), workspace, nodes=2, memory=8 << 30)
    ways = {name: (cost.way, cost.tasks) for name, cost in model.costs.items()}
    for name in ("weighed", "topic", "entities", "asked", "pilot", "even"):
        assert ways[name] == ("narrow", 12 if name == "weighed" else 6), name
    assert ways["like_these"] == ("narrow", 10), "three passes over the rows, one over the target"
    assert ways["plain"] == ("rows", 3)
    assert (ways["filtered"][0], ways["nearly"][0]) == ("keys", "bands")
    said = "\n".join(text(model, 12))
    assert "narrow (its combiner learns from all votes; `crowd` votes here): 6 tasks" in said
    assert "narrow (classes are counted over all rows): 6 tasks" in said
