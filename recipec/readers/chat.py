"""``chat``: what people export from chat programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._documents import MESSAGES, Bad, DocumentReader, Row, decoded

LARGEST_EXPORT = 512 << 20


class ChatParams(Settings):
    path: str | list[str]
    by: Literal["conversation", "message"] = named("conversation")
    assistant: str = named("")
    pause: int = named(0, ge=0)


@dataclass
class Said:
    """One message. ``role`` is the program's own (``user``, ``assistant``, ...), empty where people talk to people."""

    speaker: str
    text: str
    time: datetime | None = None
    role: str = ""


@dataclass
class Talk:
    """A conversation."""

    id: str
    title: str | None
    messages: list[Said] = field(default_factory=list)


@reader("chat")
class Chat(DocumentReader):
    """Exports of ChatGPT, Claude, Slack, Telegram and WhatsApp: a row for each conversation, or for each message under ``by: message``.

    ```recipe
    source talks = chat("export.zip!conversations*.json")
    source support = chat("slack.zip!**/*.json", assistant: "helpdesk", pause: 480)
    source lines = chat("WhatsApp Chat.txt", by: message)
    export sft from talks { to: "build/sft"  format: messages() }
    ```

    ``path`` is a glob, a file or a list of them: of ChatGPT and Claude ``conversations.json`` (or ``conversations-000.json``, ...), of Slack the
    JSON files of the channels' days, of Telegram ``result.json`` (one chat or all), of WhatsApp the text file. Which it is, is
    seen from the contents.

    | column | of conversations holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `conversation`, `title` | its id and its name |
    | `begins` | when its first message was sent: UTC, of WhatsApp and Telegram the time of the phone or computer; null where it is not said |
    | `people` | who wrote in it, in the order in which they first did |
    | `messages` | a list of `{role, content}`, as `format: messages()` takes it |

    With ``by: message`` the columns are ``path``, ``conversation``, ``title``, ``message`` (its number in the conversation), ``time``, ``speaker``, ``role``
    and ``text``.

    Roles are the program's own where it has some. Where people talk to people, ``assistant`` names the one (name or user id) who speaks as
    ``assistant``, and all others are ``user``; messages of one role that follow each other are then joined, a line each. Without ``assistant`` all are
    ``user``, and stand by themselves. ``pause`` begins a new conversation where nobody wrote for so many minutes (0: never), and is
    for chats that go on for years. Of ChatGPT's branches (edited questions, answers made again) the one shown last is taken, without
    tools, thoughts and hidden messages. Pictures, calls, joining and leaving are no messages.

    A Slack export has a file for each day, so a conversation there is at most a day of a channel.

    Bad rows: a file that is no export of these, not in its encoding, or longer than 512 MiB; a conversation or message without what makes
    it one; of WhatsApp a date that is no day.

    Source of the format: the exports themselves, as of 2026; none of the programs documents theirs but Slack.
    """

    Params = ChatParams
    extensions = (".json", ".txt")
    limit = LARGEST_EXPORT
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "conversation": "VARCHAR",
        "title": "VARCHAR",
        "begins": "TIMESTAMP",
        "people": "VARCHAR[]",
        "messages": MESSAGES,
    }
    params: ChatParams

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        if self.params.by == "conversation":
            return self.columns
        first = {"path": "VARCHAR", "conversation": "VARCHAR", "title": "VARCHAR", "message": "BIGINT"}
        return first | {"time": "TIMESTAMP", "speaker": "VARCHAR", "role": "VARCHAR", "text": "VARCHAR"}

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        from recipec.readers._chats import talks

        text = decoded(raw, file, ctx.encoding)
        if isinstance(text, Bad):
            yield text
            return
        for talk in talks(text, file):
            if isinstance(talk, Bad):
                yield talk
                continue
            for part in divided(talk, self.params.pause):
                yield from self.told(file, part)

    def told(self, file: SourceFile, talk: Talk) -> Iterator[Row]:
        if self.params.by == "message":
            for number, said in enumerate(talk.messages, 1):
                yield file.name, talk.id, talk.title, number, said.time, said.speaker, self.role(said), said.text
            return
        messages: list[dict[str, str]] = []
        for said in talk.messages:
            role = self.role(said)
            if self.params.assistant and not said.role and messages and messages[-1]["role"] == role:
                messages[-1]["content"] += f"\n{said.text}"
            else:
                messages.append({"role": role, "content": said.text})
        if messages:
            people = list(dict.fromkeys(m.speaker for m in talk.messages))
            yield file.name, talk.id, talk.title, talk.messages[0].time, people, messages

    def role(self, said: Said) -> str:
        return said.role or ("assistant" if self.params.assistant and said.speaker == self.params.assistant else "user")


def divided(talk: Talk, minutes: int) -> Iterator[Talk]:
    """The conversation, or its parts between pauses; a part's id is the conversation's and its number."""
    if not minutes:
        yield talk
        return
    part = Talk(f"{talk.id}/1", talk.title)
    count, last = 1, None
    for said in talk.messages:
        if last is not None and said.time is not None and said.time - last > timedelta(minutes=minutes):
            yield part
            count += 1
            part = Talk(f"{talk.id}/{count}", talk.title)
        part.messages.append(said)
        last = said.time or last
    yield part
