"""``mbox``, ``chat`` and ``subtitles``."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from readers_harness import read

from recipec.api import DataError
from recipec.readers import _files, mbox


def bad(result: Any) -> list[tuple[int, str]]:
    return [(b[1], b[2]) for b in result.bad]


# mbox -----------------------------------------------------------------------------------------------------------------

PLAIN = """From ann@example.org Mon Jan  1 10:00:00 2024
Message-ID: <1@example.org>
Date: Mon, 1 Jan 2024 10:00:00 +0800
From: =?gb2312?B?zfXQobP2?= <wang@example.org>
To: "Bob" <bob@example.org>, carol@example.org
Cc: dan@example.org
Subject: =?utf-8?q?=E4=BD=A0=E5=A5=BD?=
 again
Content-Type: text/plain; charset=gb2312
Content-Transfer-Encoding: base64

xOO6w6OsysC956Oh

"""
PARTS = """From x Tue Jan  2 10:00:00 2024
Message-ID: <2@example.org>
In-Reply-To: <1@example.org>
From: bob@example.org
Subject: parts
Content-Type: multipart/mixed; boundary=A

--A
Content-Type: multipart/alternative; boundary=B

--B
Content-Type: text/plain; charset=utf-8

>From the start
From now on this is text
--B
Content-Type: text/html

<p>html</p>
--B--
--A
Content-Type: application/pdf; name*=utf-8''%E6%96%87.pdf
Content-Disposition: attachment

xx
--A
Content-Type: image/png
Content-Disposition: attachment; filename="=?utf-8?B?5Zu+LnBuZw==?="

xx
--A--

"""
HTML = """From y Wed Jan  3 10:00:00 2024
From: c@example.org
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<html><head><title>t</title></head><body><p>caf=E9 &amp; =93x=94</p></body></html>

From z Thu Jan  4 10:00:00 2024
From: d@example.org
Content-Type: text/plain; charset=big5
Content-Transfer-Encoding: base64

/////w==

From w Fri Jan  5 10:00:00 2024

no headers
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_mail(tmp_path: Path, ends: str) -> None:
    (tmp_path / "a.mbox").write_bytes((PLAIN + PARTS + HTML).replace("\n", ends).encode())
    r = read(tmp_path, "mbox", "a.mbox")
    when = datetime.datetime(2024, 1, 1, 2, 0)
    people = ["Bob <bob@example.org>", "carol@example.org", "dan@example.org"]
    assert r.rows == [
        ("a.mbox", "1@example.org", None, when, "王小出 <wang@example.org>", people, "你好 again", "你好，世界！", []),
        (
            "a.mbox",
            "2@example.org",
            "1@example.org",
            None,
            "bob@example.org",
            [],
            "parts",
            "From the start\nFrom now on this is text",
            ["文.pdf", "图.png"],
        ),
        ("a.mbox", None, None, None, "c@example.org", [], None, "café & “x”", []),
    ]
    assert bad(r) == [(4, "its text is not valid big5"), (5, "no message: it has no headers")]


def test_mail_of_one_message_and_of_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.eml").write_text(PLAIN.partition("\n")[2])
    assert read(tmp_path, "mbox", "a.eml").column("text") == ["你好，世界！"]
    one = "From a Mon Jan  1 10:00:00 2024\nFrom: a\nSubject: {}\n\n" + "body\n" * 20 + "\n"
    (tmp_path / "b.mbox").write_text("".join(one.format(i) for i in range(50)))
    whole = read(tmp_path, "mbox", "b.mbox").column("subject")
    for size in (7, 64, 1000):
        monkeypatch.setattr(mbox, "BLOCK", size)
        assert read(tmp_path, "mbox", "b.mbox").column("subject") == whole == [str(i) for i in range(50)]
    monkeypatch.setattr(mbox, "MAX_RECORD", 10_000)
    monkeypatch.setattr(mbox, "BLOCK", 1_000)
    (tmp_path / "c.mbox").write_text(one.format(1) + "From a Mon Jan  1 10:00:00 2024\nFrom: a\n\n" + "x\n" * 20_000 + "\n" + one.format(2))
    r = read(tmp_path, "mbox", "c.mbox")
    assert (r.column("subject"), bad(r)) == (["1", "2"], [(2, "longer than 0 MiB")])


