"""Sessions of people on recipes, as the command makes them, and a headless Chromium to look at the page with.

The browser is driven by the W3C WebDriver protocol through Debian's ``chromedriver``: no package is needed for it.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from recipec.annotate.server import Server
from recipec.annotate.session import Session
from recipec.cli import annotate
from recipec.cli._parser import parse
from recipec.report.terminal import stderr

Begin = Callable[..., Session]

ROWS = "id,text,other\n" + "".join(
    f"{i},{text},n{i % 3}\n"
    for i, text in enumerate(
        ["win a prize", "hello you", "免费 prize hello", "see you", "prize prize", "hello <b>there</b>", "你好，世界", "nothing"], 1
    )
)
RECIPE = '''
recipe "mail" { version: "1.0.0"  seed: 3 }
source pool = csv("pool.csv") { key: id }
label topic from pool {
  classes: ["spam", "ham"]
  when text matches r/prize/ => "spam" as prize
  when text matches r/hello|你好/ => "ham" as hello
  guidelines: """
    spam: wants something of you.
    ham: 其他。
  """
}
'''


@pytest.fixture
def begin(lab: Any, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """``begin(recipe, "topic", "--all")``: the recipe is run, and a session of ann's opened on it."""

    def make(recipe: str, *words: str, run: bool = True, worker: str = "ann", rows: str = ROWS) -> Session:
        lab.write("pool.csv", rows) if not (lab.folder / "pool.csv").exists() else None
        path = lab.write("test.recipe", recipe)
        if run:
            lab.run(recipe)
        made = annotate.prepared(parse("annotate", annotate, [str(path), *words, "--as", worker]), stderr())
        assert made is not None
        return made

    return make


@contextmanager
def serving(session: Session) -> Iterator[Server]:
    server = Server(session)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Shift": "\ue008", "Backspace": "\ue003", "PageDown": "\ue00f",
}  # fmt: skip


def missing() -> str | None:
    """Why no browser can be driven here."""
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        return "no chromium here: apt-get install chromium chromium-driver"
    return None if shutil.which("chromedriver") else "no chromedriver here: apt-get install chromium-driver"


class Browser:
    def __init__(self, folder: Path, *, size: str = "1100,850", dark: bool = False) -> None:
        self.process = subprocess.Popen(
            [str(shutil.which("chromedriver")), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        line = next(text for text in self.process.stdout if "successfully on port" in text)
        self.connection = HTTPConnection("127.0.0.1", int(line.rsplit("port", 1)[1].strip(" .\n")), timeout=60)
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}", f"--window-size={size}", "--lang=en",
            *(["--force-dark-mode"] if dark else []),
        ]  # fmt: skip
        options = {
            "args": arguments, "binary": shutil.which("chromium") or shutil.which("google-chrome"),
        }  # fmt: skip
        made = self.call(
            "POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}}
        )
        self.session = f"/session/{made['sessionId']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        self.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        found = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(found, dict) and "error" in found:
            raise RuntimeError(f"{found['error']}: {found['message'][:500]}")
        return found

    def open(self, address: str) -> None:
        self.call("POST", f"{self.session}/url", {"url": "about:blank"})
        self.call("POST", f"{self.session}/url", {"url": address})

    def js(self, script: str, *args: Any) -> Any:
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(args)})

    def text(self, selector: str) -> str:
        return str(self.js("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector))

    def wait(self, check: Callable[[], Any], what: str = "") -> Any:
        """Until the check gives something; the page answers within milliseconds, so half a minute means never."""
        end = time.monotonic() + 30
        while not (found := check()):
            assert time.monotonic() < end, f"never: {what}; {self.text('main')}"
            time.sleep(0.02)
        return found

    def press(self, *keys: str, shift: bool = False) -> None:
        """Keys, one after the other; each is done with when this returns, and what the page fetched for it too."""
        for key in keys:
            value = KEYS.get(key, key)
            actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
            if shift:
                actions = [{"type": "keyDown", "value": KEYS["Shift"]}, *actions, {"type": "keyUp", "value": KEYS["Shift"]}]
            self.call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})
            self.idle()

    def idle(self) -> None:
        self.wait(lambda: self.js("return !document.body.hasAttribute('aria-busy')"), "idle")

    def click(self, selector: str) -> None:
        found = self.call("POST", f"{self.session}/element", {"using": "css selector", "value": selector})
        self.call("POST", f"{self.session}/element/{found[ELEMENT]}/click", {})
        self.idle()

    def drag(self, selector: str, to: str) -> None:
        """With a mouse, from the middle of one element to the middle of another."""
        ends = [
            self.js("const r = document.querySelector(arguments[0]).getBoundingClientRect(); return [Math.round(r.x + r.width / 2), Math.round(r.y + r.height / 2)]", s)
            for s in (selector, to)
        ]  # fmt: skip
        (x0, y0), (x1, y1) = ends
        moves = [
            {"type": "pointerMove", "duration": 0, "x": x0, "y": y0}, {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 20, "x": x1, "y": y1}, {"type": "pointerUp", "button": 0},
        ]  # fmt: skip
        self.call(
            "POST",
            f"{self.session}/actions",
            {"actions": [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}]},
        )

    def logs(self) -> list[str]:
        """What the browser complained of since last asked: errors of scripts, refusals of the page's policy."""
        return [e["message"] for e in self.call("POST", f"{self.session}/se/log", {"type": "browser"})]

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("GET", f"{self.session}/screenshot")))

    def close(self) -> None:
        try:
            self.call("DELETE", self.session)
        finally:
            self.connection.close()
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def mail() -> str:
    """A recipe whose rules fight, agree or say nothing on eight rows."""
    return RECIPE


@pytest.fixture
def serve() -> Callable[[Session], AbstractContextManager[Server]]:
    return serving


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    why = missing()
    if why is not None:
        pytest.skip(why)
    made = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield made
    finally:
        made.close()
