"""``pdf``, ``docx``, ``epub``, ``notebook``, ``code`` and ``markdown`` with its front matter."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from readers_harness import read

pytest.importorskip("pypdfium2", reason="needs the extra docs")


def bad(result: Any) -> list[tuple[int, str]]:
    return [(b[1], b[2]) for b in result.bad]


# pdf ------------------------------------------------------------------------------------------------------------------

IMAGE = (
    b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >> stream\n\0\nendstream"
)


def pdf_of(pages: list[str | None], info: str = "", root: str = "") -> bytes:
    """A PDF with a text on each page; None is a page that is a picture. Texts other than ASCII go through a map to Unicode."""
    objects: list[bytes] = [b"", b""]
    kids = []
    for text in pages:
        if text is None:
            objects.append(IMAGE)
            resources, content = f"/XObject << /I {len(objects)} 0 R >>", b"100 0 0 100 0 0 cm /I Do"
        else:
            codes = text.encode("utf-16-be").hex()
            pairs = "".join(f"<{c:04x}> <{c:04x}> " for c in sorted({ord(c) for c in text if c != "\n"}))
            count = len({c for c in text if c != "\n"})
            cmap = f"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange {count} beginbfchar {pairs}endbfchar endcmap"
            objects.append(f"<< /Length {len(cmap)} >> stream\n{cmap}\nendstream".encode())
            objects.append(
                b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (A) /Ordering (B) /Supplement 0 >> /DW 600 "
                b"/FontDescriptor << /Type /FontDescriptor /FontName /X /Flags 4 /FontBBox [0 0 9 9] /ItalicAngle 0 /Ascent 9 /Descent 0 /CapHeight 9 /StemV 9 >> >>"
            )
            font = f"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [{len(objects)} 0 R] /ToUnicode {len(objects) - 1} 0 R >>"
            objects.append(font.encode())
            resources = f"/Font << /F {len(objects)} 0 R >>"
            lines = " ".join(f"<{line.encode('utf-16-be').hex()}> Tj 0 -20 Td" for line in text.split("\n"))
            content = f"BT /F 12 Tf 50 700 Td {lines} ET".encode() if codes else b""
        objects.append(b"<< /Length %d >> stream\n%s\nendstream" % (len(content), content))
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << {resources} >> /Contents {len(objects)} 0 R >>".encode()
        )
        kids.append(len(objects))
    objects[0] = f"<< /Type /Catalog /Pages 2 0 R {root} >>".encode()
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{k} 0 R' for k in kids)}] >>".encode()
    objects.append(f"<< {info} >>".encode("utf-8", "surrogateescape"))
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, 2)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    table = "".join(f"{p:010} 00000 n \n" for p in places)
    size = len(objects) + 1
    out.write(
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Size {size} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    )
    return out.getvalue()


def test_pages_of_a_pdf(tmp_path: Path) -> None:
    title = "/Title <FEFF" + "一本书".encode("utf-16-be").hex() + "> /Author (Ann B.)"
    (tmp_path / "a.pdf").write_bytes(pdf_of(["Hello pages\nsecond line", "你好，世界", "", None], title))
    r = read(tmp_path, "pdf", "a.pdf")
    assert r.rows == [
        ("a.pdf", 1, "一本书", "Ann B.", "Hello pages\nsecond line"),
        ("a.pdf", 2, "一本书", "Ann B.", "你好，世界"),
        ("a.pdf", 3, "一本书", "Ann B.", ""),
    ]
    assert bad(r) == [(4, "page 4 has no text, only pictures: it is a scan, and text must be recognised first")]
    r = read(tmp_path, "pdf", "a.pdf", by="document")
    assert r.rows == [("a.pdf", 4, "一本书", "Ann B.", 1, "Hello pages\nsecond line\f你好，世界\f\f")]
    assert read(tmp_path, "pdf", "a.pdf", declared={"text": "VARCHAR", "page": "INTEGER"}).rows[1] == ("你好，世界", 2)


def test_pdfs_that_cannot_be_read(tmp_path: Path) -> None:
    good = pdf_of(["text"])
    (tmp_path / "scan.pdf").write_bytes(pdf_of([None, None]))
    (tmp_path / "cut.pdf").write_bytes(good[:60])
    (tmp_path / "html.pdf").write_bytes(b"<html>404</html>")
    (tmp_path / "empty.pdf").write_bytes(b"")
    (tmp_path / "good.pdf").write_bytes(good)
    # Encryption with an owner's and a user's password that nobody knows.
    key = "/Encrypt << /Filter /Standard /V 1 /R 2 /P -1 /O <" + "ab" * 32 + "> /U <" + "cd" * 32 + "> >> /ID [<00> <00>] /Root"
    (tmp_path / "locked.pdf").write_bytes(good.replace(b"/Root", key.encode(), 1))
    r = read(tmp_path, "pdf", "*.pdf", by="document")
    assert [row[0] for row in r.rows] == ["good.pdf"]
    assert [(b[0], b[2]) for b in r.bad] == [
        ("cut.pdf", "a damaged PDF"),
        ("empty.pdf", "is empty"),
        ("html.pdf", "no PDF: it begins with 3c 68 74 6d"),
        ("locked.pdf", "wants a password"),
        ("scan.pdf", "has no text, only pictures: it is a scan, and text must be recognised first"),
    ]


# docx -----------------------------------------------------------------------------------------------------------------

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def zip_of(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx_of(body: str, **more: str) -> bytes:
    files: dict[str, str | bytes] = {
        "word/document.xml": f'<?xml version="1.0" encoding="UTF-8"?><w:document {W}><w:body>{body}</w:body></w:document>',
        "word/styles.xml": f'<w:styles {W}><w:style w:styleId="标题1"><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
        '<w:style w:styleId="Sub"><w:basedOn w:val="标题1"/></w:style></w:styles>',
        "docProps/core.xml": '<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>信</dc:title><dc:creator>Ann</dc:creator></c>',
    }
    return zip_of(files | {k.replace("__", "/") + ".xml": v for k, v in more.items()})


def p(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def test_word_documents(tmp_path: Path) -> None:
    cell = "<w:tc>{}</w:tc>".format
    table = f"<w:tbl><w:tr>{cell(p('a'))}{cell(p('b') + p('c'))}</w:tr><w:tr>{cell('<w:tbl><w:tr>' + cell(p('in')) + '</w:tr></w:tbl>' + p(''))}</w:tr></w:tbl>"
    body = (
        p("第一章", "标题1")
        + p("Under", "Sub")
        + "<w:p><w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        '<w:r><w:instrText>TOC</w:instrText><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
        + table
        + "<w:sdt><w:sdtContent>"
        + p("control")
        + "</w:sdtContent></w:sdt>"
    )
    notes = f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0">{p("---")}</w:footnote><w:footnote w:id="2">{p("a note")}</w:footnote></w:footnotes>'
    (tmp_path / "a.docx").write_bytes(docx_of(body, word__footnotes=notes))
    r = read(tmp_path, "docx", "*.docx")
    text = "# 第一章\n# Under\nkept new\tx\ny[^1]\n| a | b c |\n| | in | |\ncontrol\n[^1]: a note"
    assert r.rows == [("a.docx", "信", "Ann", text)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "no Word document, but a document of an old Office, or one with a password"),
        (b"hello", "no Word document: it begins with 68 65 6c 6c"),
        (b"PK\x03\x04 cut", "a damaged Word document: File is not a zip file"),
        (zip_of({"x.txt": "x"}), "no Word document: it is a ZIP file without `word/document.xml`"),
        (zip_of({"word/document.xml": "<w"}), "its part `word/document.xml` is no XML: unclosed token: line 1, column 0"),
        (
            zip_of({"word/document.xml": '<!DOCTYPE d [<!ENTITY a "aaaa">]><d>&a;</d>'}),
            "its part `word/document.xml` declares a document type, which is not read",
        ),
        (zip_of({"word/document.xml": "<a>" * 300 + "</a>" * 300}), "its part `word/document.xml` is nested more than 200 levels deep"),
    ],
)
def test_word_documents_that_cannot_be_read(given: Any, data: bytes, why: str) -> None:
    r = given("docx")(data)
    assert (r.rows, bad(r)) == ([], [(1, why)])


# epub -----------------------------------------------------------------------------------------------------------------

CONTAINER = '<container xmlns="urn:c"><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'


def epub_of(chapters: dict[str, bytes], more: dict[str, str | bytes] | None = None) -> bytes:
    items = "".join(f'<item id="i{n}" href="{name}"/>' for n, name in enumerate(chapters))
    spine = "".join(f'<itemref idref="i{n}"/>' for n in range(len(chapters)))
    about = "<dc:title>红楼梦</dc:title><dc:creator>曹雪芹</dc:creator><dc:language>zh</dc:language>"
    opf = f'<package xmlns:dc="urn:d"><metadata>{about}</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>'
    files: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/content.opf": opf}
    from urllib.parse import unquote

    return zip_of(files | {f"OEBPS/{unquote(n)}": d for n, d in chapters.items() if d} | (more or {}))


def test_books(tmp_path: Path) -> None:
    chapters = {
        "cover.xhtml": b"<html><body><img src='c.png'/></body></html>",
        "c%201.xhtml": "<?xml version='1.0'?><!DOCTYPE html><html><head><title>t</title></head><body><h1>第一回</h1><p>甄士隐</p></body></html>".encode(),
        "c2.xhtml": "<?xml version='1.0' encoding='gb18030'?><html><head><title>第二回</title></head><body><p>贾雨村</p></body></html>".encode(
            "gb18030"
        ),
    }
    (tmp_path / "a.epub").write_bytes(epub_of(chapters))
    r = read(tmp_path, "epub", "a.epub")
    book = ("a.epub", "红楼梦", "曹雪芹", "zh")
    assert r.rows == [(*book, 2, "第一回", "第一回\n\n甄士隐"), (*book, 3, "第二回", "贾雨村")]
    assert read(tmp_path, "epub", "a.epub", by="book").rows == [(*book, 2, "第一回\n\n甄士隐\n\n贾雨村")]


def test_books_that_cannot_be_read(tmp_path: Path) -> None:
    lock = '<encryption><e><CipherReference URI="OEBPS/b.xhtml"/></e></encryption>'
    made = epub_of(
        {"a.xhtml": b"", "b.xhtml": b"xx", "c.xhtml": b"<p>\xff</p>", "d.xhtml": b"<p>ok</p>"}, {"META-INF/encryption.xml": lock}
    )
    (tmp_path / "a.epub").write_bytes(made)
    (tmp_path / "b.epub").write_bytes(zip_of({"x": "x"}))
    r = read(tmp_path, "epub", "*.epub")
    assert [row[-1] for row in r.rows] == ["ok"]
    assert [b[2] for b in r.bad] == [
        "chapter 1 is missing: the book has no part `OEBPS/a.xhtml`",
        "chapter 2 is encrypted (DRM)",
        "chapter 3 is not valid utf-8",
        "no EPUB: it is a ZIP file without `META-INF/container.xml`",
    ]
    assert read(tmp_path, "epub", "a.epub", by="book").rows == []


# notebook -------------------------------------------------------------------------------------------------------------


def test_notebooks(tmp_path: Path) -> None:
    book = {
        "metadata": {"language_info": {"name": "Python"}},
        "cells": [
            {"cell_type": "markdown", "source": ["# 标题\n", "text"]},
            {
                "cell_type": "code",
                "source": "print(1)\n",
                "outputs": [{"output_type": "stream", "text": ["1\n"]}, {"data": {"text/plain": "2"}}],
            },
            {
                "cell_type": "code",
                "source": "1/0",
                "outputs": [{"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division"}],
            },
            {"cell_type": "code"},
        ],
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    (tmp_path / "old.ipynb").write_text(json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ["x"], "outputs": []}]}]}))
    r = read(tmp_path, "notebook", "*.ipynb")
    assert r.rows == [
        ("a.ipynb", 1, "markdown", "python", "# 标题\ntext", None),
        ("a.ipynb", 2, "code", "python", "print(1)\n", "1\n2"),
        ("a.ipynb", 3, "code", "python", "1/0", "ZeroDivisionError: division"),
        ("old.ipynb", 1, "code", None, "x", None),
    ]
    assert bad(r) == [(4, "cell 4 has no source")]
    assert read(tmp_path, "notebook", "old.ipynb", by="notebook").rows == [("old.ipynb", 1, None, "```\nx\n```")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[1]", "no notebook: it has no `cells`"),
        (b"[" * 100_000, "not JSON that can be read: it is nested too deep"),
        (b"\xff\xfe\x00", "not valid utf-8"),
        (b'{"cells": [{"source": "\\ud800"}]}', "half a surrogate pair"),
    ],
)
def test_notebooks_that_cannot_be_read(given: Any, data: bytes, why: str) -> None:
    r = given("notebook")(data, name="x.ipynb")
    assert (r.rows, [w.replace("utf-16", "utf-8") for _, w in bad(r)]) == ([], [why])


# code -----------------------------------------------------------------------------------------------------------------

SOURCE = '''"""模块。"""
import os

@cache
def outer(x):
    """Says x.

    Twice.
    """
    def inner(): pass
    return x

class A(B):
    """类。"""
    if True:
        async def run(self):
            return """
  text"""
    class In: pass
'''


def test_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    (tmp_path / "b.rs").write_text("fn main() {}\n")
    (tmp_path / "Makefile").write_text("all:\n")
    r = read(tmp_path, "code", ["*.*", "Makefile"])
    assert [row[:6] for row in r.rows] == [
        ("Makefile", "make", None, 1, 1, None),
        ("a.py", "python", None, 1, 19, "模块。"),
        ("b.rs", "rust", None, 1, 1, None),
    ]
    r = read(tmp_path, "code", ["a.py", "Makefile"], by="function")
    assert [row[2:6] for row in r.rows] == [("outer", 4, 11, "Says x.\n\nTwice."), ("A.run", 16, 18, None)]
    assert r.rows[0][6].startswith("@cache\ndef outer(x):\n")
    assert r.rows[1][6] == 'async def run(self):\n    return """\ntext"""'
    assert bad(r) == [(1, "functions are not looked for in make")]
    assert [row[2:6] for row in read(tmp_path, "code", "a.py", by="class").rows] == [("A", 13, 19, "类。"), ("A.In", 19, 19, None)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"print 1\n", "not Python: Missing parentheses in call to 'print'. Did you mean print(...)?, line 1"),
        (b"x = 1\0\n", "not Python: source code string cannot contain null bytes"),
        (b"x = " + b"(" * 5000, "not Python"),
        (b"# -*- coding: gbk -*-\n'\xff\xff'\n", "not valid gbk"),
        ("s = '文'\n".encode("gbk"), 'not valid utf-8; it can be read as gb18030 (encoding: "gb18030")'),
    ],
)
def test_code_that_does_not_parse(given: Any, data: bytes, why: str) -> None:
    r = given("code")(data, name="x.py", by="function")
    assert r.rows == []
    assert bad(r)[0][1].startswith(why)
    declared = given("code")("# coding: gbk\ndef f(): return '文'\n".encode("gbk"), name="y.py", by="function")
    assert declared.rows[0][6] == "def f(): return '文'"


# markdown -------------------------------------------------------------------------------------------------------------


def test_front_matter_as_columns(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: 甲\ndate: 2024-05-01\ntags: [a, 二]\ndraft: true\nextra: {k: v}\n---\ntext\n")
    (tmp_path / "b.md").write_text('+++\ndate = 2024-06-01\ntags = ["x"]\nviews = 7\n+++\n# B\n')
    (tmp_path / "c.md").write_text("# C\n")
    (tmp_path / "d.md").write_text("---\ntags: one\ndate: soon\n---\nx")
    (tmp_path / "e.md").write_text("---\n&anchor\n---\nx")
    declared = {"title": "VARCHAR", "date": "DATE", "tags": "VARCHAR[]", "draft": "BOOLEAN", "views": "INTEGER", "extra": "JSON"}
    r = read(tmp_path, "markdown", "*.md", declared=declared)
    import datetime

    assert r.rows == [
        ("甲", datetime.date(2024, 5, 1), ["a", "二"], True, None, '{"k": "v"}'),
        ("B", datetime.date(2024, 6, 1), ["x"], None, 7, None),
        ("C", None, None, None, None, None),
    ]
    assert [(b[0], b[2]) for b in r.bad] == [
        ("d.md", 'date: "soon" is not DATE'),
        ("e.md", "its front matter cannot be read: line 2 is no `key: value`: &anchor"),
    ]
    r = read(tmp_path, "markdown", "d.md", declared={"tags": "VARCHAR[]"})
    assert r.rows == [(["one"],)]


def test_a_missing_extra_is_said_by_the_check(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    from recipec.steps import source

    lab.write("a.pdf", "")
    text = 'source s = pdf("a.pdf")'
    assert lab.check(text) == []
    monkeypatch.setattr(source, "find_spec", lambda name: None if name == "pypdfium2" else find_spec(name))
    (found,) = lab.check(text, offline=True)
    assert (found.message, found.help) == (
        "`pdf` needs the package pypdfium2, which is not installed",
        ("pip install 'recipec[docs]'",),
    )
