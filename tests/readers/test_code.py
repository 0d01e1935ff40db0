"""``code``: functions and classes of languages whose grammars are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from readers_harness import make, read

from recipec.api import DataError
from recipec.readers import _grammars as grammars
from recipec.readers.code import language_named

for module in sorted({"tree_sitter", *(g.module for g in grammars.LANGUAGES.values())}):
    pytest.importorskip(module, reason="the extra `code` is not installed")

FUNCTIONS = {
    "a.ts": (
        "/** doc */\n@Dec()\nexport class A<T> {\n  handle = (e: Event) => { };\n  @Log\n  get(): void { }\n  abstract q(): void;\n  #p() {}\n}\n"
        "export const f = async (x: number) => x;\nnamespace N { function z() {} }\ninterface I { m(): void }\nexport default function () {}\n",
        ["A.handle", "A.get", "A.#p", "f", "N.z", "default"],
        ["A", "I"],
    ),
    "b.tsx": ("export const 组件 = (属性: P) => <div>{属性.x}</div>;\n", ["组件"], []),
    "a.js": (
        "exports.foo = function bar(x) { return x; };\nFoo.prototype.baz = function () {};\nmodule.exports = { a() {}, b: () => 1 };\n"
        "(function () { function inner() {} })();\nrun(() => 1);\nclass K { m() { function deep() {} } }\nconst C = class { n() {} };\n"
        "const g = 1, h = () => 2;\nexport default { data() {} }\n",
        ["exports.foo", "Foo.prototype.baz", "module.exports.a", "module.exports.b", "inner", "K.m", "C.n", "h", "default.data"],
        ["K", "C"],
    ),
    "A.java": (
        "class A {\n  public A(int x) {}\n  @Override public int f() { return 1; }\n  abstract void g();\n  static class In { void h() {} }\n"
        "  Object o = new Object() { public String toString() { return null; } };\n}\nrecord R(int x) { R { } }\ninterface I { default void z() {} }\n",
        ["A.A", "A.f", "A.In.h", "R.R", "I.z"],
        ["A", "A.In", "R", "I"],
    ),
    "a.scala": ("object O { def g = 1 }\ntrait T { def h(): Int\n def i() = 2 }\n", ["O.g", "T.i"], ["O", "T"]),
    "a.c": (
        "int f(void);\nint f(void) { return 0; }\nstatic int *(*g(int a))(int) { return 0; }\nstruct S { int x; };\ntypedef struct { int y; } T;\n"
        "struct S later(struct S *s) { return *s; }\n",
        ["f", "g", "later"],
        ["S", "T"],
    ),
    "a.cpp": (
        "namespace ns { template <class T> class A {\n  A() : x(1) {}\n  bool operator==(const A& o) const { return true; }\n  void d();\n}; }\n"
        'void ns::A<int>::d() {}\nA::operator bool() const { return true; }\nextern "C" { int c(void) { return 0; } }\n',
        ["ns.A.A", "ns.A.operator==", "ns.A.d", "A.operator bool", "c"],
        ["ns.A"],
    ),
    "h.h": ("class H { int f() { return 1; } };\n", ["H.f"], ["H"]),
    "a.cs": (
        "namespace N;\nclass A { A() {} ~A() {} int F() => 1; abstract void H(); static A operator +(A a, A b) { return a; } }\nrecord R(int X);\n",
        ["A.A", "A.~A", "A.F", "A.operator +"],
        ["A", "R"],
    ),
    "a.go": (
        "package a\nfunc (r *T[K]) M() {}\nfunc 函数() { f := func() {} }\ntype (\n A struct{}\n B interface{}\n C = int\n)\n",
        ["T.M", "函数"],
        ["A", "B"],
    ),
    "a.rs": (
        "pub struct S<T> { x: T }\nimpl<T> S<T> { pub fn f(&self) {} }\nimpl D for S<u8> { fn g(&self) {} }\ntrait R { fn decl(&self); fn def(&self) {} }\n"
        "mod tests { #[test] fn it() {} }\nenum E { A }\n",
        ["S.f", "S.g", "R.def", "tests.it"],
        ["S", "S", "S", "R", "E"],
    ),
    "a.rb": ("module M\n  class A < B\n    def f(x); x; end\n    def self.g; end\n  end\nend\n", ["M.A.f", "M.A.g"], ["M", "M.A"]),
    "a.php": (
        "<p>text</p>\n<?php\nnamespace A\\B;\nfunction f($x) { return 1; }\nabstract class C { static function g() {} abstract function h(); }\nenum E { case A; }\n",
        ["f", "C.g"],
        ["C", "E"],
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_language_gives_its_functions_and_classes(tmp_path: Path, name: str) -> None:
    text, functions, classes = FUNCTIONS[name]
    (tmp_path / name).write_text(text, "utf-8")
    for by, expected in (("function", functions), ("class", classes)):
        made = read(tmp_path, "code", name, by=by)
        assert (made.column("name"), made.bad) == (expected, [])


def test_what_stands_above_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_bytes(
        "//! 模块\r\n/// 说明 一\r\n/// two\r\n#[inline]\r\nfn f() {}\r\n\r\nmod m {\r\n    // not above\r\n\r\n    fn g() {\r\n        1\r\n    }\r\n    const X: u8 = 1; // beside\r\n    fn h() {}\r\n}\r\n".encode()
    )
    made = read(tmp_path, "code", "*.rs", by="function")
    assert [r[2:] for r in made.rows] == [
        ("f", 2, 5, "说明 一\ntwo", "/// 说明 一\n/// two\n#[inline]\nfn f() {}"),
        ("m.g", 10, 12, None, "fn g() {\n    1\n}"),
        ("m.h", 14, 14, None, "fn h() {}"),
    ]


def test_comments_lose_their_marks(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("/**\n * Adds.\n *\n *   @param a  one\n */\n@dec\nclass A {\n}\n/* one */\n// two\nfunction f() {}\n")
    made = read(tmp_path, "code", "*.js", by="function")
    assert made.column("docstring") == ["one\ntwo"]
    (tmp_path / "b.js").write_text("/**\n * Adds.\n *\n *   @param a  one\n */\nexport class A {\n}\n")
    assert read(tmp_path, "code", "b.js", by="class").column("docstring") == ["Adds.\n\n  @param a  one"]


def test_a_broken_file_gives_what_is_whole_and_says_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text(
        "package a\n\nfunc A() int { return 1 }\n\nfunc B() int { return 1 +* }\n\nfunc C() {}\n\n%%% nonsense\n"
    )
    made = read(tmp_path, "code", "*.go", by="function")
    assert made.column("name") == ["A", "C"]
    assert [(b[1], b[2]) for b in made.bad] == [(2, "line 5: `identifier` is missing"), (4, "line 9 is not understood: %%%")]
    assert made.bad[0][3] == "func B() int { return 1 +* }"
    (tmp_path / "b.rs").write_text("fn a() {}\nfn b() { if true {\nfn c() {}\n")
    cut = read(tmp_path, "code", "b.rs", by="function")
    assert (cut.column("name"), len(cut.bad)) in ((["a"], 1), ([], 1))


def test_macros_of_c_are_no_faults_but_no_body_is_lost(tmp_path: Path) -> None:
    text = "extern int f(int) __THROW __nonnull ((1));\nDECLARE(x)\nint g(void) { return 0; }\nODD MACRO (y) __A z __B (1) { return 1; }\nint h(void) { }\n"
    (tmp_path / "a.c").write_text(text)
    made = read(tmp_path, "code", "*.c", by="function")
    assert "h" in made.column("name")
    assert "g" in made.column("name") or any("int g" in b[3] for b in made.bad)
    assert "return 1" in "".join([*made.column("text"), *(b[3] for b in made.bad)])
    (tmp_path / "b.h").write_text("extern int f(int) __THROW __nonnull ((1));\nint g(void) { return 0; }\n")
    alone = read(tmp_path, "code", "b.h", by="function")
    assert (alone.column("name"), alone.bad) == (["g"], [])


def test_a_file_of_no_known_grammar_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.lua").write_text("function f() end\n")
    (tmp_path / "b.xyz").write_text("x\n")
    made = read(tmp_path, "code", "*", by="function")
    assert [b[2] for b in made.bad] == [
        "functions are not looked for in lua",
        "functions are not looked for in a language that is not known",
    ]


def test_a_file_that_takes_too_long_or_is_too_long_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.js").write_text("function f() { return 1 }\n" * 500)
    monkeypatch.setattr(grammars, "STEPS", -10_000)
    assert [b[2] for b in read(tmp_path, "code", "*.js", by="function").bad] == [
        "its parts are nested in ways that take too long to tell apart"
    ]
    monkeypatch.setattr(grammars, "MOST", 1000)
    assert [b[2] for b in read(tmp_path, "code", "*.js", by="function").bad] == ["longer than 0 MiB: functions are not looked for in it"]
    monkeypatch.undo()
    assert len(read(tmp_path, "code", "*.js", by="function").rows) == 500


def test_deep_nesting_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(f"function f() {{ return {'(' * 5000}1{')' * 5000} }}\nfunction g() {{}}\n{'[' * 5000}{']' * 5000};\n")
    assert read(tmp_path, "code", "*.js", by="function").column("name") == ["f", "g"]


def test_a_grammar_that_is_not_installed_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "tree_sitter_go" else real(name, *a))
    with pytest.raises(
        ValueError, match=r"functions and classes of go are found by the package tree-sitter-go.*pip install 'recipec\[code\]'"
    ):
        make("code", "src/**/*.go", by="function")
    (tmp_path / "a.go").write_text("package a\n")
    with pytest.raises(DataError, match="tree-sitter-go, which is not installed") as told:
        read(tmp_path, "code", "*", by="class")
    assert told.value.help == "pip install 'recipec[code]'"
    assert len(read(tmp_path, "code", "*.go").rows) == 1  # by file none is needed
    make("code", "src/**/*.rs", by="function")


def test_every_grammar_is_that_of_a_language(tmp_path: Path) -> None:
    names = {"a.js", "a.mts", "a.tsx", "a.java", "a.scala", "a.c", "a.hpp", "a.cs", "a.go", "a.rs", "a.rb", "a.php.gz"}
    assert {grammars.grammar_of(language_named(n), ".tsx" if n.endswith("x") else "") for n in names} == grammars.LANGUAGES.keys()
