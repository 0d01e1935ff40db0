"""``mbox``: e-mail."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import ClassVar

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._archives import Damaged, inner_path
from recipec.readers._documents import Bad, DocumentReader, Row
from recipec.readers._files import BLOCK, MAX_RECORD, Input, shown
from recipec.readers._whole import reason
from recipec.readers.html import collapsed

_NEXT = re.compile(rb"\r?\n\r?\n(?=From \S[^\n]*\d:\d\d[^\n]*\n)")
"""Where a message ends: before an empty line and the next one's first line, whose time tells it from a sentence that begins with that word."""
_LONGEST_LINE = 4096
_QUOTED = re.compile(rb"^>(>*From )", re.M)
_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
}
_MOST_PARTS = 1_000
_HEADERS = ("from", "to", "date", "subject", "message-id", "received", "content-type", "mime-version", "x-gmail-labels")
"""A message has one of these: almost any text before a colon could be called a header."""


class MboxParams(Settings):
    path: str | list[str]


@reader("mbox")
class Mbox(DocumentReader):
    """E-mail: every message of ``mbox`` files (as Thunderbird, Apple Mail and Google Takeout write them) is a row, as is an ``.eml`` file.

    ```recipe
    source mails = mbox("takeout.zip!**/*.mbox")
    ```

    ``path`` is a glob, a file or a list of them; they are read piece by piece and may be larger than the memory.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `message_id`, `in_reply_to` | its id and that of the message that it answers, without brackets; null where there is none |
    | `date` | when it was sent, in UTC; null where it does not say so that it can be read |
    | `sender` | `Name <address>` as decoded |
    | `recipients` | those of To and Cc |
    | `subject` | as decoded |
    | `text` | the plain text, or where there is none that of the HTML; of several parts one after the other |
    | `attachments` | the attachments' names |

    Text is decoded by each part's own charset, names for GB2312 as GB 18030 (which holds it), and where none is named as UTF-8 or else the
    source's ``encoding``. Quoted replies and signatures stay: they are the sender's text as it was sent.

    Bad rows: a message without headers, one whose text is not in the encoding that it names, one longer than 64 MiB; an
    ``.eml`` file whose packing is damaged. Of a packed ``mbox`` that is cut off nobody knows how many messages are lost: the run stops.

    Source of the format: RFC 4155 (mbox, and its kin mboxrd), 5322 and 2045 to 2047.
    """

    Params = MboxParams
    extensions = (".mbox", ".eml")
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "message_id": "VARCHAR",
        "in_reply_to": "VARCHAR",
        "date": "TIMESTAMP",
        "sender": "VARCHAR",
        "recipients": "VARCHAR[]",
        "subject": "VARCHAR",
        "text": "VARCHAR",
        "attachments": "VARCHAR[]",
    }
    params: MboxParams

    def file_rows(self, file: SourceFile, ctx: ReadContext) -> Iterator[Row | Bad]:
        try:
            for raw in messages(file):
                if len(raw) > MAX_RECORD:
                    yield Bad(f"longer than {MAX_RECORD >> 20} MiB", shown(raw[:1000]))
                else:
                    yield from self.rows(file, unquoted(raw), ctx)
        except Damaged as error:
            if ".eml" not in inner_path(file).suffixes:
                raise  # how many messages are lost nobody can count
            yield Bad(reason(file, error))

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        message = message_from_bytes(raw)
        if not any(message.get(name) for name in _HEADERS):
            yield Bad("no message: it has no headers", shown(raw[:1000]))
            return
        made = body_of(message, ctx.encoding)
        if isinstance(made, Bad):
            yield made
            return
        text, attachments = made
        people = getaddresses([header(message, name, ctx.encoding) for name in ("to", "cc")])
        yield (
            file.name,
            first_id(message, "message-id"),
            first_id(message, "in-reply-to"),
            sent(message),
            header(message, "from", ctx.encoding) or None,
            [f"{name} <{address}>" if name else address for name, address in people if name or address],
            header(message, "subject", ctx.encoding) or None,
            text,
            attachments,
        )