def test_mail_that_is_cut_off(tmp_path: Path) -> None:
    import gzip
    import os

    one = "From a Mon Jan  1 10:00:00 2024\nFrom: a\nSubject: {}\n\n"
    data = gzip.compress("".join(one.format(i) + os.urandom(20_000).hex() + "\n\n" for i in range(20)).encode())
    (tmp_path / "a.mbox.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"`a.mbox.gz` ends in the middle: the gzip data is cut off"):
        read(tmp_path, "mbox", "a.mbox.gz")
    (tmp_path / "a.eml.gz").write_bytes(gzip.compress(one.format(1).encode())[:-9])
    assert [why for _, why in bad(read(tmp_path, "mbox", "a.eml.gz"))] == ["ends in the middle: the gzip data is cut off"]
    assert _files.BLOCK > 20_000


def test_mail_with_a_header_that_cannot_be_decoded(given: Any) -> None:
    r = given("mbox")("From: =?utf-8?B?abcde?=\nSubject: ok\n\nx\n", name="a.eml")
    assert r.rows[0][4:7] == ("=?utf-8?B?abcde?=", [], "ok")


# chat -----------------------------------------------------------------------------------------------------------------


def node(parent: str | None, role: str, *parts: Any, **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts)}
    return {"parent": parent, "message": {"author": {"role": role}, "content": content, "create_time": 1704067200.5, **more}}


CHATGPT = [
    {
        "conversation_id": "c1",
        "title": "问候",
        "current_node": "e",
        "mapping": {
            "r": {"parent": None, "message": None},
            "s": node("r", "system", "hidden", metadata={"is_visually_hidden_from_conversation": True}),
            "a": node("s", "user", "你好", {"content_type": "image_asset_pointer"}),
            "b": node("a", "assistant", "first answer"),
            "t": node("a", "assistant", "search(x)", recipient="browser"),
            "u": node("t", "tool", "found"),
            "e": node("u", "assistant", "second answer"),
        },
    },
    {"id": "c2", "title": "", "mapping": {"x": {"parent": "y", "message": None}, "y": {"parent": "x", "message": None}}},
    {"mapping": 3},
    "odd",
]


def test_chatgpt(tmp_path: Path) -> None:
    (tmp_path / "conversations.json").write_text(json.dumps(CHATGPT))
    r = read(tmp_path, "chat", "conversations.json")
    messages = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "second answer"}]
    when = datetime.datetime(2024, 1, 1, 0, 0, 0, 500_000)
    assert r.rows == [("conversations.json", "c1", "问候", when, ["user", "assistant"], messages)]
    assert bad(r) == [(2, "a conversation without messages"), (3, "no conversation of a chat program that is known")]
    assert r.types["messages"] == 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
    r = read(tmp_path, "chat", "conversations.json", by="message")
    assert [row[3:] for row in r.rows] == [(1, when, "user", "user", "你好"), (2, when, "assistant", "assistant", "second answer")]


def test_claude(tmp_path: Path) -> None:
    said = [
        {"sender": "human", "text": "hi", "created_at": "2024-01-01T00:00:00.000Z"},
        {"sender": "assistant", "content": [{"type": "thinking", "text": "no"}, {"type": "text", "text": "hello"}]},
    ]
    (tmp_path / "c.json").write_text(json.dumps([{"uuid": "u", "name": "n", "chat_messages": said}]))
    (row,) = read(tmp_path, "chat", "c.json").rows
    assert row[3:] == (
        datetime.datetime(2024, 1, 1),
        ["user", "assistant"],
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}],
    )


