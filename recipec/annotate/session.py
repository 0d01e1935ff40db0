"""One person's work on a queue of rows: what is asked, what was answered, back and forth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Any, Literal

from recipec.annotate.answers import Answers, shown
from recipec.annotate.rows import Queue
from recipec.labels.people import agreement
from recipec.readers._answers import Answer, spans_of

Mode = Literal["class", "many", "tags"]


class Refused(Exception):
    """What the page asked for cannot be: the message says why."""


@dataclass
class Session:
    """``classes`` are the classes or types to choose from; ``guidelines`` and ``language`` are the recipe's."""

    step: str
    recipe: str
    mode: Mode
    classes: tuple[str, ...]
    worker: str
    queue: Queue
    answers: Answers
    guidelines: str = ""
    language: str = ""
    show_votes: bool = False
    done: list[tuple[int, list[str]]] = field(default_factory=list)
    """Rows answered since the page was opened, the last at the end, with the lines that stood there before."""
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.main = self.queue.longest()[:1]
        self.place = {item: n for n, item in enumerate(self.queue.items)}
        self.mine_done: set[int] = set()
        self.reread()

    def reread(self) -> None:
        """Look at the file again, which another process or git may have changed."""
        before = self.answers.known
        self.answers.refresh()
        if before != self.answers.known or not self.mine_done:
            numbers = [self.place[i] for i, who in self.answers.said.items() if self.worker in who and i in self.place]
            self.mine_done = {n for n in numbers if self.mine(n) is not None}

    def judged(self, number: int) -> None:
        """Note whether a row has an answer now."""
        if self.mine(number) is not None:
            self.mine_done.add(number)
        else:
            self.mine_done.discard(number)

    # What the page asks

    def state(self) -> dict[str, Any]:
        with self.lock:
            self.reread()
            first = self.following(-1)
            return {
                "step": self.step, "recipe": self.recipe, "mode": self.mode, "classes": list(self.classes), "worker": self.worker,
                "guidelines": self.guidelines, "language": self.language, "file": self.answers.path.name, "main": self.main,
                "shows_votes": self.show_votes, "reasons": self.queue.reasons(), "next": first, **self.progress(),
            }  # fmt: skip

    def row(self, number: int) -> dict[str, Any]:
        with self.lock:
            self.reread()
            return self.told(number)

    def answer(self, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an answer (``answers``: classes, ``spans``: marked tokens, ``skip``); it is on disk when this returns."""
        with self.lock:
            made = self.made(self.checked(number), given)
            self.reread()
            old = self.answers.put(made)
            self.judged(number)
            self.done.append((number, list(old)))
            return {"saved": number, "next": self.following(number), **self.progress()}

    def undo(self) -> dict[str, Any]:
        """Take back the last answer of this session: the row is as it was before."""
        with self.lock:
            if not self.done:
                raise Refused("nothing to undo since the page was opened")
            number, lines = self.done[-1]
            self.answers.replace((self.queue.items[number], self.worker), lines)
            self.done.pop()
            self.judged(number)
            return {"undone": number, **self.progress(), "row": self.told(number)}

    def search(self, words: str) -> dict[str, Any]:
        with self.lock:
            total, found = self.queue.search(words)
            return {"total": total, "rows": [{"n": n, "text": text, "done": n in self.mine_done} for n, text in found]}

    def agreement(self) -> dict[str, Any]:
        """How far people agree, and the rows where others answered otherwise than this person: only rows that this person answered."""
        with self.lock:
            self.reread()
            facts = agreement(self.answers.said, self.mode, self.classes)
            differ = []
            for number in sorted(self.mine_done):
                mine, item = self.mine(number), self.queue.items[number]
                if mine is None or (mine.answers is None and mine.spans is None):
                    continue
                theirs = {w: a for w, a in self.answers.others(item, self.worker).items() if a.answers is not None or a.spans is not None}
                if any((a.answers, a.spans) != (mine.answers, mine.spans) for a in theirs.values()):
                    said = {self.worker: shown(mine), **{w: shown(a) for w, a in theirs.items()}}
                    differ.append({"n": number, "text": self.queue.excerpt(number), "said": said})
                    if len(differ) == 50:
                        break
            return {**facts, "differ": differ}

    # The pieces

    def checked(self, number: int) -> int:
        if not 0 <= number < len(self.queue):
            raise Refused(f"there is no row {number}")
        return number

    def mine(self, number: int) -> Answer | None:
        """This person's answer, where it is one to the question now asked."""
        answer = self.answers.of(self.queue.items[number], self.worker)
        if answer is None:
            return None
        if (answer.answers is not None or answer.spans is not None) and (answer.spans is not None) != (self.mode == "tags"):
            return None
        names = answer.answers or () if answer.spans is None else [t for _, _, t in answer.spans]
        return answer if all(c in self.classes for c in names) else None

    def following(self, number: int) -> int | None:
        """The next row without an answer, from the start again after the last."""
        size = len(self.queue)
        places = (range(number + 1, size), range(max(number, 0)))
        return next((n for n in chain(*places) if n not in self.mine_done), None)

    def progress(self) -> dict[str, Any]:
        return {"total": len(self.queue), "answered": len(self.mine_done), "undoable": len(self.done)}

    def told(self, number: int) -> dict[str, Any]:
        row = self.queue.row(self.checked(number))
        mine = self.mine(number)
        given = self.answers.said.get(row.item, {})
        out: dict[str, Any] = {
            "n": number, "item": list(row.item), "fields": row.fields, "tokens": row.tokens, "mine": shown(mine) if mine is not None else None,
        }  # fmt: skip
        if self.worker in given and mine is None:
            old = given[self.worker]
            said = ", ".join(old.answers or ()) if old is not None else ""
            out["stale"] = (
                f"your answer was {said!r}, which is no class now"
                if said
                else "two different answers of yours are in the file: which is it?"
            )
        if self.mode == "tags" and mine is not None and mine.spans is not None and mine.tokens != len(row.tokens or ()):
            out["mine"], out["stale"] = None, f"you marked {mine.tokens} tokens, and the row now has {len(row.tokens or ())}: mark it again"
        if self.show_votes:
            out["votes"], out["why"] = row.votes or {}, row.why
        return out

    def made(self, number: int, given: Mapping[str, Any]) -> Answer:
        """The answer that the page sent, checked."""
        item = self.queue.items[number]
        if given.get("skip") is True:
            return Answer(item, self.worker)
        if self.mode == "tags":
            tokens = self.queue.row(number).tokens or []
            wrong, spans, size = spans_of(given.get("spans"), len(tokens))
            if wrong is not None:
                raise Refused(wrong)
            self.known([t for _, _, t in spans])
            return Answer(item, self.worker, None, spans, size)
        chosen = given.get("answers")
        if not isinstance(chosen, list) or not all(isinstance(c, str) for c in chosen):
            raise Refused("`answers` must be a list of classes")
        if self.mode == "class" and len(chosen) != 1:
            raise Refused("one class is wanted")
        self.known(chosen)
        return Answer(item, self.worker, tuple(c for c in self.classes if c in chosen), many=self.mode == "many")

    def known(self, names: Sequence[str]) -> None:
        strange = next((n for n in names if n not in self.classes), None)
        if strange is not None:
            raise Refused(f"{strange!r} is none of {', '.join(self.classes)}"[:500])
