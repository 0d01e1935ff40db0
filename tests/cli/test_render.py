"""``show STEP --render TEMPLATE``."""

from __future__ import annotations

import json
from pathlib import Path

from cli_harness import ROWS, Run

RECIPE = '''\
template ask(text: text, n) """
  {{ n }}: {{ text }}
  """
template chat(text) { system """Be brief.""" user """{{ text }}""" }
template other(nope) "{{ nope }}"

source rows = csv("rows.csv") { key: id }

clean tidy from rows { keep where n > 1 as "small" }
'''


def test_prompts_of_a_step(recipec: Run) -> None:
    Path("rows.csv").write_text(ROWS, encoding="utf-8")
    Path("a.recipe").write_text(RECIPE, encoding="utf-8")
    assert recipec("run", "a.recipe").status == 0
    done = recipec("show", "tidy", "--render", "ask")
    assert (done.status, done.err) == (0, "")
    assert "2: 你好\n" in done.out
    assert "1: Hello there" in recipec("show", "a.recipe", "tidy", "--dropped", "--render", "ask").out
    data = json.loads(recipec("show", "rows", "--render", "chat", "--format", "json", "--sort", "n desc").out)
    assert data[0]["chat"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好"}]
    assert len(data) == 2


def test_a_template_that_cannot_be_shown(recipec: Run) -> None:
    Path("rows.csv").write_text(ROWS, encoding="utf-8")
    Path("a.recipe").write_text(RECIPE, encoding="utf-8")
    recipec("run", "a.recipe")
    unknown = recipec("show", "tidy", "--render", "asc")
    assert unknown.status == 2
    assert "did you mean `ask`?" in unknown.err
    missing = recipec("show", "tidy", "--render", "other")
    assert missing.status == 2
    assert "no column `nope`" in missing.err
