"""Every augmenter, on every text: it ends, gives valid text, depends on the row alone, and changes no more than it says."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast import augment_chars as chars
from recipec.fast import augment_parts as parts
from recipec.fast import augment_words as words
from recipec.fast.augment import bound, choose, draw
from recipec.fast.text_arrow import bytes_of, code_points, is_ascii
from recipec.fast.text_words import words_of
from recipec.registry import names

PAIRS = [
    ("hello", "hi"), ("quick", "fast"), ("quick", "speedy"), ("New York", "the big apple"), ("天气", "气候"), ("今天", "今日"), ("天", "日"),
    ("a", "à la"), ("привет", "здравствуй"), ("๑", "๒"),
]  # fmt: skip
HOSTILE = [
    "", " ", "\n\t", "a", "hello hello hello", "Hello, World! It's 3.14 o'clock (really).", "👨‍👩‍👧", "🇩🇪🇫🇷 flags 👍🏽 and keycaps 1️⃣", "ภาษาไทยง่ายมาก ดี",
    "今天天气很好。我们去公园玩！", "e\u0301e\u0301 \u0301", "é", "ß SS", "مرحبا بالعالم", "नमस्ते दुनिया", "\u202eabc", "\U0010ffff\U000e0041x", "\x00a\x1fb", "İstanbul ışık",
    "a" * 10_000, "x y " * 5_000, "!!! ??? ...", "한국어 텍스트", "New York, new york, NEW YORK",
]  # fmt: skip
Kernel = Callable[..., pa.Array]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("words")
    pq.write_table(pa.table({"term": [t for t, _ in PAIRS], "other": [o for _, o in PAIRS]}), made / "w.parquet")
    return made


def kernels(folder: Path) -> dict[str, Callable[[list[str | None], list[int]], list[str | None]]]:
    """Each kernel of texts with fixed arguments, on Python's own lists."""
    lexicon = (str(folder), "w.parquet")
    every: dict[str, tuple[Kernel, tuple[Any, ...]]] = {
        "swap_words": (words.swap_words, (0.3, "", "")),
        "delete_words": (words.delete_words, (0.3, "", "")),
        "swap_words with a dictionary": (words.swap_words, (0.3, *lexicon)),
        "delete_words with a dictionary": (words.delete_words, (0.3, *lexicon)),
        "synonyms": (words.synonyms, (0.3, *lexicon)),
        "insert_words": (words.insert_words, (0.3, *lexicon)),
        "typos": (chars.typos, (0.1, "en")),
        "noise": (chars.noise, (0.3, 0.5, "insert,swap,delete,substitute")),
        "ocr_errors": (chars.ocr_errors, (0.2,)),
        "homoglyphs": (chars.homoglyphs, (0.2,)),
        "shape_errors": (chars.shape_errors, (0.3,)),
        "pinyin_errors": (chars.pinyin_errors, (0.3, True)),
        "change_case": (chars.change_case, (0.3, "random")),
        "change_punctuation": (chars.change_punctuation, (0.3, "insert,delete,substitute")),
    }

    def run(kernel: Kernel, args: tuple[Any, ...]) -> Callable[[list[str | None], list[int]], list[str | None]]:
        def go(texts: list[str | None], seeds: list[int]) -> list[str | None]:
            columns = [pa.array([a] * len(texts)) for a in args]
            out: list[str | None] = kernel(pa.array(texts, pa.string()), pa.array(seeds, pa.uint64()), *columns).to_pylist()
            return out

        return go

    made = {name: run(*what) for name, what in every.items()}

    def eda(texts: list[str | None], seeds: list[int]) -> list[str | None]:
        copies = pa.array([s % 4 + 1 for s in seeds], pa.int64())
        columns = [pa.array([a] * len(texts)) for a in (0.3, *lexicon)]
        out: list[str | None] = words.eda(
            pa.array(texts, pa.string()), pa.array(seeds, pa.uint64()), columns[0], copies, *columns[1:]
        ).to_pylist()
        return out

    made["eda"] = eda
    other = "Some other sentence. And one more! 还有一句。"
    made["mix_sentences"] = lambda texts, seeds: parts.mix_sentences(
        pa.array(texts, pa.string()), pa.array([other] * len(texts)), pa.array(seeds, pa.uint64()), pa.array([0.5] * len(texts)),
        pa.array([False] * len(texts)),
    ).to_pylist()  # fmt: skip
    return made


KERNELS = sorted(kernels(Path()))
SAME_WORDS = ("typos", "noise", "ocr_errors", "homoglyphs", "shape_errors", "pinyin_errors", "change_case")


def seeds_for(count: int, salt: int = 0) -> list[int]:
    return draw(np.arange(count, dtype=np.uint64), salt).tolist()  # type: ignore[no-any-return]


