"""Vectors from a server: batches, order, length, the file they are kept in, retries, budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec.api import DataError, Secret
from recipec.models._base import ModelSettings, Opening
from recipec.models.embedding import Embedding, EmbeddingParams
from recipec.models.vectors import HEADER, ServedEmbedding
from tests.models.server import Server, serving

TEXTS = [f"a text {'ea' * (n % 7)} number {n}" for n in range(700)]


def opened(folder: Path, url: str, key: str | None = None, params: dict[str, Any] | None = None, **settings: Any) -> ServedEmbedding:
    given = EmbeddingParams(path="nomic", base_url=Secret(None, url), api_key=None if key is None else Secret(None, key), **params or {})
    model = Embedding(given).open(Opening(ModelSettings(**{"retries": 8, **settings}), folder / "ledger", "emb", lambda note: None))
    assert isinstance(model, ServedEmbedding)
    return model


def wanted(text: str) -> list[float]:
    made: list[float] = Server().embeddings({"input": [text], "model": "m"})["data"][0]["embedding"]
    return made


def right(vectors: Any, texts: list[str]) -> None:
    expected = np.array([wanted(t) for t in texts])
    expected /= np.linalg.norm(expected, axis=1)[:, None]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_texts_are_paid_once(tmp_path: Path) -> None:
    with serving() as server:
        model = opened(tmp_path, server.url)
        right(model.embed(TEXTS + TEXTS[:5]), TEXTS + TEXTS[:5])
        assert server.number < 10, "many texts a request"
        assert max(server.inputs.values()) == 1, "equal texts are sent once"
        number = server.number
        right(model.embed(TEXTS[::-1]), TEXTS[::-1])
        assert server.number == number
        model.close()
        again = opened(tmp_path, server.url)
        right(again.embed([*TEXTS, "one more"]), [*TEXTS, "one more"])
        assert server.number == number + 1
        assert server.inputs["one more"] == 1
        assert again.spent()["calls"] == 1
        assert again.spent()["reused"] == len(TEXTS)
        again.close()
    (path,) = (tmp_path / "ledger").glob("vectors-*.bin")
    assert path.stat().st_size == HEADER + (len(TEXTS) + 1) * (4 + 16 + 4 * 4)


def test_another_model_or_prefix_is_another_text(tmp_path: Path) -> None:
    with serving() as server:
        for params in ({}, {"prefix": "query: "}, {}):
            model = opened(tmp_path, server.url, params=params)
            model.embed(["hello"])
            model.close()
        assert dict(server.inputs) == {"hello": 1, "query: hello": 1}


def test_a_server_that_misbehaves(tmp_path: Path) -> None:
    with serving(cut=0.1, broken=0.1, fail=0.1, limited=0.1, empty=0.05) as server:
        model = opened(tmp_path, server.url, params={"batch_tokens": 64})
        right(model.embed(TEXTS), TEXTS)
        model.close()


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    with serving(inputs=32) as server:
        model = opened(tmp_path, server.url)
        right(model.embed(TEXTS), TEXTS)
        model.close()


def test_a_torn_record_is_a_missing_one(tmp_path: Path) -> None:
    with serving() as server:
        model = opened(tmp_path, server.url)
        model.embed(TEXTS[:10])
        model.close()
        (path,) = (tmp_path / "ledger").glob("vectors-*.bin")
        data = bytearray(path.read_bytes())
        data[HEADER + 25] ^= 1
        path.write_bytes(data[:-3])
        again = opened(tmp_path, server.url)
        right(again.embed(TEXTS[:10]), TEXTS[:10])
        again.close()
        assert sum(server.inputs.values()) == 12
        third = opened(tmp_path, server.url)
        third.embed(TEXTS[:10])
        assert sum(server.inputs.values()) == 12
        third.close()


def test_two_processes_do_not_write_to_one_file(tmp_path: Path) -> None:
    with serving() as server:
        one, two = opened(tmp_path, server.url), opened(tmp_path, server.url)
        one.embed(TEXTS[:3])
        two.embed(TEXTS[3:6])
        assert len(list((tmp_path / "ledger").glob("vectors-*.bin"))) == 2
        one.close()
        two.close()
        three = opened(tmp_path, server.url)
        right(three.embed(TEXTS[:6]), TEXTS[:6])
        assert sum(server.inputs.values()) == 6
        three.close()


@pytest.mark.parametrize(
    ("told", "settings", "message"),
    [
        ({"key": "right"}, {}, r"does not accept the API key \(401\): .*\*\*\*"),
        ({"page": True}, {}, "/embeddings answers with a web page.*usually ends in /v1"),
        ({"statuses": [404]}, {}, r"/v1/embeddings is not there, or has no model `nomic` \(404\)"),
        ({}, {"budget_tokens": 50}, "the budget of 50 tokens is used up"),
        ({}, {"budget_usd": 0.000001, "price_in": 1.0}, "the budget of "),
        ({"broken": 1.0}, {"retries": 0}, "got no vectors: answer: the answer is not JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, told: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    with serving(**told) as server:
        model = opened(tmp_path, server.url, key="sk-very-secret-key", **settings)
        with pytest.raises(DataError, match=message) as raised:
            model.embed(TEXTS)
        assert "very-secret" not in raised.value.message
        assert raised.value.about == "emb"
        model.close()
