"""The report in a real browser, as wide as a phone: nothing sticks out, and every section is there to be read."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from recipec.cli import main

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)
WIDTH = 375
LOOK = """<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe id="page" style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>
<script>
window.onload = () => {{
  const d = document.getElementById("page").contentDocument;
  d.querySelectorAll("details").forEach(x => x.open = true);
  const inside = x => {{ for (let e = x.parentElement; e; e = e.parentElement) if (getComputedStyle(e).overflowX !== "visible") return true; return false; }};
  const out = [...d.body.querySelectorAll("*")].filter(x => x.getBoundingClientRect().right > {width} + 1 && !inside(x))
    .map(x => x.tagName + "." + x.getAttribute("class") + ": " + x.textContent.slice(0, 40));
  const small = [...d.body.querySelectorAll("p, td, th, a, li, summary")].filter(x => x.textContent && parseFloat(getComputedStyle(x).fontSize) < 11).length;
  document.title = JSON.stringify({{ wide: d.documentElement.scrollWidth, out: out.slice(0, 5), small, text: d.body.innerText.length,
    sections: [...d.querySelectorAll("section")].map(s => s.id) }});
}};
</script>"""
RECIPE = """recipe "phone" {{ version: "1.0.0" }}
source rows = jsonl("rows.jsonl") {{ key: id }}
clean tidy from rows {{
  size_of_the_text_in_characters = length(text)
  drop where id % 7 == 0 as "a reason that takes a good many words to tell, on purpose"
}}
label kind from tidy {{
  classes: ["a class with a rather long name", "b"]
  when id % 2 == 0 => "a class with a rather long name" as the_first_rule_of_all_rules
  when id % 3 == 0 => "b" as b_rule
  combine: majority(ties: first)
}}
split parts from kind {{ train: 50%  test: rest }}
{more}
evaluate scores from parts.test {{ predicted: guess  gold: kind  slices: [lang] }}
export out from parts {{ to: "build/a/folder/with/a/long/path/to/it"  format: jsonl() }}
"""
TRAIN = """augment more from parts.train { copies: 2  swap_words(text, rate: 50%)  typos(text)  label: kind }
mix both from more, kind { weights: { more: 70%  kind: 30% }  take: 30 }
train clf from parts.train {
  task: classify(text => kind)  base: scratch(layers: 1, width: 16, heads: 2, vocab: 300, max_length: 32)  epochs: 2  batch_size: 8
  validation: parts.test
}
evaluate of_the_model from parts.test { model: clf  metrics: [accuracy, f1, roc_auc] }
"""


def look(page: str, folder: Path, width: int = WIDTH) -> dict[str, object]:
    """What the browser says of a page in a frame of this width."""
    assert BROWSER is not None
    (folder / "frame.html").write_text(LOOK.format(width=width, page=html.escape(page, quote=True)), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
    ]
    done = subprocess.run([BROWSER, *flags, (folder / "frame.html").as_uri()], capture_output=True, text=True, timeout=120, check=False)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.S)
    if title is None:
        pytest.skip(f"the browser does not run here: {done.stderr[-200:]}")
    found: dict[str, object] = json.loads(html.unescape(title[1]))
    return found


@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_a_phone_shows_all_of_it(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="training is an extra")
    rows = [
        {
            "id": i,
            "text": f"https://example.com/{'x' * 90}/{i} " + "一行很长的中文文本没有空格" * 8,
            "lang": ["zh", "en"][i % 2],
            "guess": "b",
        }
        for i in range(80)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = tmp_path / "phone.recipe"
    path.write_text(RECIPE.format(more=TRAIN), encoding="utf-8")
    assert main(["run", str(path)]) == 0
    assert main(["report", str(path), "--to", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = look(page, tmp_path)
    assert isinstance(found["wide"], int)
    assert WIDTH - 20 <= found["wide"] <= WIDTH, found  # less a scroll bar
    assert found["out"] == []
    assert found["small"] == 0
    assert isinstance(found["text"], int)
    assert found["text"] > 2000
    assert found["sections"] == ["graph", "rows", "scores", "models", "mixtures", "copies", "labels", "steps"]


@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_the_test_sees_what_sticks_out(tmp_path: Path) -> None:
    found = look(f"<!doctype html><body style='margin:0'><p style='width:500px'>{'wide ' * 20}</p>", tmp_path)
    assert found["wide"] == 500, found
    assert found["out"]
