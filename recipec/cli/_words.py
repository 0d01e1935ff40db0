"""Pages for the words of the language itself, which are no entries of the registry."""

from __future__ import annotations

import inspect

from recipec.templates.language import FILTERS, ROLES

PAGES = {
    "recipe": """
        The head of a file: what it is called, and what holds for all of it.

        ```recipe
        recipe "reviews" { version: "1.0.0"  seed: 7  description: "..."  license: "CC-BY-4.0"  language: ["en", "zh"] }
        ```

        `seed` decides every random choice, together with the rows' keys; the rest goes into dataset cards.
        """,
    "import": """
        Another file's parameters, `def`s, templates, models and steps, under a name.

        ```recipe
        import "common.recipe" as common
        clean tidy from common.mail { body = common.neat(body) }
        ```

        The path is relative to the file. Only what is used is built.
        """,
    "param": """
        A value that a run may set: `recipec run --set min_words=8`.

        ```recipe
        param min_words: int = 5
        param data: text = "data"
        ```
        """,
    "def": """
        A name for an expression. It is put in where it is called, so it costs nothing and has the types of its arguments.

        ```recipe
        def shouting(t) = upper(t) == t and length(t) > 3
        clean calm from rows { drop where shouting(title) as "shouting" }
        ```
        """,
    "template": f"""
        A prompt, or a chat, as Jinja2 text with typed parameters; a function in any expression.

        ```recipe
        template ask(text, examples) \"\"\"
        {{% for e in examples %}}{{{{ e.text }}}} => {{{{ e.label }}}}
        {{% endfor %}}{{{{ text }}}} =>\"\"\"

        template lesson(question: text, answer: text) {{
          system \"\"\"You teach arithmetic.\"\"\"
          user \"\"\"{{{{ question|trim }}}}\"\"\"
          assistant \"\"\"{{{{ answer }}}}\"\"\"
        }}

        clean chat from rows {{ messages = lesson(question, answer) }}
        ```

        Without roles it gives a text, with roles a list of messages (`role`, `content`). Roles: {", ".join(ROLES)}. A variable that is
        no parameter, and a field that a parameter does not have, are errors at check. `{{% include "other" %}}` puts in another
        template. A parameter may have a type: `examples: [{{ text: text, label: text }}]`. A null prints nothing: the whole prompt is null,
        unless the template asks (`{{% if x is not none %}}`).

        Filters: {", ".join(sorted(FILTERS))}. Nothing in a template reaches files, the network or Python.
        `recipec show STEP --render ask` shows the prompts that a step would send.
        """,
    "repeat": """
        Steps that are done again and again; each round's steps are cached steps of their own.

        ```recipe
        repeat 3 as round {
          label pseudo from pool { vote classifier(clf)  accept: confidence >= 90%  into: label }
          train clf from seeds, pseudo { task: classify(text => label)  base: scratch() }
          evaluate score from dev { model: clf  metrics: [f1] }
        } until gain(score.f1) < 0.2%
        ```

        Inside, a name used before its step means the round before's, and in the first round that of the step outside. Afterwards it
        means the last round's, wherever it is written: `clf@2` is the second's, and `clf@0` the step outside, from before the loop. So
        `evaluate before from test { model: clf@0 }` measures what the loop began with. `until` stops early; `gain(x)` is what x grew by since the round before.
        """,
    "expect": """
        A test of a step's rows: `expect unique(id)`, `expect not_null(text)`, `expect stars between 1 and 5`, `expect count() > 100`;
        `expect warn ...` only warns. A failed one fails the run and shows the rows. For tests across tables: `expect` as a step.
        """,
}


def page(name: str) -> str | None:
    """What a word of the language means; None for any other."""
    if name == "guarantees":
        from recipec.cli import _guarantees

        return inspect.cleandoc(_guarantees.__doc__ or "")
    if name in ("licences", "licenses"):
        from recipec.cli import _licences

        return _licences.table()
    if name == "ray":
        from recipec.engines import ray

        return inspect.cleandoc(ray.__doc__ or "")
    if name in ("mirror", "mirrors", "addresses"):
        from recipec import mirror

        return inspect.cleandoc(mirror.__doc__ or "")
    found = PAGES.get(name)
    return inspect.cleandoc(found) if found is not None else None
