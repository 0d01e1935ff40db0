"""The exports that ``chat`` reads, brought to one form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from recipec.api import SourceFile
from recipec.readers._archives import inner_path, stem_of
from recipec.readers._documents import Bad
from recipec.readers.chat import Said, Talk
from recipec.readers.notebook import json_of

_EPOCH = datetime(1970, 1, 1)


def talks(text: str, file: SourceFile) -> Iterator[Talk | Bad]:
    """The conversations of an export, whichever it is."""
    if not text.strip():
        yield Bad("is empty")
        return
    start = text.lstrip()[:1]
    if start not in "[{" or _WHATSAPP.match(text.lstrip("\u200e\ufeff \n")):
        yield from whatsapp(text, file)
        return
    found = json_of(text)
    if isinstance(found, Bad):
        yield found
        return
    match found:
        case {"messages": list()}:
            yield from telegram(found)
        case {"chats": {"list": list() as chats}}:
            for chat in chats:
                yield from telegram(chat)
        case {"mapping": dict()} | {"chat_messages": list()}:
            yield from each([found], file)
        case []:
            return
        case list():
            yield from each(found, file)
        case _:
            yield Bad("no export of a chat program that is known", text[:1000])


def each(found: list[Any], file: SourceFile) -> Iterator[Talk | Bad]:
    """A list: of conversations (ChatGPT, Claude), or of one Slack channel's messages on one day."""
    kinds: dict[str, Callable[[dict[str, Any]], Talk | Bad]] = {"mapping": chatgpt, "chat_messages": claude}
    if any(isinstance(one, dict) and one.get("type") == "message" and "ts" in one for one in found):
        yield from slack(found, file)
        return
    for one in found:
        kind = next((k for k in kinds if isinstance(one, dict) and k in one), None)
        yield kinds[kind](one) if kind else Bad("no conversation of a chat program that is known", shortened(one))


def shortened(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:1000].encode("utf-8", "replace").decode()


def moment(value: Any) -> datetime | None:
    """A time in UTC: seconds since 1970, or ISO 8601."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            when = datetime.fromisoformat(value)
            return (when.astimezone(UTC) if when.tzinfo else when).replace(tzinfo=None)
        return _EPOCH + timedelta(seconds=float(value))
    except (ValueError, TypeError, OverflowError):
        return None


# ChatGPT and Claude ---------------------------------------------------------------------------------------------------


def chatgpt(one: dict[str, Any]) -> Talk | Bad:
    """A tree of messages: the way from the one shown last to the root."""
    mapping = one.get("mapping")
    if not isinstance(mapping, dict):
        return Bad("a conversation without messages", shortened(one))
    talk = Talk(str(one.get("conversation_id") or one.get("id") or ""), title_of(one.get("title")))
    at = one.get("current_node")
    if at not in mapping:  # the leaf that is the newest
        parents = {n.get("parent") for n in mapping.values() if isinstance(n, dict)}
        leaves = [k for k in mapping if k not in parents]
        at = max(leaves, key=lambda k: (created(mapping[k]), k), default=None)
    seen: set[Any] = set()
    while isinstance(at, str) and at in mapping and at not in seen:
        seen.add(at)
        node = mapping[at] if isinstance(mapping[at], dict) else {}
        said = chatgpt_message(node.get("message"))
        if said is not None:
            talk.messages.append(said)
        at = node.get("parent")
    talk.messages.reverse()
    return talk


def created(node: Any) -> float:
    message = node.get("message") if isinstance(node, dict) else None
    value = message.get("create_time") if isinstance(message, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0


def chatgpt_message(message: Any) -> Said | None:
    if not isinstance(message, dict) or message.get("recipient") not in (None, "all"):
        return None
    about, author, content = (part(message, k) for k in ("metadata", "author", "content"))
    role = author.get("role")
    if role not in ("user", "assistant", "system") or about.get("is_visually_hidden_from_conversation"):
        return None
    if content.get("content_type") == "code":
        text = content.get("text")
    elif content.get("content_type") in ("text", "multimodal_text"):
        parts = content.get("parts")
        texts = (
            [p if isinstance(p, str) else p.get("text") if isinstance(p, dict) else None for p in parts if p]
            if isinstance(parts, list)
            else []
        )
        text = "\n".join(t for t in texts if isinstance(t, str))
    else:
        return None
    return Said(role, text, moment(message.get("create_time")), role) if isinstance(text, str) and text.strip() else None


def part(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def claude(one: dict[str, Any]) -> Talk | Bad:
    messages = one.get("chat_messages")
    if not isinstance(messages, list):
        return Bad("a conversation without messages", shortened(one))
    talk = Talk(str(one.get("uuid") or ""), title_of(one.get("name")))
    for message in messages:
        role = {"human": "user", "assistant": "assistant"}.get(str(message.get("sender"))) if isinstance(message, dict) else None
        if role is None:
            return Bad("a message that nobody sent", shortened(message))
        content = message.get("content")
        parts = [p.get("text") for p in content if isinstance(p, dict) and p.get("type") == "text"] if isinstance(content, list) else []
        text = "\n".join(p for p in parts if isinstance(p, str)) or message.get("text")
        if isinstance(text, str) and text.strip():
            talk.messages.append(Said(role, text, moment(message.get("created_at")), role))
    return talk


def title_of(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


# Slack and Telegram ---------------------------------------------------------------------------------------------------

_SLACK = re.compile(r"<(?:([@#!])([^|>]*)|([^|>]+))(?:\|([^>]*))?>")


def slack(found: list[Any], file: SourceFile) -> Iterator[Talk | Bad]:
    """A channel's messages on a day, in the order of time; the folder's name is the channel's."""
    channel, day = inner_path(file).parent.name, stem_of(file)
    talk = Talk(f"{channel}/{day}" if channel else day, channel or None)
    for one in found:
        if not isinstance(one, dict) or moment(one.get("ts")) is None:
            yield Bad("a message without a time", shortened(one))
            continue
        if one.get("type") != "message" or one.get("subtype") not in (None, "bot_message", "thread_broadcast", "me_message", "file_share"):
            continue
        profile = one.get("user_profile")
        known = profile if isinstance(profile, dict) else {}
        name = (
            known.get("display_name") or known.get("real_name") or one.get("username") or one.get("user") or one.get("bot_id") or "unknown"
        )
        text = slack_text(str(one.get("text") or ""))
        if text.strip():
            talk.messages.append(Said(str(name), text, moment(one["ts"])))
    talk.messages.sort(key=lambda m: m.time or _EPOCH)
    yield talk