def messages(file: SourceFile) -> Iterator[bytes]:
    """The messages of a file, each with the line before it. Of one that is too long its start."""
    with Input(file, magic=False) as source:
        held = bytearray(source.read(BLOCK))
        several = held.startswith(b"From ")
        searched = 0
        skipping = False
        """Inside a message of which the start has been given."""
        while True:
            block = source.read(BLOCK)
            held += block
            at = 0
            for found in list(_NEXT.finditer(held, searched)) if several else ():
                if not skipping:
                    yield bytes(held[at : found.start()])
                at, skipping = found.end(), False
            del held[:at]
            searched = max(len(held) - _LONGEST_LINE, 0)
            if not block:
                if held.strip() and not skipping:
                    yield bytes(held)
                return
            if len(held) > MAX_RECORD:
                if not skipping:
                    yield bytes(held[: MAX_RECORD + 1])
                skipping = True
                del held[:searched]
                searched = 0


def unquoted(raw: bytes) -> bytes:
    """A message without the line before it, lines that were quoted for the file's sake as they were."""
    return _QUOTED.sub(rb"\1", raw.partition(b"\n")[2]) if raw.startswith(b"From ") else raw


def known(charset: str | None, encoding: str) -> str:
    """The codec for a charset's name."""
    name = (charset or "").lower().strip("'\" ")
    name = _MEANT.get(name, name) or encoding
    try:
        return name if codecs.lookup(name)._is_text_encoding else encoding
    except LookupError:
        return encoding


def text_of_bytes(raw: bytes, charset: str | None, encoding: str) -> str | None:
    """Bytes as text; None where they are in none of the encodings that they may be in."""
    tried = [known(charset, encoding)] if charset else ["utf-8", known(None, encoding)]
    for name in [*tried, "utf-8"]:
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return None


def header(message: Message, name: str, encoding: str) -> str:
    """A header decoded, on one line; all of them where it is there several times."""
    said = []
    for value in message.get_all(name) or []:
        parts = []
        try:
            pieces = decode_header(re.sub(r"\r?\n", "", str(value)))
        except (ValueError, HeaderParseError):
            pieces = [(str(value), None)]
        for piece, charset in pieces:
            raw = piece.encode("ascii", "surrogateescape") if isinstance(piece, str) and piece.isascii() else piece
            if isinstance(raw, str):
                raw = raw.encode("utf-8", "surrogateescape")
            found = text_of_bytes(raw, charset if charset != "unknown-8bit" else None, encoding)
            parts.append(found if found is not None else raw.decode("utf-8", "replace"))
        said.append(" ".join("".join(parts).split()))
    return ", ".join(said)


def first_id(message: Message, name: str) -> str | None:
    found = re.search(r"<([^<>\s]+)>", str(message.get(name) or ""))
    return found[1] if found else None


def sent(message: Message) -> datetime | None:
    try:
        when = parsedate_to_datetime(str(message.get("date") or ""))
        return (when.astimezone(UTC) if when.tzinfo else when).replace(tzinfo=None)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def body_of(message: Message, encoding: str) -> tuple[str, list[str]] | Bad:
    """The text and the names of what is attached."""
    texts: list[str] = []
    attachments: list[str] = []
    waiting: list[Message] = [message]
    count = 0
    while waiting:
        part = waiting.pop()
        count += 1
        if count > _MOST_PARTS:
            return Bad(f"it has more than {_MOST_PARTS:,} parts")
        name = part.get_filename()
        kind = part.get_content_type()
        if part is not message and (name or part.get_content_disposition() == "attachment"):
            attachments.append(file_name(name, encoding) or kind)
        elif part.is_multipart():
            inside = [p for p in part.get_payload() if isinstance(p, Message)]
            if kind == "multipart/alternative":
                plain = [p for p in inside if p.get_content_type() == "text/plain"]
                inside = plain[:1] or [p for p in inside if p.get_content_type() == "text/html"][:1] or inside[-1:]
            waiting.extend(reversed(inside))
        elif kind in ("text/plain", "text/html"):
            raw = part.get_payload(decode=True)
            charset = part.get_content_charset()
            found = text_of_bytes(raw if isinstance(raw, bytes) else b"", charset, encoding)
            if found is None:
                return Bad(f"its text is not valid {charset or encoding}", shown(raw[:1000]) if isinstance(raw, bytes) else "")
            texts.append(plain_of(found) if kind == "text/html" else found)
    return "\n".join(t.replace("\r\n", "\n").strip("\n") for t in texts if t.strip()), attachments


def plain_of(markup: str) -> str:
    from recipec.fast.text_html import text_of

    return text_of(collapsed(markup)).strip()


def file_name(name: str | None, encoding: str) -> str:
    """An attachment's name, which many programs write as they write headers."""
    made = Message()
    made["name"] = " ".join((name or "").split())
    return header(made, "name", encoding).encode("utf-8", "replace").decode()
