"""Files on web servers."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from http_harness import Site

from recipec.api import DataError
from recipec.mirror import _answer, http
from recipec.mirror._address import secret_in, shown
from recipec.mirror._answer import unreachable
from recipec.mirror._base import Fetching, Snapshot
from recipec.mirror.catalog import Arrival, Catalog
from recipec.mirror.http import HttpMirror

ROWS = "id,price\n1,5\n2,50\n"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    made = Site()
    yield made
    made.close()


def write(place: str, more: str = "{ key: id }") -> None:
    Path("a.recipe").write_text(f"source goods = {place} {more}\n", encoding="utf-8")


class Copies:
    """A catalogue of one address's copies."""

    def __init__(self, folder: Path, address: str, reader: str = "csv") -> None:
        self.catalog = Catalog(folder / "mirror")
        self.mirror = HttpMirror(address)
        self.mirror.reader = reader

    def bring(self, progress: Any = lambda done, total, what: None) -> Arrival:
        return self.catalog.refresh(self.mirror, progress, lambda text: None)

    @property
    def bytes(self) -> bytes:
        snapshot = self.catalog.snapshot(self.mirror)
        assert snapshot is not None
        return snapshot.files[0].path.read_bytes()


def problem(tmp_path: Path, address: str, reader: str = "csv") -> tuple[str, str]:
    with pytest.raises(DataError) as found:
        Copies(tmp_path, address, reader).bring()
    return found.value.message, found.value.help


def test_a_source_on_a_server(recipec: Any, site: Site) -> None:
    site.put("/a.csv", ROWS)
    site.put("/b.csv.gz", gzip.compress(b"id,price\n3,7\n"))
    write(f'csv(["{site.url}/a.csv", "{site.url}/b.csv.gz"])')
    done = recipec("run")
    assert done.status == 0, done.err
    assert "2 files came, 5" in done.out
    assert "3 rows" in done.out
    site.asked.clear()
    assert "2 files, unchanged" in recipec("run").out
    assert all("If-None-Match" in headers for _, headers in site.asked)
    assert len(site.asked) == 2
    site.put("/a.csv", ROWS + "9,9\n")
    assert f"1 file came, 22 B; 1 unchanged   {site.url}/a.csv (+1 more)" in recipec("run").out
    site.put("/a.csv", ROWS + "9,cheap\n")
    write(f'csv("{site.url}/a.csv")', "{ key: id  columns: { id: int, price: int }  max_bad: 50% }")
    assert recipec("run").status == 0
    done = recipec("bad", "a.recipe", "goods")
    assert f"{site.url}/a.csv" in done.out
    for command in (
        ["explain", "a.recipe", "goods", "1"],
        ["report", "a.recipe", "--to", "report.html"],
        ["show", "a.recipe", "goods"],
    ):
        done = recipec(*command)
        assert ".recipec/mirror" not in done.out + done.err
    assert ".recipec/mirror" not in Path("report.html").read_text("utf-8")


def test_a_file_without_etag(tmp_path: Path, site: Site) -> None:
    page = site.put("/a.csv", ROWS, etag=None, modified="Tue, 06 Oct 2026 07:00:00 GMT")
    copies = Copies(tmp_path, f"{site.url}/a.csv")
    assert copies.bring()
    assert not copies.bring()
    assert site.sent == [len(ROWS)]
    page.modified = None
    assert not copies.bring(), "copied again, and the same"
    assert site.sent == [len(ROWS)] * 3, "once asked whether it changed, once copied"


def test_another_etag_of_the_same_contents_changes_nothing(tmp_path: Path, site: Site) -> None:
    page = site.put("/a.csv", ROWS, etag='"1"')
    copies = Copies(tmp_path, f"{site.url}/a.csv")
    assert copies.bring()
    page.etag = '"2"'
    assert not copies.bring()


BIG = bytes(range(256)) * 4000


@pytest.mark.parametrize("etag", ["auto", None])
def test_a_cut_connection_is_gone_on_with(tmp_path: Path, site: Site, etag: str | None) -> None:
    site.put("/big.csv", BIG, etag=etag, modified="Tue, 06 Oct 2026 07:00:00 GMT", cut=[300_000, 200_000, 100_000])
    copies = Copies(tmp_path, f"{site.url}/big.csv")
    copies.bring()
    assert copies.bytes == BIG
    assert site.sent == [300_000, 200_000, 100_000, len(BIG) - 600_000]


