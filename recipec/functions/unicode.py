"""Unicode: repair of broken encodings, normal forms, characters that should not be there."""

from __future__ import annotations

from recipec.api import SQL, Kernel, Text, function

_FIX = Kernel("fix_unicode", "recipec.fast.text_unicode:fix_unicode", ("VARCHAR",), "VARCHAR")
_NFKC = Kernel("nfkc", "recipec.fast.text_unicode:nfkc", ("VARCHAR",), "VARCHAR", processes=False)

# Characters that repair leaves alone whatever stands beside them: ASCII that prints, typographic punctuation, arrows, dingbats, emoji,
# CJK punctuation, kana, Han, Hangul syllables, full width. A broken encoding shows itself by a character outside of these.
_SOUND = (
    r"\t\n\x20-\x7E\x{2010}-\x{2015}\x{2018}\x{2019}\x{201C}\x{201D}\x{2026}\x{2190}-\x{21FF}\x{2600}-\x{27BF}\x{2B00}-\x{2BFF}"
    r"\x{3000}-\x{3029}\x{3030}-\x{303F}\x{3041}-\x{3096}\x{309B}-\x{30FF}\x{3105}-\x{312F}\x{3200}-\x{4DBF}\x{4E00}-\x{9FFF}"
    r"\x{AC00}-\x{D7A3}\x{FE0F}\x{FF01}-\x{FFDC}\x{1F000}-\x{1FAFF}\x{20000}-\x{2EBEF}\x{30000}-\x{323AF}"
)


@function("fix_unicode")
def fix_unicode(text: Text) -> Text:
    r"""Repairs text that was decoded with the wrong encoding ("mojibake"), and brings it to the normal form NFC.

    Done by ftfy's `fix_text`: wrong decodings are undone where the result is surely better, terminal escapes and control characters
    other than tab, line feed and form feed are removed, `\r\n` and `\r` become `\n`, ligatures such as `ﬁ` become letters.
    Unlike ftfy's own defaults, curly quotes and full-width punctuation stay, since Chinese is written with them
    (`normalize_punctuation` and `to_halfwidth` change them), and so do HTML entities (`strip_html` decodes them).

    >>> fix_unicode("schÃ¶n â€” fertig")
    'schön — fertig'
    >>> fix_unicode("å¥½")
    '好'
    >>> fix_unicode("“你好，世界！”")
    '“你好，世界！”'
    """
    return SQL(f"CASE WHEN regexp_matches({text}, '[^{_SOUND}]') THEN {_FIX(text)} ELSE {text} END")


@function("nfc")
def nfc(text: Text) -> Text:
    r"""The text in Unicode's normal form NFC: letters and their accents composed where one character exists for both.

    >>> length(nfc("e\u0301"))
    1
    """
    return SQL(f"nfc_normalize({text})")


@function("nfkc")
def nfkc(text: Text) -> Text:
    r"""The text in Unicode's normal form NFKC: as NFC, and compatible forms made one (full width, ligatures, superscripts).

    >>> nfkc("ＡＢＣ １２３ ﬁ x² ㎏")
    'ABC 123 fi x2 kg'
    """
    return SQL(f"CASE WHEN strlen({text}) = length({text}) THEN {text} ELSE {_NFKC(text)} END")


@function("strip_control")
def strip_control(text: Text) -> Text:
    r"""The text without characters that do not show: controls other than tab and line breaks, terminal colours, byte-order marks,
    zero-width spaces, soft hyphens, marks of writing direction.

    The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji are spelled with them.

    >>> strip_control("a\x07b\u200b c\u00add\ufeff")
    'ab cd'
    >>> strip_control("\x1b[31mred\x1b[0m")
    'red'
    """
    hidden = (
        r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}\x{AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{206F}"
        r"\x{FEFF}\x{FFF9}-\x{FFFB}"
    )
    return SQL(
        f"CASE WHEN regexp_matches({text}, '[{hidden}]') "
        f"THEN regexp_replace({text}, '\\x1B\\[[0-9;?]*[A-Za-z]|[{hidden}]', '', 'g') ELSE {text} END"
    )


# Unicode's Emoji_Presentation, and the blocks from U+1F000 that hold nothing else.
_EMOJI = (
    r"\x{231A}\x{231B}\x{23E9}-\x{23EC}\x{23F0}\x{23F3}\x{25FD}\x{25FE}\x{2614}\x{2615}\x{2648}-\x{2653}\x{267F}\x{2693}\x{26A1}\x{26AA}"
    r"\x{26AB}\x{26BD}\x{26BE}\x{26C4}\x{26C5}\x{26CE}\x{26D4}\x{26EA}\x{26F2}\x{26F3}\x{26F5}\x{26FA}\x{26FD}\x{2705}\x{270A}\x{270B}"
    r"\x{2728}\x{274C}\x{274E}\x{2753}-\x{2755}\x{2757}\x{2764}\x{2795}-\x{2797}\x{27B0}\x{27BF}\x{2B1B}\x{2B1C}\x{2B50}\x{2B55}"
    r"\x{1F000}-\x{1F0FF}\x{1F18E}\x{1F191}-\x{1F19A}\x{1F1E6}-\x{1F1FF}\x{1F201}\x{1F21A}\x{1F22F}\x{1F232}-\x{1F23A}\x{1F250}\x{1F251}"
    r"\x{1F300}-\x{1F64F}\x{1F680}-\x{1F6FF}\x{1F7E0}-\x{1F7EB}\x{1F7F0}\x{1F90C}-\x{1F9FF}\x{1FA70}-\x{1FAFF}"
)


@function("strip_emoji")
def strip_emoji(text: Text) -> Text:
    r"""The text without emoji: pictures, flags, keycaps, and the joiners and skin tones that belong to them.

    Signs that are text unless asked to be pictures (`©`, `™`, `✓`, digits) stay; with the mark that asks (U+FE0F) they go. White space
    around an emoji stays: `squeeze_space` tidies it. Source: Unicode's emoji data (property Emoji_Presentation).

    >>> strip_emoji("great 👍🏽 job 👩‍🚀!")
    'great  job !'
    >>> strip_emoji("✓ 100 % ©")
    '✓ 100 % ©'
    """
    one = rf"(?:[{_EMOJI}]\x{{FE0F}}?|[#*0-9]\x{{FE0F}}?\x{{20E3}}|[\x{{A9}}\x{{AE}}\x{{203C}}-\x{{303D}}\x{{3297}}\x{{3299}}]\x{{FE0F}})"
    tail = r"[\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}]*"
    pattern = rf"{one}{tail}(?:\x{{200D}}(?:{one}|[\x{{2600}}-\x{{27BF}}]){tail})*"
    return SQL(
        f"CASE WHEN strlen({text}) > length({text}) AND regexp_matches({text}, '[{_EMOJI}\\x{{FE0F}}\\x{{20E3}}]') "
        f"THEN regexp_replace({text}, '{pattern}', '', 'g') ELSE {text} END"
    )
