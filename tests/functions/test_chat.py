from __future__ import annotations

from functions_harness import Calculator

USER, ASSISTANT, SYSTEM = ({"role": r, "content": r[0]} for r in ("user", "assistant", "system"))


def test_rows_differ_in_what_they_have(calculator: Calculator) -> None:
    rows = [("u", "a", "s"), ("u", "a", None), ("u", "a", " "), ("u", None, "s"), (None, "a", "s")]
    values = ", ".join("(" + ", ".join("NULL" if v is None else f"'{v}'" for v in row) + ")" for row in rows)
    table = f"(VALUES {values}) t(u, a, s)"
    whole, bare = [SYSTEM, USER, ASSISTANT], [USER, ASSISTANT]
    three = calculator.call("conversation", "u", "a", "s")
    assert [r[0] for r in calculator.rows(f"SELECT {three} FROM {table}")] == [whole, bare, bare, None, None]
    two = calculator.call("conversation", "u", "a")
    assert [r[0] for r in calculator.rows(f"SELECT {two} FROM {table}")] == [bare, bare, bare, None, None]
    prompt = calculator.call("conversation", "u", system="s")
    assert [r[0] for r in calculator.rows(f"SELECT {prompt} FROM {table}")] == [[SYSTEM, USER], [USER], [USER], [SYSTEM, USER], None]


def test_dialogue(calculator: Calculator) -> None:
    assert calculator.value("dialogue(['u', 'a'], 's')") == [SYSTEM, USER, ASSISTANT]
    assert calculator.value("dialogue(['u', null])") is None
    assert calculator.rows(f"SELECT {calculator.call('dialogue', '[]')}") == [([],)]
