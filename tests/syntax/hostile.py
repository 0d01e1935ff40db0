"""Texts that nobody writes: each must get an answer, and soon."""

from __future__ import annotations

HEAD = "clean a from b { x = "


def hostile(share: float) -> list[str]:
    """The texts, at this share of the size that the parser's bounds allow."""

    def size(full: int) -> int:
        return int(full * share)

    return [
        HEAD + "(" * size(100_000),
        HEAD + "[" * size(5_000) + "]" * size(5_000) + "}",
        HEAD + "- " * size(40_000) + "1 }",
        HEAD + "not " * size(40_000),
        HEAD + "a" + ".b" * size(20_000) + "}",
        HEAD + "a" + " + a" * size(20_000) + "}",
        HEAD + "1 ** " * size(20_000) + "1 }",
        HEAD + "case when " * size(10_000),
        HEAD + "f(" * size(10_000) + "x" + ")" * size(10_000) + "}",
        "a b {" * size(8_000),
        "repeat 3 {" * size(8_000),
        "}" * size(40_000),
        "clean a from b { op() {" + " op() {" * size(2_000),
        '"' * size(99_999),
        "'" * size(99_999),
        '"""' + "\\" * size(99_999),
        '"""' + '"" ' * size(40_000),
        "`" * size(99_999),
        "r/" + "[" * size(99_999),
        "r/" * size(40_000),
        "，" * size(99_999),
        "1" * size(99_999) + "x",
        "1_" * size(50_000),
        HEAD + "9" * size(5_000) + "}",
        HEAD + "1e" + "9" * size(5_000) + "}",
        "a" * size(999_999),
        "a " * size(49_000),
        "\0" * size(99_999),
        "\ud800" * size(9_999),
        "# " + "x" * size(999_000),
        "\n" * size(999_999),
        ('a b """\n' * size(9_999)),
        "/* " * size(30_000),
        "-- \n" * size(30_000),
        "and: " * size(9_000),
        HEAD + "a = " * size(9_000),
        HEAD + "a AND " * size(9_000),
        HEAD + "|| not " * size(9_000),
        "\n".join(f"clean s{n} from b {{ keep n }}" for n in range(size(5_000))),
        HEAD + "in" + " " * size(500_000),
        HEAD + " in #\n" * size(9_000),
    ]