def test_all_of_the_registry_are_tried_here() -> None:
    apart = {"dedupe", "swap_entities", "paraphrase", "back_translate", "mask_words", "fill_slots", "keeps_label", "keeps_meaning"}
    assert set(names("augmenter")) - set(KERNELS) <= apart, "those are tried in recipes"


@pytest.mark.parametrize("name", KERNELS)
def test_hostile_texts(folder: Path, name: str) -> None:
    run = kernels(folder)[name]
    texts: list[str | None] = [*HOSTILE, None]
    for salt in range(5):
        made = run(texts, seeds_for(len(texts), salt))
        assert [m is None for m in made] == [t is None for t in texts]
        assert run(texts, seeds_for(len(texts), salt)) == made


@pytest.mark.parametrize("name", KERNELS)
def test_a_megabyte(folder: Path, name: str) -> None:
    run = kernels(folder)[name]
    for text in ("quick words 今天天气 hello. " * 40_000, "a" * 1_000_000, " " * 1_000_000):
        made = run([text, "hello"], [1, 2])
        assert made[0] is not None
        assert made == [*run([text], [1]), *run(["hello"], [2])]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=40), st.sampled_from(HOSTILE[:19])), min_size=1, max_size=8), st.integers(0, 2**64 - 1)
)
def test_any_text(folder: Path, texts: list[str | None], seed: int) -> None:
    seeds = [(seed + i) % 2**64 for i in range(len(texts))]
    for name, run in kernels(folder).items():
        made = run(texts, seeds)
        # What a row becomes depends on nothing but itself.
        assert made == [run([t], [s])[0] for t, s in zip(texts, seeds, strict=True)], name
        for text, new in zip(texts, made, strict=True):
            if text is None or new is None:
                assert text == new
                continue
            new.encode()
            if name in SAME_WORDS:
                assert len(new.split()) == len(text.split()), name
            if name.startswith("swap_words"):
                assert sorted(new) == sorted(text)
            if name in ("typos", "homoglyphs", "shape_errors", "pinyin_errors", "change_case"):
                assert len(new) == len(text), name
            if name.startswith("delete_words") and words_of(text):
                assert 1 <= len(words_of(new)) <= len(words_of(text))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=30), st.text("ab1Z ,.'-_\n\t\x1f", max_size=20)), min_size=1, max_size=5))
def test_words_are_those_of_the_language(texts: list[str]) -> None:
    from recipec.fast.augment import find_words

    plain = bytes_of(pa.array(texts))
    found = find_words(plain if is_ascii(plain.values) else code_points(plain))
    whole = "".join(texts)
    per_row: list[list[str]] = [[] for _ in texts]
    for begin, end, row in zip(found.begin.tolist(), found.end.tolist(), found.row.tolist(), strict=True):
        per_row[row].append(whole[begin:end])
    assert per_row == [words_of(t) for t in texts]


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("👨‍👩‍👧", True),
        ("🇩🇪", True),
        ("🇩🇪🇫🇷", False),
        ("e\u0301", True),
        ("👍🏽", True),
        ("1\ufe0f\u20e3", True),
        ("ab", False),
        ("กำ", False),
    ],
)
def test_what_belongs_together(text: str, one: bool) -> None:
    joins = bound(code_points(bytes_of(pa.array([text + "中"]))))
    assert bool(joins[1 : len(text)].all()) is one
    assert not joins[0]
    assert not joins[-1]


def test_accents_stay_on_their_letters(folder: Path) -> None:
    text = "re\u0301sume\u0301 nai\u0308ve cafe\u0301 " * 5
    for name in ("typos", "noise", "ocr_errors", "homoglyphs", "change_case"):
        run = kernels(folder)[name]
        for seed in range(20):
            new = run([text], [seed])[0]
            assert new is not None
            accented = [(a, b) for a, b in pairwise(new) if unicodedata.combining(b)]
            assert [(a.lower(), b) for a, b in accented] == [("e", "\u0301"), ("e", "\u0301"), ("i", "\u0308"), ("e", "\u0301")] * 5, name


def test_choosing_is_fair_and_without_repeats() -> None:
    counts, wanted = np.array([7] * 20_000), np.array([3] * 20_000)
    made = choose(counts, wanted, draw(np.arange(20_000, dtype=np.uint64), 9), 0)
    assert all(len(set(p)) == 3 for p in made.place.reshape(-1, 3).tolist())
    often = np.bincount(made.place, minlength=7) / 20_000
    assert abs(often - 3 / 7).max() < 0.015


