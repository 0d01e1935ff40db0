"""Chat messages: lists of `{role, content}`, as trainers and chat templates take them."""

from __future__ import annotations

from typing import Any

from recipec.api import SQL, Text, Texts, function

_LEFT_OUT: Any = None


def _message(role: str, content: str) -> str:
    return f"{{role: '{role}', content: {content}}}"


def _with_system(system: str, messages: str) -> str:
    """The messages with one from the system before them, unless it is null or blank."""
    if system == "NULL":
        return messages
    return f"CASE WHEN trim(coalesce({system}, '')) = '' THEN {messages} ELSE list_prepend({_message('system', system)}, {messages}) END"


@function("conversation", returns='STRUCT("role" VARCHAR, "content" VARCHAR)[]')
def conversation(user: Text, assistant: Text = _LEFT_OUT, system: Text = _LEFT_OUT) -> SQL:
    r"""One exchange as chat messages: the system's (where there is one), the user's, the assistant's.

    Without `assistant` it is a prompt that waits for an answer. Null for `user` or `assistant` makes the whole conversation null,
    so that no half of one is trained on; a `system` that is null or blank is left out.

    >>> conversation(user: "2 + 2?", assistant: "4")
    [{'role': 'user', 'content': '2 + 2?'}, {'role': 'assistant', 'content': '4'}]
    >>> conversation(user: "Hi", system: "Be brief.")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hi'}]
    >>> conversation(user: "Hi", assistant: null)
    None
    """
    turns = [_message("user", user)]
    needed = f"{user} IS NOT NULL"
    if assistant != "NULL":
        turns.append(_message("assistant", assistant))
        needed += f" AND {assistant} IS NOT NULL"
    messages = f"[{', '.join(turns)}]"
    return SQL(f"CASE WHEN {needed} THEN {_with_system(system, messages)} END")


@function("dialogue", returns='STRUCT("role" VARCHAR, "content" VARCHAR)[]')
def dialogue(turns: Texts, system: Text = _LEFT_OUT) -> SQL:
    r"""A list of turns as chat messages, the user's and the assistant's by turns, the user's first.

    `system`, unless null or blank, comes before them. Null where the list is null or holds a null; an empty list has no messages.

    >>> dialogue(["Hi", "Hello!", "Bye"])
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}, {'role': 'user', 'content': 'Bye'}]
    """
    role = "CASE WHEN i % 2 = 1 THEN 'user' ELSE 'assistant' END"
    messages = f"list_transform({turns}::VARCHAR[], lambda turn, i: {{role: {role}, content: turn}})"
    complete = f"{turns} IS NOT NULL AND len(list_filter({turns}, lambda turn: turn IS NULL)) = 0"
    return SQL(f"CASE WHEN {complete} THEN {_with_system(system, messages)} END")
