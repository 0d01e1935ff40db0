"""``vote keywords``"""

from __future__ import annotations

import re
from collections.abc import Sequence

from recipec.api import ColumnName, Json, Schema, Settings, literal, named, vote
from recipec.diagnostics import nearest
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.source import Span
from recipec.syntax import tree
from recipec.votes._base import Vote, Voted, Voting
from recipec.votes._text import check_text, text_column


class KeywordsParams(Settings):
    words: dict[str, list[str]]
    text: ColumnName | None = named(None)
    case: bool = named(False)


@vote("keywords")
class Keywords(Vote):
    """Votes for the class whose keywords the text has most different ones of; even counts abstain.

    ```recipe
    label kind from mails {
      classes: ["spam", "ham"]
      vote keywords({spam: ["free", "winner", "免费"], ham: ["meeting"]}, text: body) as spam_words
    }
    ```

    A keyword is a word or words, found as a whole (``art`` is not in ``party``), in upper or lower case unless ``case: true``. In
    scripts without spaces it may stand anywhere. ``text`` is the column; it can be left out where there is only one of text.

    In a step of several classes (``many: true``) it votes for every class that has a keyword in the text.
    """

    Params = KeywordsParams
    params: KeywordsParams
    modes = frozenset({"class", "many"})
    alone = True

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        self.column = check_text(bind, schema, self.params.text, call)
        for name, words in self.params.words.items():
            if classes is not None and name not in classes:
                guess = nearest(name, classes)
                problem = BadValue(
                    span=at(call, name), message=f'"{name}" is none of the classes', help=(f"classes: {', '.join(classes)}",)
                )
                problem.put(label=f'did you mean "{guess}"?' if guess else "")
                bind.report(problem)
            if not words or any(not w.strip() for w in words):
                bind.report(BadValue(span=at(call, name), message=f'"{name}" needs keywords, none of them empty'))

    def meaning(self) -> Json:
        return self.column

    def known(self) -> tuple[str, ...] | None:
        return tuple(self.params.words)

    def brings(self, ctx: object) -> tuple[str, ...] | None:
        return tuple(self.params.words)

    def polarity(self, classes: Sequence[str]) -> Sequence[str]:
        return [c for c in classes if c in self.params.words]

    def run(self, voting: Voting) -> Voted:
        text = text_column(self.column)
        counts = {}
        for name, words in self.params.words.items():
            found = [f"regexp_matches({text}, {literal(pattern(w, self.params.case))})::INT" for w in dict.fromkeys(words)]
            counts[name] = " + ".join(found)
        listed = ", ".join(f"({c}) AS n{i}" for i, c in enumerate(counts.values()))
        names = [f"n{i}" for i in range(len(counts))]
        if voting.mode == "many":
            each = ", ".join(f"CASE WHEN {n} > 0 THEN {voting.classes.index(c)} END" for n, c in zip(names, counts, strict=True))
            some = " OR ".join(f"{n} > 0" for n in names)
            voting.ctx.execute(
                f"CREATE TEMP TABLE {voting.out} AS SELECT _key, list_filter([{each}], lambda c: c IS NOT NULL)::SMALLINT[] AS votes, "
                f"NULL::DOUBLE[] AS sure FROM (SELECT _key, {listed} FROM {voting.relation}) WHERE {some}"
            )
            return Voted()
        best = f"greatest({', '.join(names)})"
        alone = " + ".join(f"({n} = {best})::INT" for n in names)
        cases = " ".join(f"WHEN {n} = {best} THEN {voting.classes.index(c)}" for n, c in zip(names, counts, strict=True))
        voting.ctx.execute(
            f"CREATE TEMP TABLE {voting.out} AS SELECT _key, (CASE {cases} END)::SMALLINT AS vote, NULL::DOUBLE[] AS sure "
            f"FROM (SELECT _key, {listed} FROM {voting.relation}) WHERE {best} > 0 AND ({alone}) = 1"
        )
        return Voted()


def at(call: tree.Op, name: str) -> Span:
    """Where a class stands among the keywords."""
    value = next((a.value for a in call.call.args if a.name is None or a.name.id == "words"), None)
    items = value.items if isinstance(value, tree.StructExpr) else ()
    return next((key.span for key, _ in items if key.id == name), call.call.span)


def pattern(word: str, case: bool) -> str:
    """A keyword as a regular expression of RE2: whole words, any run of spaces between them."""
    body = r"\s+".join(re.escape(p) for p in word.split())
    wide = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\u0e00-\u0eff\U00020000-\U0003ffff]")
    first, last = word.strip()[0], word.strip()[-1]
    before = "" if wide.match(first) or not (first.isalnum() or first == "_") else r"(?:^|[^\pL\pN_])"
    after = "" if wide.match(last) or not (last.isalnum() or last == "_") else r"(?:$|[^\pL\pN_])"
    return f"{'' if case else '(?i)'}{before}{body}{after}"
