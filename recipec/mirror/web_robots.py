"""``robots.txt`` as RFC 9309 has it: the group of the longest matching name, the rule of the longest matching path, ``*`` and ``$``.

Python's own parser takes the first rule that matches, knows no wildcard, and lets no second group of the same name add to the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

AGENT = "recipec"
LARGEST = 512 << 10
"""Bytes that are read of it (RFC 9309, 2.5: at least 500 KiB)."""


@dataclass(frozen=True)
class Robots:
    """``rules`` are (pattern, allowed), the longest first; at equal length what allows."""

    rules: tuple[tuple[re.Pattern[str], bool], ...] = ()
    delay: float | None = None

    def allows(self, path: str) -> bool:
        """Whether a path with its query may be read."""
        if path == "/robots.txt":
            return True
        wanted = normal(path)
        return next((allowed for pattern, allowed in self.rules if pattern.match(wanted)), True)


def parse(raw: bytes, agent: str = AGENT) -> Robots:
    groups: dict[str, list[tuple[str, bool]]] = {}
    delays: dict[str, float] = {}
    names: list[str] = []
    open_ = False
    for line in raw[:LARGEST].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key in ("user-agent", "useragent", "user agent"):
            names = names if open_ else []
            open_ = True
            name = value.lower()
            names.append(name if name == "*" else re.match(r"[a-z_-]*", name)[0])  # type: ignore[index]
            groups.setdefault(names[-1], [])
            continue
        if key in ("allow", "disallow"):
            open_ = False
            if value:  # an empty rule says nothing
                for name in names:
                    groups[name].append((value, key == "allow"))
        elif key == "crawl-delay":
            open_ = False
            try:
                seconds = float(value)
            except ValueError:
                continue
            for name in names:
                if 0 <= seconds < 1e6:
                    delays[name] = seconds
    own = agent if agent in groups else "*"
    rules = sorted(groups.get(own, []), key=lambda r: (-len(normal(r[0])), not r[1]))
    return Robots(tuple((compiled(path), allowed) for path, allowed in rules), delays.get(own))


def compiled(path: str) -> re.Pattern[str]:
    text = normal(path if path.startswith(("/", "*")) else f"/{path}")
    end = text.endswith("$")
    pieces = [re.escape(p) for p in re.split(r"\*+", text[:-1] if end else text)]
    # Each piece as early as it can be, so that a long line of stars costs no more than its length.
    body = pieces[0] + "".join(f"(?>.*?{p})" if p else ".*" for p in pieces[1:-1])
    if len(pieces) > 1:
        body += f".*{pieces[-1]}" if end else f"(?>.*?{pieces[-1]})"
    return re.compile(body + ("$" if end else ""), re.S)


def normal(path: str) -> str:
    """A path with what needs no escape unescaped, and the rest escaped, so that ``/é`` and ``/%C3%A9`` are one."""
    return quote(unquote(path.replace("%2F", "%252F").replace("%2f", "%252F")), safe="/:@!$&'()*+,;=~?-._%")
