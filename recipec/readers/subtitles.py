"""``subtitles``: SubRip and WebVTT, by cue, speaker or file."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._documents import Bad, DocumentReader, Row, decoded

_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"\s*{_STAMP}\s*-+>\s*{_STAMP}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.I)
_TAG = re.compile(r"</?(?:[ibuscv]|font|lang|ruby|rt)(?:[\s.][^<>]*)?>|<\d+:[\d:.]+>|\{\\[^{}]*\}", re.I)
_NAME = re.compile(r"^(?:([A-Z][A-Z0-9 .'’-]{1,30}):\s+|([\u4e00-\u9fff\w·]{1,10})[：])(?=\S)")


class SubtitlesParams(Settings):
    path: str | list[str]
    by: Literal["cue", "speaker", "file"] = named("cue")


@dataclass
class Cue:
    number: int
    begins: float
    ends: float
    speaker: str | None
    text: str


@reader("subtitles")
class Subtitles(DocumentReader):
    """Subtitles in SubRip (``.srt``) or WebVTT (``.vtt``): a row for each cue, each speaker's turn, or each file.

    ```recipe
    source cues = subtitles("films/**/*.srt") { encoding: "gb18030" }
    source talks = subtitles("talks/*.vtt", by: speaker)
    ```

    ``path`` is a glob, a file or a list of them.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `cue` | the cue's number among the file's, from 1; the first one's where several are joined |
    | `begins`, `ends` | seconds from the start |
    | `speaker` | who speaks, where that is said: `<v Ann>` in WebVTT, else `ANN:` or `安娜：` at the start of a cue; else null |
    | `text` | the words, without tags and the speaker's name; cues of several lines keep their lines |

    ``by: speaker`` joins cues that follow each other and have one speaker; a cue that names none goes on with the last. ``by: file`` joins all, a
    line each, and leaves ``speaker`` out. Files in UTF-16 are known by their byte order mark; other encodings than UTF-8 must be declared.

    Bad rows: a cue whose times cannot be read, or that ends before it begins; text without times; a file that is not in the declared encoding or
    longer than 64 MiB.

    Source of the format: WebVTT (W3C); SubRip as players read it.
    """

    Params = SubtitlesParams
    extensions = (".srt", ".vtt")
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "cue": "BIGINT",
        "begins": "DOUBLE",
        "ends": "DOUBLE",
        "speaker": "VARCHAR",
        "text": "VARCHAR",
    }
    params: SubtitlesParams

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        return {n: t for n, t in self.columns.items() if n != "speaker" or self.params.by != "file"}

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        text = decoded(raw, file, ctx.encoding)
        if isinstance(text, Bad):
            yield text
            return
        held: Cue | None = None
        for found in cues(text):
            if isinstance(found, Bad):
                yield found
            elif self.params.by == "cue":
                yield self.row(file, found)
            elif held is not None and (self.params.by == "file" or found.speaker in (None, held.speaker)):
                between = "\n" if self.params.by == "file" else " "
                held.ends, held.text = max(held.ends, found.ends), f"{held.text}{between}{found.text}"
            else:
                if held is not None:
                    yield self.row(file, held)
                held = found
                if self.params.by == "speaker":
                    held.text = " ".join(held.text.split("\n"))
        if held is not None:
            yield self.row(file, held)

    def row(self, file: SourceFile, cue: Cue) -> Row:
        speaker = () if self.params.by == "file" else (cue.speaker,)
        return (file.name, cue.number, cue.begins, cue.ends, *speaker, cue.text)


def cues(text: str) -> Iterator[Cue | Bad]:
    """The cues of either format, and what is none."""
    number = 0
    blocks = re.split(r"\n[ \t]*(?:\n[ \t]*)+", text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"))
    for block in blocks:
        lines = block.strip("\n").split("\n")
        if not block.strip() or lines[0].split(" ")[0] in ("WEBVTT", "NOTE", "STYLE", "REGION"):
            continue
        at = next((i for i, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            # A cue's text may have an empty line in it; a number alone is a cue without anything.
            if not block.strip().isdecimal():
                number += 1
                yield Bad("text without times", block[:1000])
            continue
        number += 1
        times = _TIMES.fullmatch(lines[at])
        if times is None:
            yield Bad("its times cannot be read", block[:1000])
            continue
        begins, ends = seconds(times.groups()[:4]), seconds(times.groups()[4:])
        if ends < begins:
            yield Bad("it ends before it begins", block[:1000])
            continue
        speaker, said = spoken("\n".join(lines[at + 1 :]))
        if said:
            yield Cue(number, begins, ends, speaker, said)


def seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, whole, fraction = parts
    thousandths = int((fraction or "0").ljust(3, "0"))
    return (int(hours or 0) * 3_600_000 + int(minutes or 0) * 60_000 + int(whole or 0) * 1000 + thousandths) / 1000


def spoken(text: str) -> tuple[str | None, str]:
    """Who speaks and what."""
    voice = _VOICE.search(text)
    plain = html.unescape(_TAG.sub("", text))
    lines = [" ".join(line.split()) for line in plain.split("\n")]
    said = "\n".join(line for line in lines if line)
    if voice is not None:
        return " ".join(html.unescape(voice[1]).split()), said
    name = _NAME.match(said)
    return ((name[1] or name[2]).strip(), said[name.end() :].lstrip()) if name else (None, said)
