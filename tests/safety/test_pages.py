"""A report of hostile data in a real browser: nothing of the data is executed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recipec.cli import main

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)
MARK = "document.title='executed'"
TEXTS = (
    f"<script>{MARK}</script>",
    f"<img src=x onerror={MARK}>",
    f"<svg/onload={MARK}>",
    f"</td></style></title><script>{MARK}</script>",
    f"javascript:{MARK}",
)


RECIPE = """recipe {0} {{ version: "1"  seed: 3 }}
source x = jsonl("rows.jsonl") {{ key: id }}
source y = jsonl("more.jsonl") {{ key: id }}
clean c from x {{ drop where id > 35 as {1} }}
clean w from c {{ `<b>n</b>` = id + 1 }}
augment more from c {{ copies: 1  label: kind  labels: keep  swap_words(text, rate: 50%) }}
mix both from more, y {{ weights: {{ more: 50%  y: 50% }}  take: 30  cap: {{ y: 10 }} }}
label l from c {{ classes: [{0}, {1}]  gold: kind  when id > 3 => {0} as `<i>r</i>`  when id < 9 => {1} as second  combine: majority() }}
expect good from c {{ expect rows(c) > 0 as {3} }}
evaluate e from l {{ predicted: l  gold: kind  metrics: [accuracy, f1] }}
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_script_of_the_data_is_executed(tmp_path: Path) -> None:
    names = [json.dumps(t) for t in TEXTS]
    rows = [json.dumps({"id": i, "text": f"{TEXTS[i % len(TEXTS)]} {i} words of a text", "kind": TEXTS[i % 2]}) for i in range(40)]
    for file in ("rows", "more"):
        (tmp_path / f"{file}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "t.recipe").write_text(RECIPE.format(*names), encoding="utf-8")
    assert main(["run", str(tmp_path / "t.recipe")]) == 0
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "t.recipe"), "--to", str(page)]) == 0
    written = page.read_text(encoding="utf-8")
    for section in ("graph", "rows", "scores", "mixtures", "copies", "labels", "tests", "steps"):
        assert f'<section id="{section}">' in written, section
    assert "executed" in page.read_text(encoding="utf-8"), "the texts are shown"
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'browser'}",
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if not done.stdout:
        pytest.skip("the browser does not start here")
    assert re.search(r"<title>t: report</title>", done.stdout)
    assert "<title>executed</title>" not in done.stdout
    # The page's policy forbids scripts; but none came to be, nor any other element or handler of the data's.
    seen = Elements(done.stdout)
    assert not seen.tags & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    assert not [n for n in seen.attributes if n.startswith("on")]
    assert seen.places <= {"#"}, "a link leads to this page alone"


class Elements(HTMLParser):
    """What a page has in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.places: set[str] = set()
        """First letters of what links lead to."""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.places |= {(value or "")[:1] for name, value in attrs if name in ("href", "src", "xlink:href", "action")}