def slack_text(text: str) -> str:
    """Slack's own markup for people, channels and addresses as people see it."""
    named = _SLACK.sub(lambda m: m[4] or (f"{m[1].replace('!', '@')}{m[2]}" if m[1] else m[3]), text)
    return named.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def telegram(chat: Any) -> Iterator[Talk | Bad]:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not isinstance(messages, list):
        yield Bad("a conversation without messages", shortened(chat))
        return
    talk = Talk(str(chat.get("id", "")), title_of(chat.get("name")))
    for one in messages:
        if not isinstance(one, dict) or "type" not in one:
            yield Bad("no message of Telegram", shortened(one))
            continue
        if one["type"] != "message":
            continue
        text = telegram_text(one.get("text"))
        if text.strip():
            talk.messages.append(Said(str(one.get("from") or one.get("from_id") or "unknown"), text, moment(one.get("date"))))
    yield talk


def telegram_text(value: Any) -> str:
    """A text, or pieces some of which are marked."""
    if isinstance(value, list):
        return "".join(p if isinstance(p, str) else str(p.get("text") or "") if isinstance(p, dict) else "" for p in value)
    return value if isinstance(value, str) else ""


# WhatsApp -------------------------------------------------------------------------------------------------------------

_DATE = r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})\.?"
_TIME = r"(上午|下午|凌晨|早上|中午|晚上)?\s?(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s?([AaPp])\.?\s?[Mm]\.?)?"
_WHATSAPP = re.compile(rf"^[\u200e\u200f]?(?:\[{_DATE},?\s{_TIME}\]\s?|{_DATE},?\s{_TIME}\s[-–]\s)", re.M)
_AFTERNOON = frozenset({"下午", "晚上", "p"})
_OMITTED = re.compile(
    r"^\u200e?(?:<[^<>]*>|[^\n]{1,40} omitted|[^\n]{0,200}\((?:file attached|archivo adjunto|Datei angehängt|文件附件)\))$"
)


def whatsapp(text: str, file: SourceFile) -> Iterator[Talk | Bad]:
    """Lines of a date, a time, a name and a text that may go on. Whether the day or the month comes first is the same all over a file."""
    text = text.replace("\u202f", " ").replace("\u00a0", " ").replace("\r\n", "\n")
    heads = list(_WHATSAPP.finditer(text))
    if not heads or text[: heads[0].start()].strip("\ufeff\u200e \n"):
        yield Bad("no export of a chat program that is known", text[:1000])
        return
    stem = stem_of(file)
    talk = Talk(stem, stem.removeprefix("WhatsApp Chat with ").removeprefix("WhatsApp Chat - "))
    fields = [[g for g in m.groups()[:8] or ()] if m[1] else list(m.groups()[8:]) for m in heads]
    first = {int(f[0]) for f in fields if len(f[0]) < 3}
    second = {int(f[1]) for f in fields if len(f[0]) < 3}
    month_first = max(second, default=0) > 12 and max(first, default=0) <= 12
    if max(first, default=0) <= 12 and max(second, default=0) <= 12:
        # Either could be. Time goes forward, so the wrong order jumps back more often.
        month_first = backwards(fields, True) < backwards(fields, False)
    for number, (head, parts) in enumerate(zip(heads, fields, strict=True)):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        name, colon, said = text[head.end() : end].partition(": ")
        if not colon or "\n" in name:
            continue  # what the program says
        when = dated(parts, month_first)
        if when is None:
            yield Bad("a date that is no day", text[head.start() : end][:1000])
            continue
        said = said.rstrip("\n")
        if said.strip("\u200e ") and not _OMITTED.match(said):
            talk.messages.append(Said(name.strip("\u200e\u200f "), said.lstrip("\u200e"), when))
    yield talk


def backwards(fields: list[list[Any]], month_first: bool) -> int:
    times = [t for f in fields if (t := dated(f, month_first)) is not None]
    return sum(b < a for a, b in pairwise(times))


def dated(parts: list[Any], month_first: bool) -> datetime | None:
    a, b, c, early, hour, minute, second, half = parts
    if len(a) == 4:
        year, month, day = int(a), int(b), int(c)
    else:
        day, month, year = (int(b), int(a), int(c)) if month_first else (int(a), int(b), int(c))
    hours = int(hour)
    mark = early or (half or "").lower()
    if mark and hours <= 12:
        hours = hours % 12 + 12 * (mark in _AFTERNOON or (mark == "中午" and hours != 11 and hours != 10))
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, hours, int(minute), int(second or 0))
    except ValueError:
        return None
