"""Every selector of the registry: ``explain`` says of a row that was chosen, and of one that was not, why; and budgets of tokens hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from recipec.plan.explain import explain
from recipec.registry import names
from tests.augment.masked import classifier_model

EVERY = {
    "above": ("above(clf, 34%)", "max p"),
    "bald": ("bald(clf, passes: 2)", "mutual information"),
    "committee": ("committee([clf, other])", "vote entropy"),
    "deita": ("deita(x, id, vectors: v)", "complexity"),
    "dsir": ("dsir(text, target: goal.text)", "log weight"),
    "entropy": ("entropy(clf)", "entropy"),
    "facility": ("facility(vectors: v)", "gain"),
    "ifd": ("ifd(lm, question, text)", "IFD"),
    "k_center": ("k_center(vectors: v)", "distance"),
    "least_confidence": ("least_confidence(clf)", "1 - max p"),
    "margin": ("margin(clf)", "margin"),
    "perplexity": ("perplexity(lm, text)", "perplexity"),
    "random": ("random()", "rank"),
    "suspect_labels": ("suspect_labels(clf, topic)", "margin against its label"),
    "top": ("top(x)", "value"),
}
"""A call for each, and a word that it says of its score."""


def test_every_selector_says_why(lab: Any, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    from tiny_models import write_transformers

    assert set(EVERY) == set(names("selector"))
    write_transformers(lab.folder / "tiny")
    clf, other = (classifier_model(tmp_path / n, ["a", "b", "c"]) for n in ("one", "two"))
    # What takes all that passes needs no number; the others choose a few, so that some are left.
    steps = "\n".join(
        f"select k_{n} from pool {{ take: {3 if n != 'suspect_labels' else 2}  by: {call} }}" for n, (call, _) in EVERY.items()
    )
    text = f'''
      recipe "r" {{ seed: 3 }}
      sql goal """select 'the lazy dog' as text"""
      sql pool """select i as id, 'the ' || case when i % 2 = 0 then 'lazy dog jumps' else 'quick cat runs' end || ' 今天 ' || i as text, 'say' as question,
        i * 7 % 20 + 1.0 as x, [sin(i), cos(i), i / 20.0]::float[] as v, chr((97 + i % 3)::int) as topic from range(20) r(i)""" {{ key: id }}
      model clf = transformers("{clf}")
      model other = transformers("{other}")
      model lm = transformers("tiny", precision: "fp32")
      {steps}
    '''
    ran = lab.run(text)
    with lab.open() as workspace:
        program = lab.sound(text)
        for name, (_, word) in EVERY.items():
            step = f"k_{name}"
            chosen = {str(k) for (k,) in workspace.con.execute(f"SELECT _key FROM {step}").fetchall()}
            every = {str(k) for (k,) in workspace.con.execute("SELECT _key FROM pool").fetchall()}
            assert len(chosen) <= 3 < len(every), name
            for key in sorted(chosen)[:2] + sorted(every - chosen)[:2]:
                [life] = explain(program, workspace, step, key)
                event = next(e for e in life.events if e.step == step)
                assert event.kept is (key in chosen), name
                if event.kept:
                    assert event.because, name
                    assert "rank" in event.because, (name, event.because)
                    assert word in event.because or "the first, by chance" in event.because, (name, event.because)
                else:
                    assert event.reason, name
    assert sum(bool(ran[f"k_{n}"].built.rows_out) for n in EVERY) >= len(EVERY) - 1


@pytest.mark.parametrize("take", [1, 25, 100, 2_000_000])
@pytest.mark.parametrize("by", ["random()", "top(x)", "k_center(vectors: v)", "dsir(text, target: pool.text)"])
def test_no_budget_of_tokens_is_exceeded(lab: Any, by: str, take: int) -> None:
    ran = lab.run(f'''
      recipe "r" {{ seed: 3 }}
      sql pool """select i as id, repeat('词 ', (i * 7 % 5 + 1)::int) as text, i * 7 % 20 + 1.0 as x, [sin(i), cos(i)]::float[] as v from range(60) r(i)""" {{ key: id }}
      select k from pool {{ take: {take} tokens  count: words(text)  by: {by} }}
    ''')
    (whole,) = ran.rows("select sum(len(text) // 2) from pool")[0]
    (got, least) = ran.rows("select coalesce(sum(len(text) // 2), 0), (select max(len(text) // 2) from pool) from k")[0]
    assert got <= take
    assert got == whole or got > take - least, "until the next row would exceed it"
    assert ran["k"].built.extra["units"] == got
