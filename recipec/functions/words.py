"""Words, sentences, lines and paragraphs: how many, and which."""

from __future__ import annotations

from recipec.api import SQL, Int, Kernel, Text, Texts, function

_FAST = "recipec.fast.text_words"
_WORDS = Kernel("words", f"{_FAST}:words", ("VARCHAR",), "BIGINT", processes=False)
_SPLIT_WORDS = Kernel("split_words", f"{_FAST}:split_words", ("VARCHAR",), "VARCHAR[]")
_SENTENCES = Kernel("sentences", f"{_FAST}:sentences", ("VARCHAR",), "BIGINT")
_SPLIT_SENTENCES = Kernel("split_sentences", f"{_FAST}:split_sentences", ("VARCHAR",), "VARCHAR[]")
_LINES = Kernel("lines_count", f"{_FAST}:lines_count", ("VARCHAR",), "BIGINT", processes=False)
_PARAGRAPHS = Kernel("paragraphs", f"{_FAST}:paragraphs", ("VARCHAR",), "BIGINT")
_SPLIT_PARAGRAPHS = Kernel("split_paragraphs", f"{_FAST}:split_paragraphs", ("VARCHAR",), "VARCHAR[]")


@function("words")
def words(text: Text) -> Int:
    r"""How many words a text has.

    Text is parted at white space; a piece counts when it has a letter or a digit, so `-`, `!!!` and emoji are no words. Scripts
    that put nothing between words (Han, kana, Thai, Lao, Khmer, Myanmar) count by letters, each a word of its own, as
    tokenizers count them; full-width punctuation parts words as white space does. So a bound such as `words(text) < 5` asks about as much
    of a Chinese text as of an English one. Empty text has 0 words; null gives null.

    >>> words("To be, or not - to be!")
    6
    >>> words("今天天气很好。")
    6
    >>> words("我用 iPhone 手机")
    5
    >>> words("")
    0
    """
    return _WORDS(text)


@function("split_words")
def split_words(text: Text) -> Texts:
    r"""The words of a text, those that `words` counts, in order.

    Each reaches from its first to its last letter or digit (with its accents): punctuation around it is left off, inside it stays.
    Case stays too.

    >>> split_words("Don't stop, \"C++\" users!")
    ["Don't", 'stop', 'C', 'users']
    >>> split_words("用 GPT-4 写诗。")
    ['用', 'GPT-4', '写', '诗']
    """
    return _SPLIT_WORDS(text)


@function("sentences")
def sentences(text: Text) -> Int:
    r"""How many sentences a text has, by rule.

    A sentence ends at `.`, `!`, `?` or dots before white space or the end, at `。`, `！`, `？` wherever they stand, and at a blank line;
    quotes and brackets that close belong to it. Common English abbreviations (`e.g.`, `Dr.`, `U.S.`), initials (`J. Smith`) and
    numbers of lists (`1.` at the start of a line) do not end one. What has no letter or digit is no sentence.
    Empty text has 0; null gives null.

    >>> sentences("Dr. Smith paid $3.50. Did he? Yes!")
    3
    >>> sentences("你好。今天天气好吗？很好！")
    3
    >>> sentences("no end mark")
    1
    """
    return _SENTENCES(text)


@function("split_sentences")
def split_sentences(text: Text) -> Texts:
    r"""The sentences of a text, those that `sentences` counts, in order, without the white space around them.

    >>> split_sentences("Stop! Who goes there? \"A friend.\" Pass.")
    ['Stop!', 'Who goes there?', '"A friend."', 'Pass.']
    >>> split_sentences("他说：“走吧。”我们就走了。")
    ['他说：“走吧。”', '我们就走了。']
    """
    return _SPLIT_SENTENCES(text)


@function("chars")
def chars(text: Text) -> Int:
    r"""How many characters a text has: Unicode code points, so `é` written as a letter and an accent counts 2.

    The same as `length(text)`. `strlen(text)` counts bytes of UTF-8.

    >>> chars("naïve")
    5
    >>> chars("你好")
    2
    """
    return SQL(f"length({text})")


@function("lines_count")
def lines_count(text: Text) -> Int:
    r"""How many lines a text has; `\n`, `\r\n` and `\r` end a line.

    A line break at the very end starts no further line. Blank lines count. Empty text has 0 lines; null gives null.

    >>> lines_count("one\ntwo\n\nfour\n")
    4
    >>> lines_count("one")
    1
    """
    return _LINES(text)


@function("paragraphs")
def paragraphs(text: Text) -> Int:
    r"""How many paragraphs a text has: parts between blank lines that are not themselves blank.

    >>> paragraphs("One\nstill one\n\nTwo\n\n\n")
    2
    """
    return _PARAGRAPHS(text)


@function("split_paragraphs")
def split_paragraphs(text: Text) -> Texts:
    r"""The paragraphs of a text, those that `paragraphs` counts, without the white space around them.

    >>> split_paragraphs("One\nstill one\n\nTwo\n")
    ['One\nstill one', 'Two']
    """
    return _SPLIT_PARAGRAPHS(text)
