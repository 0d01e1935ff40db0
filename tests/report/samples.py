"""Findings as the stages make them, for the reports to show."""

from __future__ import annotations

from recipec.diagnostics import Diagnostic, Edit, Fix, Label, replace_fix
from recipec.source import Source, Span

TEXT = """\
recipe "packages" { version: "1.0.0"  seed: 7 }
source packages = parquet("data/packages.parquet")
clean tidy from packages {
  keep where descripton matches r/player/i
  价格 = trim(文本) |> upper |> foo(bar)
\ttotal\t= text + label
}
augment more from tidy { copies: 2 }

clean cleaned from more { dedupe(text) }

split final from cleaned { train: 80%  test: 20% }
"""
LONG = "clean long from tidy { x = " + "a" * 200 + " + bad + " + "b" * 300 + " }\n"
SOURCE = Source("packages.recipe", TEXT)
OTHER = Source("shared/common.recipe", "param words: int = 3\n\nclean letters from mail {\n  keep where words > 3\n}\n")
WIDE = Source("long.recipe", LONG)


class NoColumn(Diagnostic):
    """A column that the table does not have."""

    name = "no-such-column"
    code = "E000"


class CopiesFirst(Diagnostic):
    """Copies made before the split."""

    name = "copies-first"
    code = "L101"
    severity = "warning"


class Remark(Diagnostic):
    """Something worth knowing."""

    name = "remark"
    code = "N001"
    severity = "note"


def at(text: str, source: Source = SOURCE, after: int = 0) -> Span:
    start = source.text.index(text, after)
    return source.span(start, start + len(text))


def findings() -> dict[str, Diagnostic]:
    """Every form of finding by a name."""
    return {
        "simple": NoColumn(
            span=at("descripton"),
            message="no column `descripton` in `tidy`",
            label="did you mean `description`?",
            help=("`tidy` has: package, section, tags, summary, description (+3)",),
            fixes=(replace_fix(at("descripton"), "description"),),
        ),
        "gap": CopiesFirst(
            span=at("split final from cleaned"),
            message="copies made in `more` can land in other parts than their originals",
            label="and divided here, so 20 % of the copies test what their parents taught",
            also=(Label(at("augment more from tidy"), "copies are made here"),),
            help=("split first, then augment `final.train`; or keep families together: `group: parent()`",),
        ),
        "wide-letters": NoColumn(
            span=at("文本"),
            message="没有列 `文本`；它有 " + "、".join(["价格", "名称", "说明"] * 9),
            label="你是说 `正文` 吗？",
            also=(Label(at("价格"), "the column made here"), Label(at("foo"), "and read here")),
        ),
        "tabs": NoColumn(
            span=at("label"), message="`+` joins no texts", label="text", also=(Label(at("text", after=TEXT.index("total")), "text"),)
        ),
        "several-lines": NoColumn(
            span=at(TEXT[TEXT.index("clean tidy") : TEXT.index("augment") - 1]),
            message="the whole step",
            label="from here to there",
            also=(Label(at("packages {\n  keep where"), "a part of it"),),
        ),
        "other-file": NoColumn(
            span=at("packages", after=TEXT.index("clean tidy")), message="defined elsewhere", also=(Label(at("letters", OTHER), "here"),)
        ),
        "long-line": NoColumn(
            span=at("bad", WIDE),
            message="far to the right",
            label="here",
            also=(Label(at("bbb }", WIDE), "at the end"), Label(at("x", WIDE), "at the start")),
        ),
        "end": NoColumn(span=SOURCE.span(len(TEXT), len(TEXT)), message="the file ends too early", label="expected `}`"),
        "same-place": Remark(
            span=at("tidy"), message="two things here", label="one", also=(Label(at("tidy"), "two"), Label(at("clean tidy"), "three"))
        ),
        "unsafe-fix": NoColumn(
            span=at("upper"), message="not sure", fixes=(Fix("replace with `lower`", (Edit(at("upper"), "lower"),), safe=False),)
        ),
        "tricks": NoColumn(
            span=Source("e\x1b[2Jvil.recipe", "x = 'a\x1b[31m\u202eb'\r\n").span(4, 12),
            message="control \x07 characters",
            label="and \x1b[0m labels",
        ),
    }
