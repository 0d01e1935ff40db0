"""Every augmenter of the registry, in a recipe: the same bytes for any threads and order, parents, and texts that break things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipec.registry import names
from tests.augment.masked import classifier_model, masked_model
from tests.augment.test_models import Server, server
from tests.conftest import Lab

__all__ = ["server"]

EVERY = {
    "back_translate": "back_translate(text, forward: lm, back: lm)",
    "change_case": "change_case(text, rate: 50%)",
    "change_punctuation": "change_punctuation(text)",
    "dedupe": "typos(text)  dedupe(text, near: 90%, ngram: 2)",
    "delete_words": "delete_words(text)",
    "eda": "eda(text, from: th)",
    "fill_slots": "fill_slots(text, from: values)",
    "homoglyphs": "homoglyphs(text)",
    "insert_words": "insert_words(text, from: th)",
    "keeps_label": "delete_words(text, rate: 40%)  keeps_label(text, label: topic, with: clf)",
    "keeps_meaning": "delete_words(text, rate: 40%)  keeps_meaning(text, with: e, at_least: 60%)",
    "mask_words": "mask_words(text, with: bert)",
    "mix_sentences": "mix_sentences(text, within: topic)",
    "noise": "noise(text)",
    "ocr_errors": "ocr_errors(text, rate: 10%)",
    "paraphrase": "paraphrase(text, with: lm)",
    "pinyin_errors": "pinyin_errors(text, fuzzy: true)",
    "shape_errors": "shape_errors(text, rate: 20%)",
    "swap_entities": "swap_entities(tokens, tags)",
    "swap_words": "swap_words(text)",
    "synonyms": "synonyms(text, from: th)",
    "typos": "typos(text, rate: 10%)",
}
"""A statement for each; the copies of a step are what several make together where it only drops some."""

HOSTILE = [
    "", " ", "\n", "a", "中", "๑", "!", "hello hello hello", "ha ha ha ha", "👨‍👩‍👧 👍🏽 🇩🇪🇫🇷", "🙂", "ภาษาไทยง่ายมาก ดี", "今天天气很好。我们去公园玩！", "{city} {who}",
    "{" * 50, "e\u0301\u0301\u0301", "\u202eabc\u202c", "\U0010ffff", "a\x00b\x1fc", "İ ı ß ﬁ", "مرحبا بالعالم", "word" * 3_000,
    "The words go on, and on. " * 40_000,
]  # fmt: skip


def test_every_one_is_tried() -> None:
    assert set(EVERY) == set(names("augmenter"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return masked_model(tmp_path_factory.mktemp("bert")), classifier_model(tmp_path_factory.mktemp("clf"), ["0", "1", "2"])


def recipe(folder: Path, order: list[int], models: tuple[Path, Path], url: str) -> str:
    """The recipe, its rows written in an order."""
    rows = [
        {"id": i, "text": HOSTILE[i], "topic": str(i % 3), "tokens": [], "tags": []} for i in range(len(HOSTILE))
    ] + [
        {"id": i, "text": None if i == 30 else f"The lazy fox no. {i} jumps over words. It goes to {{city}}! 今天己经很好。", "topic": None if i % 9 == 0 else str(i % 3),
         "tokens": ["A", f"name{i % 7}", "Bo"], "tags": ["O", "B-X", "I-X"] if i % 2 else ["O", "B-X", "B-Y"]}
        for i in range(30, 90)
    ]  # fmt: skip
    schema = pa.schema([
        ("id", pa.int64()), ("text", pa.string()), ("topic", pa.string()), ("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string())),
    ])  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([rows[i] for i in order], schema), folder / "rows.parquet", row_group_size=17)
    bert, clf = models
    steps = "\n".join(f"augment k_{name} from a {{ originals: false  copies: 2  {what} }}" for name, what in EVERY.items())
    return f'''
      recipe "r" {{ seed: 5 }}
      source a = parquet("rows.parquet") {{ key: id }}
      sql th """select unnest(['words', 'lazy', '今天', 'hello']) as word, unnest([['terms', 'tokens'], ['idle'], ['今日'], ['hi']]) as synonym""" {{ key: word }}
      sql values """select 'city' as slot, ['Rome', '北京', 'Oslo'] as value""" {{ key: slot }}
      model lm = openai("m", base_url: "{url}") {{ retries: 5 }}
      model bert = transformers("{bert}")
      model clf = transformers("{clf}")
      model e = embedding("{bert}")
      {steps}
    '''


def test_bytes_parents_and_texts_that_break_things(tmp_path: Path, models: tuple[Path, Path], server: Server) -> None:
    count = len(HOSTILE) + 60
    made: list[dict[str, Any]] = []
    for threads, order in ((1, list(range(count))), (2, [(i * 37 + 11) % count for i in range(count)])):
        folder = tmp_path / str(threads)
        lab = Lab(folder)
        ran = lab.run(recipe(folder, order, models, server.url), threads=threads)
        made.append({name: ran.rows(f"select * from k_{name} order by _key") for name in EVERY})
        for name in EVERY:
            wrong = (
                f"select count(*) from k_{name} k left join a on k._parent = a._key and k.id = a.id where a._key is null or k._key = a._key"
            )
            assert ran.rows(wrong) == [(0,)], name
            accounted = ran[f"k_{name}"].built
            assert accounted.rows_out + sum(accounted.dropped.values()) == 2 * count, name
            assert accounted.rows_out > 0, name
            assert ran.rows(f"select count(*) from k_{name} where len(tokens) <> len(tags)") == [(0,)]
            unlike = f"select count(*) from k_{name} k join a on k._parent = a._key where (k.text, k.tokens, k.tags) is not distinct from (a.text, a.tokens, a.tags)"
            assert ran.rows(unlike) == [(0,)], name
            longest = f"select max(length(k.text)) from k_{name} k where id = {len(HOSTILE) - 1}"
            assert (ran.rows(longest)[0][0] or 0) < 2_500_000, name
    for name in EVERY:
        assert made[0][name] == made[1][name], name
