"""``recipec report``: one file that needs nothing, whatever the data hold."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from recipec.cli import main

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg></title><b>",
    "&lt;already&gt; & 'quoted' \"twice\"",
    "\u202egnitirw desrever\u202c and \x1b[31mred\x1b[0m",
    "]]> <!-- {{ 7*7 }} ${7*7} javascript:alert(1)",
    "一行很长的中文文本，没有空格" * 40,
    "a" * 3000,
]


class Reader(HTMLParser):
    """Checks that tags close in order; collects tags, attributes and what a reader sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen = io.StringIO()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.seen.write(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


RECIPE = """recipe "hostile" {{ version: "1.0.0" }}
source rows = jsonl("rows.jsonl") {{ key: id }}
clean tidy from rows {{
  size = length(text)
  drop where size < {least} as "<i>too & short</i>"
}}
label kind from tidy {{
  classes: ["<b>long</b>", "short & sweet"]
  when size > 200 => "<b>long</b>" as long_one
  when size <= 200 => "short & sweet" as short_one
  when text like "%script%" => "<b>long</b>" as script_words
}}
split parts from kind {{ train: 50%  test: rest }}
evaluate scores from parts.test {{ predicted: guess  gold: kind  slices: [text]  expect rows > 0 }}
export out from parts {{ to: "build/out"  format: jsonl() }}
"""


def recipe(least: int = 3) -> str:
    return RECIPE.format(least=least)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a recipe over hostile texts has run."""
    folder = tmp_path_factory.mktemp("report")
    rows = [
        {"id": i, "text": HOSTILE[i % len(HOSTILE)] + f" {i}", "guess": ["<b>long</b>", "short & sweet"][i % 3 == 0]} for i in range(64)
    ]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(r) for r in [*rows, {"id": 99, "text": "x", "guess": None}]), encoding="utf-8")
    (folder / "hostile.recipe").write_text(recipe(), encoding="utf-8")
    assert main(["run", str(folder / "hostile.recipe")]) == 0
    return folder


def made(place: Path, *options: str) -> str:
    target = place / "made" / "report.html"
    assert main(["report", str(place / "hostile.recipe"), "--to", str(target), *options]) == 0
    return target.read_text(encoding="utf-8")


def test_one_file_that_loads_and_runs_nothing(place: Path) -> None:
    reader = read(made(place))
    tags = {t for t, _ in reader.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    text = made(place)
    assert not any("src" in attributes for _, attributes in reader.tags)
    assert "http" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"|http-equiv', "", text)
    assert "default-src 'none'" in text


def test_texts_of_the_data_are_texts_of_the_page(place: Path) -> None:
    reader = read(made(place, "--samples", "60"))
    seen = reader.seen.getvalue()
    for text in ("<script>alert(1)</script>", "&lt;already&gt; & 'quoted'", "<i>too & short</i>", "<b>long</b>", "一行很长的中文文本"):
        assert text in seen
    assert "\u202e" not in seen
    assert "\x1b" not in seen
    assert "\\u202e" in seen, "what turns the direction of writing is named"
    assert "3,00" in seen, "a long text says how long it is"


def test_what_it_tells(place: Path) -> None:
    text = made(place)
    seen = read(text).seen.getvalue()
    for heading in ("Graph", "Rows", "Scores", "Labels", "Tests", "Steps"):
        assert f"<h2>{heading}</h2>" in text
    for told in (
        "rows read",
        "accuracy",
        "95 % interval",
        "taken for",
        "Surest errors",
        "script_words",
        "65 → 64",
        "64 → 48",
        "build/out",
        "rows > 0",
        "finished",
    ):
        assert told in seen, told
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_same_run_same_bytes(place: Path) -> None:
    first = made(place)
    assert made(place) == first
    assert made(place, "--samples", "0") != first


def test_without_rows_of_the_data(place: Path) -> None:
    seen = read(made(place, "--samples", "0")).seen.getvalue()
    assert "Some rows" not in seen
    assert "{{ 7*7 }}" not in seen.partition("Steps")[0].partition("Slices")[0]


def test_as_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(place / "hostile.recipe"), "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    steps = {s["name"]: s for s in facts["steps"]}
    assert [s["name"] for s in facts["steps"]] == ["rows", "tidy", "kind", "parts", "out", "scores"]
    assert facts["run"]["status"] == "done"
    assert steps["tidy"]["dropped"] == {"<i>too & short</i>": 1}
    assert steps["parts"]["part_rows"] == {"train": 24, "test": 24}
    assert steps["scores"]["inputs"] == [{"step": "parts", "part": "test"}]
    assert {w["texts"][0] for w in steps["scores"]["scores"]["worst"]}
    assert len(steps["rows"]["sample"]["rows"]) == 5


def test_what_did_not_run_with_the_last_changes_says_so(place: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(place, folder)
    (folder / "hostile.recipe").write_text(recipe(30), encoding="utf-8")
    assert main(["run", str(folder / "hostile.recipe"), "--only", "tidy"]) == 0
    text = made(folder)
    assert "of earlier results" in text


def test_nothing_built_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.recipe").write_text(recipe(), encoding="utf-8")
    assert main(["report", str(tmp_path / "a.recipe")]) == 2
    assert "nothing is built yet" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(place / "hostile.recipe"), "--to", str(place)]) == 2
    assert "cannot write" in capsys.readouterr().err


def step(name: str, *inputs: str, **more: Any) -> dict[str, Any]:
    read_ = [{"step": i, "part": None} for i in inputs]
    return {"name": name, "kind": "clean", "inputs": read_, "rows_out": 10, "table": True, **more}


def test_rails_of_the_graph_are_not_crossed_by_other_steps() -> None:
    from recipec.report.html_graph import graph, lanes

    steps = [step("a"), step("b"), step("c", "a"), step("d", "b", "c"), step("e", "a", "d"), step("f", "e"), step("g", "e")]
    rails = lanes(steps)
    place = {s["name"]: n for n, s in enumerate(steps)}
    for n, s in enumerate(steps):
        for source in s["inputs"]:
            m = place[source["step"]]
            assert all(rails[k] != rails[m] for k in range(m + 1, n)), f"{s['name']} reads {source['step']} past another step"
    read(graph(steps, {s["name"]: s["name"] for s in steps}))
    assert graph([], {}) == ""


def test_rounds_as_a_table() -> None:
    from recipec.report.html import rounds
    from recipec.report.html_steps import rounds_table

    def score(value: float) -> dict[str, Any]:
        return {
            "kind": "evaluate",
            "rows_in": 9,
            "rows_out": 1,
            "scores": {"f1": {"value": value, "low": value - 0.1, "high": value + 0.1}},
        }

    labelled = {"kind": "label", "rows_in": 40, "rows_out": 30, "gold": 0.9}
    loop = {
        "steps": ["pseudo", "clf", "score"],
        "rounds": [
            {"round": 1, "steps": [labelled, {"kind": "train", "rows_in": 50, "rows_out": 50}, score(0.5)]},
            {"round": 2, "steps": [labelled, None, score(0.6)]},
        ],
    }
    assert rounds_table(loop) == (
        ["round", "pseudo: accepted", "pseudo: right on gold", "clf: trained on", "score: f1"],
        [
            ["1", "30 of 40 (75.0 %)", "0.900", "50", "0.500 (0.400 to 0.600)"],
            ["2", "30 of 40 (75.0 %)", "0.900", "not run", "0.600 (0.500 to 0.700)"],
        ],
    )
    assert "2 rounds of pseudo, clf, score" in read(f"<div>{rounds(loop)}</div>").seen.getvalue()


MADE = """recipe "made" { version: "1.0.0"  seed: 3 }
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, kind: text } }
source zh = jsonl("zh.jsonl") { key: id  columns: { id: int, text: text, kind: text } }
augment wide from rows { copies: 2  label: kind  labels: keep  mix_sentences(text, rate: 100%)  swap_words(text, rate: 50%)  originals: true }
augment bare from zh { swap_words(text, rate: 50%) }
mix both from wide, zh { weights: { wide: 50%  zh: 50% }  take: 200  cap: { zh: 70 }  epochs: { zh: 2 } }
mix counted from wide, zh { weights: { wide: 50%  zh: 50% }  take: 400 tokens  count: words(text) }
mix plain from rows, zh
"""


def test_copies_and_mixtures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    animals, money = "the <b>cat</b> sat on a mat and purred softly. ", "stocks fell as banks lost money on friday. "
    rows = [{"id": i, "text": (money if i % 2 else animals) * 2 + f"no. {i}", "kind": "money" if i % 2 else "<i>animal"} for i in range(60)]
    # What is said of an animal, and has the words of money once sentences are exchanged.
    zh = [{"id": i, "text": f"今天天气很好，第{i}天我们去公园玩", "kind": "天气"} for i in range(40)]
    for name, listed in (("rows", rows), ("zh", zh)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in listed), encoding="utf-8")
    path = tmp_path / "made.recipe"
    path.write_text(MADE, encoding="utf-8")
    assert main(["run", str(path)]) == 0
    said = capsys.readouterr().out
    assert " · of the copies (their originals): distinct-2 " in said
    assert " ! `zh` gives 70 rows" in said, "what is held back is warned of,"
    assert " · `wide` gives " in said, "and the rest is told"
    assert main(["report", str(path), "--to", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    seen = read(page).seen.getvalue()
    mixtures = page.partition('<section id="mixtures">')[2].partition("</section>")[0]
    for told in ("its cap of 70 is all that it may give", "tokens given", "epochs", "wanted", "50.0 %", "plain"):
        assert told in mixtures, told
    copies = page.partition('<section id="copies">')[2].partition("</section>")[0]
    for told in ("distinct-2", "self-BLEU", "spread (1 - mean cosine)", "words, median", "Before and after", "Nearest to their originals",
                 "Labels suspected", "lie among originals of another class", "&lt;i&gt;animal", "天天"):  # fmt: skip
        assert told in copies, told
    assert "<b>cat</b>" in seen, "texts stay texts"
    assert main(["report", str(path), "--samples", "0", "--to", str(tmp_path / "r.html")]) == 0
    assert "Nearest to their originals" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["report", str(path), "--format", "json"]) == 0
    steps = {s["name"]: s for s in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["both"]["mixture"][1]["cut"] == "its cap of 70"
    assert steps["counted"]["unit"] == "tokens"
    flips = steps["wide"]["copies"]["flips"]
    assert flips["found"] > 10
    assert {tuple(r[2:]) for r in flips["rows"]} <= {("money", "<i>animal"), ("<i>animal", "money")}
    assert "flips" not in steps["bare"]["copies"]


def test_costs_of_calls() -> None:
    from recipec.report.html import costs

    spent = {"calls": 1204, "reused": 8676, "failed": 3, "tokens_in": 51000, "tokens_out": 900, "usd": 0.31}
    free = {"calls": 5, "reused": None, "failed": 0, "tokens_in": None, "tokens_out": None, "usd": None}
    steps = [{"name": "topic", "calls": [{"name": "<asked>", "model": "lm", **spent}, {"name": "other", "model": "local", **free}]}]
    page = costs(steps)
    seen = read(page).seen.getvalue()
    for told in ("topic", "<asked>", "1,204", "8,676", "51,000", "$0.31", "local"):
        assert told in seen, told
    assert "unknown" in seen, "what has no price is not free"
    assert costs([{"name": "a"}]) == ""
