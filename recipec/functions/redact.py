"""Personal data: found, and taken away."""

from __future__ import annotations

from typing import Final, Literal

from recipec.api import SQL, Kernel, Text, function, literal

_FAST = "recipec.fast.text_redact"
_FOUND = 'STRUCT(kind VARCHAR, "value" VARCHAR, "start" BIGINT, stop BIGINT)[]'
_REDACT = Kernel("redact", f"{_FAST}:redact", ("VARCHAR", "VARCHAR[]", "VARCHAR"), "VARCHAR")
_FIND = Kernel("find_pii", f"{_FAST}:find_pii", ("VARCHAR", "VARCHAR[]"), _FOUND)

_MANY_DIGITS = "[0-9](?:[^0-9]{0,3}[0-9]){6}"
_SIGNS: Final = {
    "email": "@",
    "phone": _MANY_DIGITS,
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:",
    "card": _MANY_DIGITS,
    "id": _MANY_DIGITS,
    "iban": _MANY_DIGITS,
    "url": r"://|[wW]{3}\.",
}
"""What a text must match for a kind to be in it: a test without the kernel."""

_DEFAULT: Final = ["email", "phone", "ip", "card", "id", "iban"]


def _signs(kinds: list[str]) -> str:
    return "|".join(dict.fromkeys(_SIGNS[kind] for kind in kinds))


@function("redact")
def redact(
    text: Text,
    kinds: list[Literal["email", "phone", "ip", "card", "id", "iban", "url"]] = _DEFAULT,  # type: ignore[assignment]
    replacement: str = "[{kind}]",
) -> Text:
    r"""The text with personal data replaced. `{kind}` in `replacement` stands for what was there.

    | kind | what |
    |---|---|
    | `email` | e-mail addresses |
    | `phone` | Chinese and North American numbers, any with `+` and a country code, ten or eleven digits that start with 0 |
    | `ip` | public IPv4 and IPv6 addresses; private, local and documentation ranges stay |
    | `card` | bank cards of the known issuers whose check digit is right (Luhn) |
    | `id` | Chinese resident identity numbers with date and check character (GB 11643), American social security numbers with dashes |
    | `iban` | international bank account numbers whose check digits are right (ISO 13616) |
    | `url` | web addresses; only when asked for |

    Names and postal addresses are not found. Digits are ASCII ones: apply `to_halfwidth` first where others occur.

    >>> redact("Mail joe@example.org or call +1 212 555 0123")
    'Mail [email] or call [phone]'
    >>> redact("手机13812345678，身份证11010519491231002X。")
    '手机[phone]，身份证[id]。'
    >>> redact("8.8.8.8 and 192.168.0.1", ["ip"], "<ip>")
    '<ip> and 192.168.0.1'
    """
    if not kinds:
        return text
    masked = _REDACT(text, literal(kinds), literal(replacement))
    return SQL(f"CASE WHEN regexp_matches({text}, '{_signs(list(kinds))}') THEN {masked} ELSE {text} END")


@function("find_pii", returns=_FOUND)
def find_pii(
    text: Text,
    kinds: list[Literal["email", "phone", "ip", "card", "id", "iban", "url"]] = _DEFAULT,  # type: ignore[assignment]
) -> SQL:
    r"""The personal data in a text, in its order: kind, value, and the characters from `start` to `stop`, counted from 1.

    The kinds are those of `redact`. An empty list where there is none.

    >>> find_pii("to joe@example.org")
    [{'kind': 'email', 'value': 'joe@example.org', 'start': 4, 'stop': 18}]
    >>> len(find_pii("nothing"))
    0
    """
    if not kinds:
        return SQL(f"CASE WHEN {text} IS NOT NULL THEN []::{_FOUND} END")
    found = _FIND(text, literal(kinds))
    return SQL(f"CASE WHEN regexp_matches({text}, '{_signs(list(kinds))}') THEN {found} WHEN {text} IS NOT NULL THEN []::{_FOUND} END")
