"""Templates: Jinja2 in a sandbox of its own, checked at ``check`` with exact places, rendered in batches.

Nothing here is imported unless a recipe has a template: Jinja2 costs 20 ms. What was decided where Jinja leaves a choice:

- **Null.** Printing a null makes the value of the whole template null, as it does for ``||`` and ``conversation``: so do filters, ``~``
  and loops over it. A template that asks (``x is none``, ``{% if x %}``, ``x|default("-")``) goes on. A field of null is null.
  ``tojson`` writes it as JSON does; inside a printed list it is Python's ``None``.
- **Undefined** is an error, at ``check`` where it is a variable or a field of a declared type, else at the row, with its values.
- **Newlines.** Blocks are dedented; one newline before the closing quotes is no part of the text. A line of ``{% ... %}`` alone leaves its
  newline, as in Jinja: ``-%}`` takes it away. Nothing is escaped for HTML.
- **Values.** Texts, whole numbers, fractions, truth values, lists and structs as Python has them; dates, times, UUIDs as ISO text;
  decimals as fractions; maps as structs with texts for keys.
- **Chat.** A part of the system that is blank is left out.
- **Bounds.** One row prints, joins and loops over at most 16 million characters, or about a million rounds.
"""