def test_a_cut_connection_to_a_server_without_ranges_begins_anew(tmp_path: Path, site: Site) -> None:
    site.put("/big.csv", BIG, ranges=False, cut=[300_000])
    copies = Copies(tmp_path, f"{site.url}/big.csv")
    copies.bring()
    assert copies.bytes == BIG


def test_chunks_that_end_early(tmp_path: Path, site: Site) -> None:
    site.put("/big.csv", BIG, chunked=True)
    copies = Copies(tmp_path, f"{site.url}/big.csv")
    copies.bring()
    assert copies.bytes == BIG


def test_a_file_that_changed_between_two_pieces_begins_anew(tmp_path: Path, site: Site) -> None:
    site.put("/big.csv", BIG, cut=[300_000])
    copies = Copies(tmp_path, f"{site.url}/big.csv")

    def swap(done: int, total: int | None, what: str) -> None:
        if done == 300_000:
            site.put("/big.csv", BIG[::-1])

    # Progress is told between the pieces.
    copies.bring(swap)
    assert copies.bytes in (BIG, BIG[::-1])
    site.put("/big.csv", BIG[::-1], cut=[1])
    copies.bring()
    assert copies.bytes == BIG[::-1]


def test_a_stopped_copy_is_gone_on_with(tmp_path: Path, site: Site) -> None:
    site.put("/big.csv", BIG, cut=[300_000])
    copies = Copies(tmp_path, f"{site.url}/big.csv")

    def stop(done: int, total: int | None, what: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copies.bring(stop)
    assert copies.catalog.snapshot(copies.mirror) is None
    copies.bring()
    assert copies.bytes == BIG
    assert site.sent == [300_000, len(BIG) - 300_000]


def test_a_copy_that_was_whole_but_had_no_name_yet(tmp_path: Path, site: Site) -> None:
    site.put("/big.csv", BIG)
    copies = Copies(tmp_path, f"{site.url}/big.csv")

    def stop(done: int, total: int | None, what: str) -> None:
        if done == len(BIG):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copies.bring(stop)
    copies.bring()
    assert copies.bytes == BIG
    assert site.sent == [len(BIG)]


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=pytest.mark.skipif(not os.environ.get("RECIPEC_LONG"), reason="set RECIPEC_LONG=1"))]
)
def test_killed_in_the_middle_and_run_again(recipec: Any, site: Site, count: int) -> None:
    rows = "id,text\n" + "".join(f"{i},{'x' * 80}\n" for i in range(count))
    half = threading.Event()

    def slowly(h: Any) -> bool:
        if half.is_set():
            return False
        h.send_response(200)
        h.send_header("ETag", '"v1"')
        h.send_header("Content-Length", str(len(rows)))
        h.end_headers()
        h.wfile.write(rows[: len(rows) // 2].encode())
        h.wfile.flush()
        half.wait(20)
        return True

    site.answer = slowly
    site.put("/big.csv", rows, etag='"v1"')
    write(f'csv("{site.url}/big.csv")')
    run = subprocess.Popen(
        [sys.executable, "-m", "recipec", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )

    def part() -> int:
        return sum(p.stat().st_size for p in Path(".recipec").rglob("download.part"))

    until = time.monotonic() + 30
    while part() < len(rows) // 2 and time.monotonic() < until:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    half.set()
    done = recipec("run")
    assert done.status == 0, done.err
    assert f"{count:,} rows" in done.out
    assert site.sent == [len(rows) - len(rows) // 2]
    assert [p.name for p in Path(".recipec").rglob("*.part")] == []


def test_passing_failures_are_tried_again(tmp_path: Path, site: Site) -> None:
    site.put("/a.csv", ROWS, fail=[503, 429, 500], headers={"Retry-After": "0"})
    copies = Copies(tmp_path, f"{site.url}/a.csv")
    copies.bring()
    assert copies.bytes == ROWS.encode()
    assert len(site.asked) == 4


def test_a_server_that_stays_broken(tmp_path: Path, site: Site) -> None:
    site.put("/a.csv", ROWS, fail=[502] * 20)
    assert problem(tmp_path, f"{site.url}/a.csv")[0] == f"{site.url}/a.csv answered 502 Bad Gateway (6 times)"


def test_too_long_a_wait(tmp_path: Path, site: Site) -> None:
    site.put("/a.csv", ROWS, fail=[429], headers={"Retry-After": "3600"})
    message, help = problem(tmp_path, f"{site.url}/a.csv")
    assert message == f"{site.url}/a.csv answered 429 Too Many Requests; it asks to wait 3,600 s"
    assert "run again later" in help


def test_redirects(tmp_path: Path, site: Site) -> None:
    site.put("/a.csv", ROWS)
    site.put("/old.csv", "", to="/a.csv")
    site.put("/round.csv", "", to="/round.csv")
    site.put("/file.csv", "", to="file:///etc/passwd")
    copies = Copies(tmp_path, f"{site.url}/old.csv")
    copies.bring()
    assert copies.bytes == ROWS.encode()
    assert "leads on and on (10 redirects)" in problem(tmp_path, f"{site.url}/round.csv")[0]
    assert "leads on to file:///etc/passwd, which is no address of the web" in problem(tmp_path, f"{site.url}/file.csv")[0]


def test_from_encrypted_to_plain_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leading:
        def open(self, request: Any, timeout: float) -> Any:
            raise HTTPError(request.full_url, 302, "Found", {"Location": "http://example.org/a.csv"}, io.BytesIO())  # type: ignore[arg-type]

    monkeypatch.setattr(_answer, "opener", Leading)
    assert problem(tmp_path, "https://example.org/a.csv")[0].endswith("leads on to http://example.org/a.csv, which is not encrypted")


def test_missing_forbidden_unknown(tmp_path: Path, site: Site) -> None:
    assert problem(tmp_path, f"{site.url}/none.csv") == (
        f"there is no {site.url}/none.csv (404)",
        "is the address right? Look at it in a browser",
    )
    site.put("/a.csv", ROWS, fail=[403])
    assert "may not be read (403: forbidden)" in problem(tmp_path, f"{site.url}/a.csv")[0]
    closed = Site()
    closed.close()
    begun = time.monotonic()
    assert "nothing listens there (connection refused) (3 times)" in problem(tmp_path, f"{closed.url}/a.csv")[0]
    assert "no host `no-such-host.invalid` is known (3 times)" in problem(tmp_path, "http://no-such-host.invalid/a.csv")[0]
    assert time.monotonic() - begun < 5
    assert "no host `no-such-host.invalid` is known" in problem(tmp_path, "http://no-such-host.invalid/a.csv")[0]
    assert "no encrypted connection" in problem(tmp_path, f"https{site.url[4:]}/a.csv")[0]


def test_a_login_page_instead_of_the_data(tmp_path: Path, site: Site) -> None:
    site.put("/login", "<!doctype html><form>", type="text/html; charset=utf-8")
    site.put("/a.csv", "", to="/login")
    message, help = problem(tmp_path, f"{site.url}/a.csv")
    assert message == f"{site.url}/a.csv answers with a web page (at {site.url}/login), not with a file for csv()"
    assert "is a login needed" in help
    copies = Copies(tmp_path, f"{site.url}/login", "html")
    copies.bring()
    assert copies.bytes.startswith(b"<!doctype")


def test_lengths_and_packings_that_do_not_hold(tmp_path: Path, site: Site) -> None:
    site.put("/short.csv", ROWS, length=1000, ranges=False)
    assert "the connection ended after 18 B of 1.0 kB (6 times)" in problem(tmp_path, f"{site.url}/short.csv")[0]
    site.put("/packed.csv", gzip.compress(ROWS.encode()), headers={"Content-Encoding": "gzip"})
    copies = Copies(tmp_path, f"{site.url}/packed.csv")
    copies.bring()
    assert copies.bytes == ROWS.encode()
    site.put("/file.csv.gz", gzip.compress(ROWS.encode()), headers={"Content-Encoding": "gzip"})
    copies = Copies(tmp_path, f"{site.url}/file.csv.gz")
    copies.bring()
    assert gzip.decompress(copies.bytes) == ROWS.encode()
    site.put("/not.csv", ROWS, headers={"Content-Encoding": "gzip"})
    assert "is said to come packed by gzip, and does not" in problem(tmp_path, f"{site.url}/not.csv")[0]
    site.put("/cut.csv", gzip.compress(ROWS.encode())[:-9], headers={"Content-Encoding": "gzip"})
    assert "came packed by gzip and cut off" in problem(tmp_path, f"{site.url}/cut.csv")[0]
    site.put("/br.csv", ROWS, headers={"Content-Encoding": "br"})
    assert "comes packed as `br`" in problem(tmp_path, f"{site.url}/br.csv")[0]


def test_what_is_no_gzip_file_is_told_by_the_reader(recipec: Any, site: Site) -> None:
    site.put("/a.csv.gz", ROWS)
    write(f'csv("{site.url}/a.csv.gz")')
    done = recipec("run")
    assert done.status == 1
    assert f"{site.url}/a.csv.gz" in done.err
    assert ".recipec/mirror" not in done.err + done.out


def test_who_asks(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("/token.csv", ROWS, wants="Bearer t0ken")
    site.put("/basic.csv", ROWS, wants="Basic YW5uOnMzY3JldA==")
    message, help = problem(tmp_path, f"{site.url}/token.csv")
    assert "wants to know who asks (401)" in message
    assert "RECIPEC_TOKEN_127_0_0_1" in help
    monkeypatch.setenv("RECIPEC_TOKEN_127_0_0_1", "t0ken")
    assert Copies(tmp_path, f"{site.url}/token.csv").bring()
    monkeypatch.delenv("RECIPEC_TOKEN_127_0_0_1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s3cret\n")
    assert Copies(tmp_path, f"{site.url}/basic.csv").bring()
    (tmp_path / "netrc").unlink()
    copies = Copies(tmp_path, f"{site.url.replace('//', '//ann:s3cret@')}/basic.csv")
    copies.bring()
    assert copies.mirror.address == f"{site.url}/basic.csv"
    kept = "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    assert "s3cret" not in kept
    assert "t0ken" not in kept


def test_a_server_that_goes_away_in_the_middle_is_waited_for(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("/a.csv", ROWS, cut=[5])
    copies = Copies(tmp_path, f"{site.url}/a.csv")
    real, refusals = copies.mirror.ask, [4]

    def ask(headers: Any) -> Any:
        if headers and refusals[0]:
            refusals[0] -= 1
            raise unreachable(ConnectionRefusedError(), copies.mirror.url)
        return real(headers)

    monkeypatch.setattr(copies.mirror, "ask", ask)
    copies.bring()
    assert (copies.bytes.decode(), refusals) == (ROWS, [0])


def test_a_server_that_is_not_there_is_told_once(recipec: Any, site: Site) -> None:
    site.put("/c.csv", ROWS)
    closed = Site()
    closed.close()
    calls = "\n".join(f'source {n} = csv("{u}/{n}.csv") {{ key: id }}' for n, u in (("a", closed.url), ("b", closed.url), ("c", site.url)))
    Path("a.recipe").write_text(calls + "\n")
    done = recipec("run", "a.recipe")
    assert done.status == 1
    assert f"{closed.url}/b.csv was not tried: its server, which `a` reads from too, could not be had" in " ".join(done.err.split())
    assert "nothing listens there" not in done.err.partition("b.csv was not tried")[2].partition("error[step-failed]: `a`")[0]
    assert any("/c.csv" in path for path, _ in site.asked)


@pytest.mark.parametrize(
    ("address", "told", "help"),
    [
        ("https://ann:pw@example.org/a.csv", "a password in an address", "~/.netrc may have it (machine example.org login"),
        ("https://ghp_abc@raw.example.org/a.csv", "a user's name, which may be a token,", "RECIPEC_TOKEN_RAW_EXAMPLE_ORG"),
        ("s3://AKIA:se/cret@bucket/a.csv", "a key in an address", "AWS_ACCESS_KEY_ID"),
        ("gs://key@bucket/a.csv", "a key in an address", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://box:key@acct.blob.core.windows.net/a.csv", "a key in an address", "AZURE_STORAGE_CONNECTION_STRING"),
        ("hf://datasets/a/b@hf_abcdefghijklmnopqrstuvwxyz/a.csv", "a token of the hub", "HF_TOKEN"),
    ],
)
def test_a_secret_in_an_address_is_refused(recipec: Any, address: str, told: str, help: str) -> None:
    write(f'csv("{address}")')
    Path("b.recipe").write_text(f'source a = csv("a.csv")\nexport b from a {{ to: "{address.rpartition("/")[0]}/x"  format: csv() }}\n')
    Path("a.csv").write_text(ROWS)
    for file in ("a.recipe", "b.recipe") if address.partition(":")[0] not in ("https", "hf") else ("a.recipe",):
        done = recipec("check", file)
        said = " ".join(done.out.split())
        assert done.status == 1
        assert f"{told} " in said
        assert help in said


@pytest.mark.parametrize(
    "address", ["abfs://box@acct.dfs.core.windows.net/a.csv", "s3://bucket/a@b:c.csv", "s3://arn:aws:s3:eu:1:accesspoint/p/a.csv"]
)
def test_what_only_looks_like_a_secret_is_none(address: str) -> None:
    assert secret_in(address) is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://ann:pw@Example.org/a.csv#x", "https://example.org/a.csv"),
        ("https://h/a?X-Amz-Signature=abc&X-Amz-Expires=9&v=2", "https://h/a?X-Amz-Signature=***&X-Amz-Expires=***&v=2"),
        ("https://h/a?sv=2024&se=x&sig=abc", "https://h/a?sv=***&se=***&sig=***"),
        ("https://h/a?se=7&page=2", "https://h/a?se=7&page=2"),
        ("abfs://box@acct.dfs.core.windows.net/a.csv", "abfs://box@acct.dfs.core.windows.net/a.csv"),
        ("s3://bucket/a b/*.csv", "s3://bucket/a b/*.csv"),
    ],
)
def test_what_is_shown_of_an_address(address: str, told: str) -> None:
    assert shown(address) == told


def test_tokens_are_not_shown_but_told_apart() -> None:
    one, two = shown("https://h/a?token=secret1"), shown("https://h/a?token=secret2")
    assert "secret" not in one + two
    assert one != two


def test_a_signed_address_signed_anew_is_the_same_place() -> None:
    assert HttpMirror("https://h/a?X-Amz-Signature=1").key == HttpMirror("https://h/a?X-Amz-Signature=2").key


def test_a_silent_server_does_not_keep_ctrl_c(recipec: Any, site: Site) -> None:
    silent = threading.Event()

    def hang(h: Any) -> bool:
        silent.set()
        time.sleep(3)
        return True

    site.answer = hang
    write(f'csv("{site.url}/a.csv")')

    def press() -> None:
        silent.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    began = time.monotonic()
    done = recipec("run")
    assert done.status == 130
    assert "what has been copied is kept" in done.out
    assert time.monotonic() - began < 10


def test_spaces_and_chinese_in_an_address(tmp_path: Path, site: Site) -> None:
    site.put("/%E6%95%B0%E6%8D%AE/a%20b.csv", ROWS)
    copies = Copies(tmp_path, f"{site.url}/数据/a b.csv")
    copies.bring()
    assert copies.bytes == ROWS.encode()


def test_parquet_and_files_in_archives(recipec: Any, site: Site, tmp_path: Path) -> None:
    import duckdb

    duckdb.sql(f"COPY (SELECT range AS id, range * 2 AS price FROM range(10)) TO '{tmp_path}/a.parquet'")
    site.put("/a.parquet", (tmp_path / "a.parquet").read_bytes())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/a.csv", ROWS)
        archive.writestr("in/b.csv", "id,price\n3,7\n")
        archive.writestr("notes.txt", "x")
    site.put("/all.zip", packed.getvalue())
    write(f'parquet("{site.url}/a.parquet")', "{ expect price = 2 * id }".replace(" = ", " == "))
    done = recipec("run")
    assert "10 rows" in done.out, done.err
    write(f'csv("{site.url}/all.zip!in/*.csv")')
    done = recipec("run")
    assert "3 rows" in done.out, done.err


def test_a_proxy_of_the_environment(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", site.url)
    site.put("http://data.invalid/a.csv", ROWS)
    copies = Copies(tmp_path, "http://data.invalid/a.csv")
    copies.bring()
    assert copies.bytes == ROWS.encode()


def test_the_copy_lies_where_fetch_may_look(tmp_path: Path, site: Site) -> None:
    site.put("/a.csv", ROWS)
    made = HttpMirror(f"{site.url}/a.csv").fetch(Fetching(tmp_path, None, lambda *_: None, lambda _: None))
    assert isinstance(made, Snapshot)
    assert made.files[0].name == f"{site.url}/a.csv"
    assert made.files[0].path.parent == tmp_path
