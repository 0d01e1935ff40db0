"""Personal data in text: where it is, found by form and, where the form has one, by its checksum."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from ipaddress import ip_address
from typing import Final, NamedTuple

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, each


class Found(NamedTuple):
    start: int
    end: int
    kind: str


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def luhn(digits: str) -> bool:
    """The check digit of bank cards (ISO/IEC 7812-1)."""
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return total % 10 == 0


def _card(found: re.Match[str]) -> bool:
    digits = _digits(found[0])
    return len(set(digits)) > 1 and luhn(digits)


def iban(text: str) -> bool:
    """The check digits of an international bank account number (ISO 13616, modulo 97)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_id(text: str) -> bool:
    """The check character and date of birth of a Chinese resident identity number (GB 11643-1999)."""
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return "10X98765432"[sum(w * int(c) for w, c in zip(_WEIGHTS, text, strict=False)) % 11] == text[17].upper()


def _identity(found: re.Match[str]) -> bool:
    return found["resident"] is None or resident_id(found["resident"])


def _public(found: re.Match[str]) -> bool:
    """An address that the whole Internet can reach. Private, local and documentation ranges name nobody."""
    try:
        address = ip_address(found[0])
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


def _any(_: re.Match[str]) -> bool:
    return True


_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_NOT_IN_NUMBER: Final = r"(?<![0-9A-Za-z])(?<![0-9][.,/-])"
_END: Final = r"(?![0-9A-Za-z])(?![-/][0-9])"


@cache
def _forms() -> dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], bool]]]:
    """Pattern and test of every kind, in the order in which they take their pick."""
    from recipec.functions.html import URL

    return {
        "url": (re.compile(URL, re.ASCII), _any),
        "email": (
            re.compile(
                r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_+-])?"
                r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![A-Za-z0-9-])"
            ),
            _any,
        ),
        "iban": (
            re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z])"),
            lambda m: iban(m[0]),
        ),
        "id": (
            re.compile(
                r"(?<![0-9A-Za-z])(?:(?P<resident>[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx])"
                r"|(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4})(?![0-9A-Za-z]|-[0-9])"
            ),
            _identity,
        ),
        "card": (
            re.compile(
                r"(?<![0-9A-Za-z])(?<![0-9][.,-])(?:4(?:[ -]?[0-9]){12}(?:(?:[ -]?[0-9]){3}){0,2}"
                r"|(?:5[1-5]|2[2-7])(?:[ -]?[0-9]){14}|3[47](?:[ -]?[0-9]){13}|3(?:0[0-5]|[68][0-9])(?:[ -]?[0-9]){11}"
                r"|35(?:[ -]?[0-9]){14}|(?:6[0-9]|81|5[0678])(?:[ -]?[0-9]){14,17})(?![0-9A-Za-z]|-[0-9])"
            ),
            _card,
        ),
        "ip": (
            re.compile(
                rf"(?<![0-9A-Za-z.:])(?<![vV])(?<!ersion )(?<!elease )(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9A-Za-z]|\.[0-9])"
                r"|(?<![0-9A-Za-z.:])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:])"
            ),
            _public,
        ),
        "phone": (
            re.compile(
                rf"{_NOT_IN_NUMBER}(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{{4}}[ -]?[0-9]{{4}}{_END}"
                r"|(?<![0-9A-Za-z+])\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9](?:[ .-]?[0-9]){5,12}(?![0-9A-Za-z])"
                rf"|{_NOT_IN_NUMBER}(?:1[ .-])?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[ .-])[2-9][0-9]{{2}}[ .-][0-9]{{4}}{_END}"
                rf"|{_NOT_IN_NUMBER}(?:\(0[1-9][0-9]{{1,2}}\) ?|0[1-9][0-9]{{1,2}}[ -])[1-9][0-9]{{6,7}}{_END}"
                rf"|{_NOT_IN_NUMBER}(?:[48]00[ -][0-9]{{3}}[ -][0-9]{{4}}|0[1-9][0-9]{{8,9}}){_END}"
            ),
            _any,
        ),
    }


def find(text: str, kinds: Sequence[str]) -> list[Found]:
    """What is personal in a text, in its order, without overlap: a kind earlier in the order of forms takes precedence."""
    found: list[Found] = []
    for kind, (form, test) in _forms().items():
        if kind not in kinds or (kind == "email" and "@" not in text):
            continue
        for match in form.finditer(text):
            start, end = match.span()
            if test(match) and not any(f.start < end and start < f.end for f in found):
                insort(found, Found(start, end, kind))
    return found


def redact(text: Column, kinds: Column, replacement: Column) -> pa.Array:
    wanted, token = constant_of(kinds, []), constant_of(replacement, "")

    def clean(one: str) -> str:
        parts, place = [], 0
        for start, end, kind in find(one, wanted):
            parts += [one[place:start], token.replace("{kind}", kind)]
            place = end
        return "".join((*parts, one[place:]))

    return each(text, clean, pa.string())


def find_pii(text: Column, kinds: Column) -> pa.Array:
    wanted = constant_of(kinds, [])
    kind = pa.list_(pa.struct([("kind", pa.string()), ("value", pa.string()), ("start", pa.int64()), ("stop", pa.int64())]))
    return each(text, lambda one: [{"kind": k, "value": one[a:b], "start": a + 1, "stop": b} for a, b, k in find(one, wanted)], kind)