def test_rates_are_kept(folder: Path) -> None:
    text = "abcdefghij " * 1000
    new = chars.typos(pa.array([text]), pa.array([5], pa.uint64()), pa.array([0.02]), pa.array(["en"]))[0].as_py()
    assert sum(a != b for a, b in zip(text, new, strict=True)) in (200, 201)
    short = chars.typos(pa.array(["abc"] * 50), pa.array(seeds_for(50), pa.uint64()), pa.array([0.02] * 50), pa.array(["en"] * 50))
    assert all(sum(a != b for a, b in zip("abc", s, strict=True)) == 1 for s in short.to_pylist())


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("Quick", {"Fast", "Speedy"}),
        ("QUICK", {"FAST", "SPEEDY"}),
        ("in New York!", {"in The big apple!"}),
        ("今天天气好", {"今日天气好", "今天气候好"}),
        ("none here", {"none here"}),
    ],
)
def test_synonyms(folder: Path, text: str, outcomes: set[str]) -> None:
    run = kernels(folder)["synonyms"]
    assert {run([text], [s])[0] for s in seeds_for(30)} == outcomes


def test_spaces_and_punctuation_stay(folder: Path) -> None:
    text = "One,  two;\tthree -- (four)\n\nfive?"
    new = kernels(folder)["swap_words"]([text], [3])[0]
    assert new is not None
    strip = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyzO")
    assert new.translate(strip) == text.translate(strip)
    assert kernels(folder)["delete_words"](["a b c d e"] * 40, seeds_for(40)).count("a b c d e") == 0
    assert all("  " not in str(t) and str(t) == str(t).strip() for t in kernels(folder)["delete_words"](["a b c d e"] * 40, seeds_for(40)))


def test_a_dictionary_keeps_words_together(folder: Path) -> None:
    run, leave = kernels(folder)["swap_words with a dictionary"], kernels(folder)["delete_words with a dictionary"]
    made = {run(["今天天气好"], [s])[0] for s in seeds_for(40)}
    assert made == {"天气今天好", "好天气今天", "今天好天气"}
    assert {leave(["in New York now"], [s])[0] for s in seeds_for(60)} >= {"in now", "New York now", "in New York"}
    assert not {leave(["in New York now"], [s])[0] for s in seeds_for(60)} & {"in York now", "in New now"}


TAGGED = [
    (["Mr", "John", "Smith", "went"], ["O", "B-PER", "I-PER", "O"]),
    (["Anna", "saw", "New", "York"], ["B-PER", "O", "B-LOC", "I-LOC"]),
    (["nothing"], ["O"]), ([], []), (["a", "b"], ["B-PER"]), (None, None), (["Rome"], ["B-LOC"]),
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "IO"])
def test_entities_stay_aligned(tmp_path: Path, scheme: str) -> None:
    def written(tags: list[str] | None) -> list[str] | None:
        if tags is None or scheme == "BIO":
            return tags
        out = []
        for i, tag in enumerate(tags):
            last = i + 1 == len(tags) or not tags[i + 1].startswith("I-")
            prefix = {"B": "S" if last else "B", "I": "E" if last else "I"}.get(tag[0], "O")
            out.append(tag if tag == "O" else f"{prefix if scheme == 'BIOES' else 'I'}-{tag[2:]}")
        return out

    rows = [(t, written(g)) for t, g in TAGGED]
    batch = pa.record_batch(
        [pa.array([t for t, _ in rows], pa.list_(pa.string())), pa.array([g for _, g in rows], pa.list_(pa.string()))], names=["a", "b"]
    )
    even = batch.filter(pa.array([t is not None and len(t) == len(g or []) for t, g in rows]))
    parts.gather_entities([even], str(tmp_path / "e.parquet"))
    for salt in range(10):
        seeds = pa.array(seeds_for(len(rows), salt), pa.uint64())
        path = pa.array([str(tmp_path / "e.parquet")] * len(rows))
        made = parts.swap_entities(batch.column(0), batch.column(1), seeds, pa.array([1.0] * len(rows)), path).to_pylist()
        for (tokens, tags), new in zip(rows, made, strict=True):
            if tokens is None or tags is None or len(tokens) != len(tags):
                assert (new["tokens"], new["tags"]) == (tokens, tags)
                continue
            assert len(new["tokens"]) == len(new["tags"])
            assert [k for *_, k in parts.mentions(new["tags"])] == [k for *_, k in parts.mentions(tags)]
            assert {t[0] for t in new["tags"]} <= set(scheme)
            pool = {" ".join(t[b:e]) for t, g in rows if t and g and len(t) == len(g) for b, e, _ in parts.mentions(g)}
            assert {" ".join(new["tokens"][b:e]) for b, e, _ in parts.mentions(new["tags"])} <= pool
