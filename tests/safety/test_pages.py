"""A report of hostile data in a real browser: nothing of the data is executed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
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


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_script_of_the_data_is_executed(tmp_path: Path) -> None:
    rows = [json.dumps({"id": i, "text": TEXTS[i % len(TEXTS)] + str(i)}) for i in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    name = json.dumps(TEXTS[0])
    recipe = f'recipe {name} {{ version: "1" }}\nsource x = jsonl("rows.jsonl") {{ key: id }}\nclean c from x {{ drop where id > 15 as {json.dumps(TEXTS[1])} }}\n'
    (tmp_path / "t.recipe").write_text(recipe, encoding="utf-8")
    assert main(["run", str(tmp_path / "t.recipe")]) == 0
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "t.recipe"), "--to", str(page)]) == 0
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
