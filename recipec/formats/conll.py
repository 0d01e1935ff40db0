"""``format: conll()``."""

from __future__ import annotations

import re

from recipec.api import ColumnName, ExportContext, ExportPart, Format, Schema, Settings, format, literal, quote
from recipec.formats._lines import write_text
from recipec.formats._rules import Problems, Rule, one_character, require
from recipec.formats._types import is_list, is_text, parse
from recipec.resolve.types import shown


@format("conll")
class Conll(Format):
    r"""CoNLL columns: a token a line with its tags behind it, an empty line after each sentence.

    ```recipe
    export out from split { to: "build/ner"  format: conll() }
    export out from split { to: "build/ner"  format: conll(columns: [words, entities], separator: " ") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `columns` | lists of text of the same length, in the order to write | `[tokens, tags]` |
    | `separator` | one character between the columns | a tab |

    A row is a sentence. A row is refused, and named, when its lists differ in length, it has no tokens (an empty sentence
    would vanish), or a token is null, empty, or holds the separator or a line break (the line would be cut elsewhere). With
    a space as the separator no white space of any kind may stand in a token.

    Read by spaCy (`spacy convert --converter ner`), Flair (`ColumnCorpus`), seqeval scripts, and `conll(...)` as a source.
    For the Hugging Face token classifiers use `huggingface(labels: [tags])`.
    """

    class Params(Settings):
        columns: tuple[ColumnName, ...] = ()
        separator: str = "\t"

    extension = ".conll"

    def names(self, schema: Schema) -> list[str]:
        """The columns to write: those named, else ``tokens`` and ``tags`` where they are."""
        return [c.name for c in self.params.columns] or [n for n in ("tokens", "tags") if n in schema.types]

    def check(self, schema: Schema) -> Problems:
        found = one_character(self.params.separator, "separator")
        if schema.unknown:
            return found
        names = self.names(schema)
        if not names:
            return [*found, ("there is no column `tokens`", "name the lists: `conll(columns: [words, entities])`")]
        for name in names:
            if name not in schema.types:
                found.append((f"column `{name}` is not exported", "add it to `columns:` of the export"))
                continue
            t = parse(schema.types[name])
            if not (is_list(t) and is_text(t.item)):
                found.append(
                    (
                        f"conll() needs lists of text, and `{name}` is {shown(schema.types[name])}",
                        f'make tokens of it: `tokens = string_split({name}, " ")`' if is_text(t) else "cast it: `cast(tags as [text])`",
                    )
                )
        return found

    def rules(self, schema: Schema) -> list[Rule]:
        """A sentence has tokens, a tag for each, and none that would be read as something else."""
        names = self.names(schema)
        space = r"\s|\pZ" if self.params.separator.isspace() and self.params.separator != "\t" else None
        bad = literal(f"[{re.escape(self.params.separator)}\r\n]" + (f"|{space}" if space else ""))
        lists = [quote(n) for n in names]
        empty = f"{lists[0]} IS NULL OR len({lists[0]}) = 0"
        rules = [Rule(empty, f"without `{names[0]}`", f'drop them: `drop where len({names[0]}) == 0 as "empty"`')]
        rules += [
            Rule(
                f"len({lists[0]}) <> coalesce(len({x}), 0)",
                f"with lists of different lengths in `{names[0]}` and `{n}`",
                "every token needs one tag",
                show=f"len({lists[0]}) || ' and ' || coalesce(len({x}), 0)",
            )
            for n, x in zip(names[1:], lists[1:], strict=True)
        ]
        for n, x in zip(names, lists, strict=True):
            wrong = f"list_filter({x}, lambda __t: __t IS NULL OR __t = '' OR regexp_matches(CAST(__t AS VARCHAR), {bad}))"
            rules.append(
                Rule(
                    f"len({wrong}) > 0",
                    f"with a null, an empty text, a separator or a line break in `{n}`",
                    "clean the tokens before they are split, or choose another `separator:`",
                    show=f"to_json({wrong}[1])",
                )
            )
        return rules

    def write(self, ctx: ExportContext) -> None:
        require(ctx, "CoNLL", self.rules)

        def sentence(part: ExportPart) -> str:
            lists = [quote(n) for n in self.names(part.schema)]
            token = f" || {literal(self.params.separator)} || ".join(f"CAST({x}[__i] AS VARCHAR)" for x in lists)
            lines = f"list_transform(range(1, len({lists[0]}) + 1), lambda __i: {token})"
            return f"array_to_string({lines}, chr(10)) || chr(10) || chr(10)"

        write_text(ctx, sentence, ".conll")
