"""The findings about templates. Each docstring is the page `recipec explain` prints."""

from __future__ import annotations

from typing import ClassVar

from recipec.diagnostics import Diagnostic, Severity, UnknownName


class TemplateSyntax(Diagnostic):
    """The text of a template is not Jinja2.

    Values stand between ``{{`` and ``}}``, statements between ``{%`` and ``%}``, comments between ``{#`` and ``#}``. ``if``, ``for``,
    ``set``, ``with``, ``macro``, ``call``, ``filter``, ``include`` and ``raw`` are there. A brace that is to be printed is written
    ``{{ "{{" }}`` or stands in ``{% raw %}``.

    Bad: ``{% for e in examples %}{{ e.text }}``. Good: ``{% for e in examples %}{{ e.text }}{% endfor %}``.
    """

    name = "template-syntax"
    code = "E230"


class TemplateVariable(UnknownName):
    """A variable that the template neither takes nor makes.

    A template sees its parameters, and what ``for``, ``set``, ``with`` and ``macro`` make inside it. It does not see the columns of the
    step that uses it: they are given where it is called, so that the same template can serve several tables.

    Bad: ``template ask(text) "{{ txt }}"``. Good: ``template ask(text) "{{ text }}"``.
    """

    name = "template-variable"
    code = "E231"


class UnusedParameter(Diagnostic):
    """A parameter that the template never reads: every use gives a value for nothing, and may believe that it matters.

    Bad: ``template ask(text, examples) "{{ text }}"``. Good: ``template ask(text) "{{ text }}"``.
    """

    name = "unused-parameter"
    code = "E232"
    severity: ClassVar[Severity] = "warning"


class TemplateFilter(UnknownName):
    """A filter, test, function or method that templates do not have.

    Filters: abs, batch, capitalize, center, count, default, dictsort, first, float, groupby, indent, int, items, join, last, length,
    list, lower, map, max, min, reject, rejectattr, replace, reverse, round, select, selectattr, slice, sort, string, sum, title, tojson,
    trim, truncate, unique, upper, urlencode, wordcount. The only function is ``range``. Texts have Python's methods that change nothing
    and measure (strip, split, startswith, replace, ...), structs have get, items, keys and values.

    Bad: ``{{ text|uper }}``. Good: ``{{ text|upper }}``.
    """

    name = "template-filter"
    code = "E233"


class TemplateForbidden(Diagnostic):
    """Something that a template must not do: reach Python's insides, read files, give another text every time, or run without end.

    Templates come from anywhere, and run on the machine that holds the data. So they see values, and nothing behind them: no name
    that begins with an underscore, no ``attr``, no ``self``, no ``namespace``, no import of other files.

    Bad: ``{{ text.__class__ }}``. Good: ``{{ text }}``.
    """

    name = "template-forbidden"
    code = "E234"


class TemplateInclude(UnknownName):
    """``{% include %}`` of what cannot be included.

    ``{% include "other" %}`` puts in the text of another plain template of the recipe, or of an import (``common.other``). The name is a
    constant, and the template must not include itself. It sees the variables of the template that includes it: each of its
    parameters must be one of them.

    Bad: ``{% include "hed" %}`` where no template is called so. Good: ``{% include "head" %}`` and ``template head() "..."``.
    """

    name = "template-include"
    code = "E235"


class TemplateRole(UnknownName):
    """A role that chat messages do not have: they are ``system``, ``developer``, ``user``, ``assistant`` and ``tool``.

    Bad: ``template ask(text) { users \"\"\"{{ text }}\"\"\" }``. Good: ``template ask(text) { user \"\"\"{{ text }}\"\"\" }``.
    """

    name = "template-role"
    code = "E236"


class TemplateField(UnknownName):
    """A field that a parameter's declared type does not have.

    Bad: ``template ask(e: {text: text}) "{{ e.txt }}"``. Good: ``template ask(e: {text: text}) "{{ e.text }}"``.
    """

    name = "template-field"
    code = "E237"
