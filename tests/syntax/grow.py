"""Recipes grown at random: tokens of valid recipes, laid out anyhow, and damaged in the ways that people and disks damage them."""

from __future__ import annotations

from random import Random

NAMES = [
    "text", "label", "n", "文本", "имя", "हिन्दी", "x1", "_key", "`odd column`", "`in`", "r", "rows", "tokens", "end", "until",
    "template", "keep", "from", "warn",
]  # fmt: skip
PLAIN = ["text", "label", "n", "文本", "имя", "x1", "`odd column`", "a", "b"]
LITERALS = [
    '"a"', '""', r'"q\"\n\u4e2d"', "1", "1_000", "0.5", "1e-5", "80%", "2_000 tokens", "100 rows", "true", "false", "null",
    r"r/\bfoo\/[a/b]+/i", '"""\n  block\n    of text\n  """', '"""a "quoted" text"""',
]  # fmt: skip
BINARY = ["+", "-", "*", "/", "//", "%", "**", "||"]
COMPARE = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "not like", "ilike", "matches", "not matches"]
COMMENTS = ["# a comment", "#", '# 中文 "quotes" { ( [', "#!x  "]


class Grower:
    """Makes lists of tokens. ``size`` bounds how much is made."""

    def __init__(self, seed: int, size: int = 60) -> None:
        self.random = Random(seed)
        self.left = size

    def pick(self, choices: list[str]) -> str:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, least: int, most: int) -> range:
        return range(self.random.randint(least, most))

    # Expressions: `level` is how tightly the surrounding binds; what binds less stands in parentheses.

    def expr(self, level: int = 0) -> list[str]:
        self.left -= 1
        if self.left <= 0:
            return [self.pick(PLAIN)]
        made, own = self.made()
        return made if own >= level else ["(", *made, ")"]

    def made(self) -> tuple[list[str], int]:
        kind = self.random.randrange(20)
        if kind == 0:
            return self.chain("or", 1), 0
        if kind == 1:
            return self.chain("and", 2), 1
        if kind == 2:
            return ["not", *self.expr(2)], 2
        if kind == 3:
            return [*self.expr(4), *self.pick(COMPARE).split(), *self.expr(4)], 3
        if kind == 4:
            negation = ["not"] if self.chance(0.3) else []
            return [*self.expr(4), *negation, "between", *self.expr(4), "and", *self.expr(4)], 3
        if kind == 5:
            return [*self.expr(4), "is", *(["not"] if self.chance(0.5) else []), "null"], 3
        if kind in (6, 7):
            return [*self.expr(4), "|>", *self.callee(), *(self.args() if self.chance(0.5) else [])], 4
        if kind == 8:
            return self.chain("||", 6), 5
        if kind == 9:
            return [*self.expr(6), self.pick(["+", "-"]), *self.expr(7)], 6
        if kind == 10:
            return [*self.expr(7), self.pick(["*", "/", "//", "%"]), *self.expr(8)], 7
        if kind == 11:
            return [self.pick(["-", "+"]), *self.expr(8)], 8
        if kind == 12:
            return [*self.expr(10), "**", *self.expr(8)], 9
        return self.tight(), 10

    def chain(self, op: str, level: int) -> list[str]:
        made = self.expr(level)
        for _ in self.some(1, 4):
            made = [*made, op, *self.expr(level)]
        return made

    def tight(self) -> list[str]:
        kind = self.random.randrange(14)
        if kind < 3:
            return [self.pick(PLAIN)]
        if kind < 6:
            return [self.pick(LITERALS)]
        if kind == 6:
            return [*self.callee(), *self.args()]
        if kind == 7:
            return [self.pick(PLAIN), ".", self.pick(NAMES)]
        if kind == 8:
            inner = self.pick(["[1]", "[1:3]", "[:3]", "[-1]"])
            return [self.pick(PLAIN), *{"[1]": ["[", *self.expr(), "]"], "[1:3]": ["[", "1", ":", *self.expr(), "]"]}.get(
                inner, ["[", ":", "3", "]"] if inner == "[:3]" else ["[", "-", "1", "]"])]  # fmt: skip
        if kind == 9:
            return ["[", *self.separated(self.expr), "]"]
        if kind == 10:
            return self.struct()
        if kind == 11:
            return self.case()
        if kind == 12:
            return [self.pick(["cast", "try_cast"]), "(", *self.expr(), "as", self.pick(["int", "text"]), ")"]
        return [self.pick(["clf", "n"]), "@", "2"]

    def separated(self, make: object) -> list[str]:
        made: list[str] = []
        for number in self.some(0, 4):
            made += [*([","] if number else []), *make()]  # type: ignore[operator]
        return [*made, ","] if made and self.chance(0.3) else made

    def struct(self) -> list[str]:
        made: list[str] = []
        for number in self.some(0, 3):
            comma = [","] if number and self.chance(0.8) else []
            made += [*comma, self.pick([*NAMES, '"odd key"', "in", "and"]), ":", *self.expr()]
        return ["{", *made, "}"]

    def case(self) -> list[str]:
        made = ["case", *(self.expr() if self.chance(0.3) else [])]
        for _ in self.some(1, 3):
            made += ["when", *self.expr(), "then", *self.expr()]
        return [*made, *(["else", *self.expr()] if self.chance(0.5) else []), "end"]

    def callee(self) -> list[str]:
        name = self.pick(["trim", "dedupe", "f", "语言"])
        return ["common", ".", name] if self.chance(0.15) else [name]

    def args(self) -> list[str]:
        return ["(", *self.separated(self.arg), ")"]

    def arg(self) -> list[str]:
        name = [self.pick([*NAMES, "in", "not"]), ":"] if self.chance(0.3) else []
        kind = self.random.randrange(10)
        if kind == 0:
            return [*name, *self.expr(), "=>", *self.expr()]
        if kind == 1:
            return [*name, "lambda", "x", *([",", "i"] if self.chance(0.3) else []), ":", *self.expr()]
        return [*name, *self.expr()]

    # Statements and items

    def block(self, depth: int = 0) -> list[str]:
        made: list[str] = []
        for _ in self.some(0, 5):
            made += [*self.statement(depth), *([","] if self.chance(0.15) else [])]
        return ["{", *made, "}"]

    def statement(self, depth: int) -> list[str]:
        kind = self.random.randrange(9)
        if kind == 0:
            return [self.pick([*NAMES, "in", "case"]), ":", *self.expr()]
        if kind == 1:
            return [self.pick(NAMES), "=", *self.expr()]
        if kind == 2:
            reason = ["as", '"too short"'] if self.chance(0.5) else []
            return [self.pick(["keep", "drop"]), "where", *self.expr(), *reason]
        if kind == 3:
            return ["when", *self.expr(), "=>", *self.expr(), *(["as", self.pick(NAMES)] if self.chance(0.5) else [])]
        if kind == 4:
            return ["expect", *(["warn"] if self.chance(0.3) else []), *self.expr(), *(["as", '"test"'] if self.chance(0.3) else [])]
        if kind == 5 and depth < 2:
            return ["search", *self.block(depth + 1)]
        body = self.block(depth + 1) if depth < 2 and self.chance(0.2) else []
        vote, name = ["vote"] if self.chance(0.4) else [], ["as", self.pick(NAMES)] if self.chance(0.3) else []
        return [*vote, *self.callee(), *self.args(), *name, *body]

    def item(self, depth: int = 0) -> list[str]:
        kind = self.random.randrange(12)
        text = self.pick(['"""\nSay {{ text }}.\n"""', '"short"', '"""one line"""'])
        if kind == 0:
            return ["recipe", '"name"', *(self.block() if self.chance(0.7) else [])]
        if kind == 1:
            return ["import", '"common.recipe"', "as", "common"]
        if kind == 2:
            return ["param", self.pick(NAMES), ":", "int", *(["=", *self.expr()] if self.chance(0.7) else [])]
        if kind == 3:
            return ["def", "f", "(", *self.separated(lambda: [self.pick(NAMES)]), ")", "=", *self.expr()]
        if kind == 4:
            params = ["(", *self.separated(lambda: [self.pick(PLAIN), *([":", "text"] if self.chance(0.3) else [])]), ")"]
            return ["template", "ask", *params, *([text] if self.chance(0.5) else ["{", "system", text, "user", text, "}"])]
        if kind == 5 and depth == 0:
            made = ["repeat", "3", *(["as", "round"] if self.chance(0.7) else []), "{"]
            for _ in self.some(0, 3):
                made += self.item(1)
            return [*made, "}", *(["until", *self.expr()] if self.chance(0.7) else [])]
        inputs = ["from", "raw"]
        inputs += [",", "final", ".", "train"] if self.chance(0.3) else []
        inputs += [",", "clf", "@", "2"] if self.chance(0.2) else []
        made = [self.pick(["clean", "label", "expect", "清洗"]), self.pick([name for name in NAMES if name != "from"])]
        made += inputs if self.chance(0.7) else []
        made += ["=", *self.callee(), *self.args()] if self.chance(0.3) else []
        made += [text] if self.chance(0.15) else []
        return [*made, *(self.block() if self.chance(0.85) else ["{", "}"])]

    def file(self) -> list[str]:
        made: list[str] = []
        for _ in self.some(1, 4):
            made += self.item()
        return made

    # Layout

    def laid(self, tokens: list[str], *, comments: bool = True, fresh: bool = False) -> str:
        """The tokens with blanks, line ends and comments between; ``fresh``: every item at the left margin, as people write."""
        parts: list[str] = []
        for token in tokens:
            parts.append(token)
            gap = self.pick([" ", " ", " ", "  ", "\n", "\n  ", "\t", "\r\n", "\n\n\n"])
            if comments and self.chance(0.07):
                gap = f"{self.pick(['', ' ', chr(10)])}{self.pick(COMMENTS)}\n{self.pick(['', '  ', chr(10)])}"
            parts.append(gap)
        return "".join(parts)

    def damaged(self, text: str) -> str:
        """The text after a few accidents."""
        for _ in self.some(1, 3):
            place = self.random.randrange(len(text) + 1)
            other = self.random.randrange(len(text) + 1)
            kind = self.random.randrange(8)
            if kind == 0:
                text = text[:place] + text[place + self.random.randrange(1, 12) :]
            elif kind == 1:
                text = text[:place] + text[place : place + 15] + text[place:]
            elif kind == 2:
                text = text[:place]
            elif kind == 3:
                low, high = sorted((place, other))
                text = text[:low] + text[high : high + 6] + text[low:high] + text[low : low + 6] + text[high + 6 :]
            elif kind == 4:
                text = text[:place] + chr(self.random.choice([0, 39, 0xFF0C, 0x201C, 0xD800, 0x200B, 0x1F600, 127])) + text[place:]
            elif kind == 5:
                text = text[:place] + self.pick(list("(){}[]\"'`=:,;.|&!<>-+*/%@#rR\\$?^~")) + text[place:]
            elif kind == 6:
                text = (
                    text[:place] + self.pick(['"""', "'''", "r/", "/*", "--", "&&", "<>", "AND ", "None", " as ", " case "]) + text[place:]
                )
            else:
                text = text[:place] + self.pick(["((((((((((", "[" * 150, "-" * 50, "9" * 5000, "not " * 120]) + text[place:]
        return text
