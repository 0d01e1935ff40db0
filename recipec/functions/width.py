"""Writing systems of East Asia: full and half width, simplified and traditional, and punctuation."""

from __future__ import annotations

from typing import Final, Literal

from recipec.api import SQL, Kernel, Text, function, literal

_CONVERT = Kernel("convert_chinese", "recipec.fast.text_chinese:convert", ("VARCHAR", "VARCHAR"), "VARCHAR", processes=False)
_HAN = r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{323AF}]"

_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
_FULL: Final = "".join(map(chr, range(0xFF01, 0xFF5F)))
_SIGNS: Final = ("￠￡￢￣￤￥￦", "¢£¬¯¦¥₩")


def _translate(text: str, old: str, new: str) -> SQL:
    return SQL(f"CASE WHEN regexp_matches({text}, {literal(f'[{_escaped(old)}]')}) THEN {_map(text, old, new)} ELSE {text} END")


def _map(text: str, old: str, new: str) -> str:
    return f"translate({text}, {literal(old)}, {literal(new)})"


def _escaped(characters: str) -> str:
    return "".join(rf"\x{{{ord(c):X}}}" for c in characters)


@function("to_halfwidth")
def to_halfwidth(text: Text, punctuation: bool = True) -> Text:
    r"""The text with full-width letters, digits, punctuation and spaces (`Ａ`, `１`, `，`, `　`) in half width (`A`, `1`, `,`, ` `).

    With `punctuation: false` only letters, digits and spaces change, and Chinese keeps its own punctuation. `。`, `、` and quotation
    marks have no half-width twin: see `normalize_punctuation`.

    >>> to_halfwidth("ＡＢＣ　１２３，ok！")
    'ABC 123,ok!'
    >>> to_halfwidth("第１章，完！", punctuation: false)
    '第1章，完！'
    """
    pairs = [(f, a) for f, a in zip(_FULL, _ASCII, strict=True) if punctuation or a.isalnum()]
    if punctuation:
        pairs += zip(*_SIGNS, strict=True)
    pairs.append(("\u3000", " "))
    return _translate(text, "".join(f for f, _ in pairs), "".join(a for _, a in pairs))


@function("to_fullwidth")
def to_fullwidth(text: Text) -> Text:
    r"""The text with ASCII letters, digits, punctuation and spaces in full width, as East Asian typesetting sometimes wants.

    >>> to_fullwidth("AB 12!")
    'ＡＢ　１２！'
    """
    return SQL(_map(text, _ASCII + " ", _FULL + "\u3000"))


@function("to_simplified")
def to_simplified(text: Text, region: Literal["any", "taiwan", "hongkong"] = "any") -> Text:
    r"""Chinese text in simplified characters. `region: taiwan` turns its terms into those of the mainland too (`軟體`: `软件`).

    Done by OpenCC, phrase by phrase, so that characters of several meanings come out right. Needs `pip install 'recipec[text]'`.

    >>> to_simplified("漢字轉換")
    '汉字转换'
    >>> to_simplified("軟體", region: "taiwan")
    '软件'
    """
    config = {"any": "t2s", "taiwan": "tw2sp", "hongkong": "hk2s"}[region]
    return SQL(f"CASE WHEN regexp_matches({text}, '{_HAN}') THEN {_CONVERT(text, literal(config))} ELSE {text} END")


@function("to_traditional")
def to_traditional(text: Text, region: Literal["standard", "taiwan", "hongkong"] = "standard") -> Text:
    r"""Chinese text in traditional characters. `region: taiwan` uses its characters and terms (`软件`: `軟體`), `hongkong` its characters.

    Done by OpenCC, phrase by phrase. Needs `pip install 'recipec[text]'`.

    >>> to_traditional("头发发展")
    '頭髮發展'
    >>> to_traditional("软件", region: "taiwan")
    '軟體'
    """
    config = {"standard": "s2t", "taiwan": "s2twp", "hongkong": "s2hk"}[region]
    return SQL(f"CASE WHEN regexp_matches({text}, '{_HAN}') THEN {_CONVERT(text, literal(config))} ELSE {text} END")


_TYPOGRAPHIC: Final = {
    '"': "“”„‟«»〝〞〟「」『』《》＂",
    "'": "‘’‚‛‹›〈〉＇′",
    "-": "‐‑‒–—―−－",
    ",": "，、﹐",
    ".": "。．｡﹒",
    "(": "（﹙",
    ")": "）﹚",
    "[": "【〔［",
    "]": "】〕］",
}
_FULL_SIGNS: Final = "！？：；％＆＃＊＋／＜＝＞＠＼＾＿｀｛｜｝～＄"


@function("normalize_punctuation")
def normalize_punctuation(text: Text, style: Literal["ascii", "chinese"] = "ascii") -> Text:
    r"""The text with its punctuation in one style.

    `ascii`: quotation marks, dashes, ellipses and full-width punctuation become their ASCII counterparts (`“”《》` to `"`, `。` to `.`,
    `、` to `,`, `…` to `...`). `chinese`: ASCII commas, full stops, colons, semicolons, question and exclamation marks that follow
    a Chinese character become Chinese ones; other text stays.

    >>> normalize_punctuation("“你好”，世界…")
    '"你好",世界...'
    >>> normalize_punctuation("你好,世界.Version 2.0 is out, ok?", style: "chinese")
    '你好，世界。Version 2.0 is out, ok?'
    """
    if style == "chinese":
        marks = SQL(text)
        for old, new in ((",", "，"), (";", "；"), (":", "："), ("!", "！"), ("\\?", "？")):
            marks = SQL(f"regexp_replace({marks}, '({_HAN}[”’」』）》]?){old}', '\\1{new}', 'g')")
        # A dot before a small letter or a digit is part of a name or a number. Twice, because matches may not overlap.
        for _ in range(2):
            marks = SQL(f"regexp_replace({marks}, '({_HAN}[”’」』）》]?)\\.([^.a-z0-9]|$)', '\\1。\\2', 'g')")
        return SQL(f"CASE WHEN regexp_matches({text}, '{_HAN}[”’」』）》]?[,;:!?.]') THEN {marks} ELSE {text} END")
    old = "".join(_TYPOGRAPHIC.values()) + _FULL_SIGNS
    new = "".join(a * len(olds) for a, olds in _TYPOGRAPHIC.items()) + "".join(chr(ord(c) - 0xFEE0) for c in _FULL_SIGNS)
    mapped = _map(f"replace({text}, '…', '...')", old, new)
    return SQL(f"CASE WHEN regexp_matches({text}, {literal(f'[{_escaped(old)}…]')}) THEN {mapped} ELSE {text} END")