def test_slack(tmp_path: Path) -> None:
    (tmp_path / "general").mkdir()
    day = [
        {
            "type": "message",
            "ts": "1704067260.0002",
            "user": "U2",
            "user_profile": {"display_name": "bot"},
            "text": "see <https://x.org|x> &lt;b&gt;",
        },
        {"type": "message", "ts": "1704067200.0001", "user": "U1", "text": "<@U2|bob> 你好"},
        {"type": "message", "subtype": "channel_join", "ts": "1704067200.0001", "user": "U1", "text": "joined"},
        {"type": "message", "text": "no time"},
    ]
    (tmp_path / "general/2024-01-01.json").write_text(json.dumps(day))
    r = read(tmp_path, "chat", "general/*.json", assistant="bot")
    messages = [{"role": "user", "content": "bob 你好"}, {"role": "assistant", "content": "see x <b>"}]
    assert r.rows == [
        ("general/2024-01-01.json", "general/2024-01-01", "general", datetime.datetime(2024, 1, 1, 0, 0, 0, 100), ["U1", "bot"], messages)
    ]
    assert bad(r) == [(1, "a message without a time")]


def test_telegram(tmp_path: Path) -> None:
    def said(who: str, minute: int, text: Any) -> dict[str, Any]:
        return {"type": "message", "from": who, "date": f"2024-01-01T10:{minute:02}:00", "text": text}

    chat = {
        "id": 7,
        "name": "群",
        "messages": [
            {"type": "service", "action": "join"},
            said("甲", 0, ["看 ", {"type": "link", "text": "x.org"}]),
            said("甲", 1, "?"),
            said("Bot", 2, "answer"),
            said("甲", 50, "later"),
            said("甲", 51, ""),
        ],
    }
    (tmp_path / "result.json").write_text(json.dumps({"chats": {"list": [chat, {"messages": 1}]}}))
    r = read(tmp_path, "chat", "result.json", assistant="Bot", pause=30)
    assert [(row[1], row[5]) for row in r.rows] == [
        ("7/1", [{"role": "user", "content": "看 x.org\n?"}, {"role": "assistant", "content": "answer"}]),
        ("7/2", [{"role": "user", "content": "later"}]),
    ]
    assert bad(r) == [(3, "a conversation without messages")]


@pytest.mark.parametrize(
    ("lines", "times"),
    [
        (["[14/10/2021, 3:34:09\u202fPM] ", "[15/10/2021, 12:00:00\u202fAM] "], ["2021-10-14 15:34:09", "2021-10-15 00:00:00"]),
        (["10/14/21, 15:34 - ", "10/15/21, 09:00 - "], ["2021-10-14 15:34:00", "2021-10-15 09:00:00"]),
        (["03.08.21, 12:30 - ", "04.08.21, 12:30 - "], ["2021-08-03 12:30:00", "2021-08-04 12:30:00"]),
        (["28/3/2025, 9:29 p. m. - ", "29/3/2025, 1:23 a. m. - "], ["2025-03-28 21:29:00", "2025-03-29 01:23:00"]),
        (["2023-12-20, 5:46 p.m. - ", "2023-12-21, 5:46 a.m. - "], ["2023-12-20 17:46:00", "2023-12-21 05:46:00"]),
        (["2024/5/1 下午3:05 - ", "2024/5/1 下午12:05 - "], ["2024-05-01 15:05:00", "2024-05-01 12:05:00"]),
        (["1/2/24, 10:00 - ", "2/2/24, 10:00 - "], ["2024-02-01 10:00:00", "2024-02-02 10:00:00"]),
    ],
)
def test_whatsapp(given: Any, lines: list[str], times: list[str]) -> None:
    text = f"{lines[0]}Messages are end-to-end encrypted\n{lines[0]}安娜: 你好: 一\n1/1/20 goes on\n{lines[1]}Bob: \u200e<Media omitted>\n{lines[1]}Bob: ok\n"
    r = given("chat")(text, name="WhatsApp Chat with Bob.txt", by="message")
    assert [(str(row[4]), row[5], row[7]) for row in r.rows] == [(times[0], "安娜", "你好: 一\n1/1/20 goes on"), (times[1], "Bob", "ok")]
    assert r.rows[0][2] == "Bob"


def test_a_compressed_chat_is_called_as_it_is_without_that(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "wa.txt.gz").write_bytes(gzip.compress(b"31/12/2023, 23:59 - Bob: hi\n01/01/2024, 00:01 - Ann: yes\n"))
    assert read(tmp_path, "chat", "wa.txt.gz").rows[0][1] == "wa"


def test_whatsapp_with_a_date_that_is_no_day(given: Any) -> None:
    r = given("chat")("31/1/2021, 10:00 - A: x\n31/2/2021, 10:00 - A: y\n", name="x.txt")
    assert (r.rows[0][5], bad(r)) == ([{"role": "user", "content": "x"}], [(1, "a date that is no day")])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"hello", "no export of a chat program that is known"),
        (b"{}", "no export of a chat program that is known"),
        (b"[1", "not JSON: Expecting ',' delimiter at line 1, column 3"),
        (b"\xff\x00", "not valid utf-8"),
        (b"[" * 100_000, "not JSON that can be read: it is nested too deep"),
    ],
)
def test_chats_that_cannot_be_read(given: Any, data: bytes, why: str) -> None:
    r = given("chat")(data, name="x.json")
    assert (r.rows, bad(r)) == ([], [(1, why)])


# subtitles ------------------------------------------------------------------------------------------------------------

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> {\\an8}there,
second line

2
00:00:03,000 --> 00:00:04,000 X1:40
ANN: One

3
00:00:04,000 --> 00:00:05,000
two

x
00:00:04,0 --> tomorrow
bad

5
00:00:09,000 --> 00:00:05,000
backwards

stray text
"""
VTT = """WEBVTT - title

NOTE a comment
with lines

STYLE
::cue {}

intro
00:01.000 --> 01:00:02.000 align:start
<v.loud Ann B.>Hi &amp; <c.x>bye</c> <00:00:01.500>now</v>
"""


def test_srt(given: Any) -> None:
    r = given("subtitles")("\ufeff" + SRT.replace("\n", "\r\n"), name="a.srt")
    assert [row[1:] for row in r.rows] == [
        (1, 1.0, 2.5, None, "Hello there,\nsecond line"),
        (2, 3.0, 4.0, "ANN", "One"),
        (3, 4.0, 5.0, None, "two"),
    ]
    assert bad(r) == [(4, "its times cannot be read"), (5, "it ends before it begins"), (6, "text without times")]
    r = given("subtitles")(SRT, name="a.srt", by="speaker")
    assert [row[1:] for row in r.rows] == [(1, 1.0, 2.5, None, "Hello there, second line"), (2, 3.0, 5.0, "ANN", "One two")]
    r = given("subtitles")(SRT, name="a.srt", by="file")
    assert [row[1:] for row in r.rows] == [(1, 1.0, 5.0, "Hello there,\nsecond line\nOne\ntwo")]


def test_vtt(given: Any) -> None:
    r = given("subtitles")(VTT, name="a.vtt")
    assert [row[1:] for row in r.rows] == [(1, 1.0, 3602.0, "Ann B.", "Hi & bye now")]


def test_subtitles_in_chinese(given: Any) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n安娜：你好！\n"
    assert given("subtitles")(text.encode("gb18030"), name="a.srt", encoding="gb18030").rows[0][4:] == ("安娜", "你好！")
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert given("subtitles")(text.encode(encoding), name="b.srt").rows[0][4:] == ("安娜", "你好！")
    r = given("subtitles")(text.encode("gbk"), name="c.srt")
    assert bad(r) == [(1, 'not valid utf-8; it can be read as gb18030 (encoding: "gb18030")')]
