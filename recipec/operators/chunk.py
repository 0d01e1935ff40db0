"""``chunk(text, words: 200, overlap: 20)``"""

from __future__ import annotations

from recipec.api import Column, ColumnName, Json, Kernel, Operator, Rewrite, Schema, Settings, Traits, literal, operator
from recipec.operators.explode import explode
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.settings import Field, model_validator
from recipec.syntax import tree

CHUNKS = Kernel("chunks", "recipec.fast.text_chunks:chunks", ("VARCHAR", "BIGINT", "BIGINT", "VARCHAR", "VARCHAR"), "VARCHAR[]")


class ChunkParams(Settings):
    text: ColumnName
    words: int | None = Field(None, ge=1)
    characters: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    overlap: int = Field(0, ge=0)
    tokenizer: str | None = None

    @model_validator(mode="after")
    def one_unit(self) -> ChunkParams:
        given = [n for n in (self.words, self.characters, self.tokens) if n is not None]
        if len(given) != 1:
            raise ValueError("give one of `words`, `characters` and `tokens`: how long a chunk may be")
        if self.overlap >= given[0]:
            raise ValueError("`overlap` must be smaller than the chunk")
        if (self.tokens is None) != (self.tokenizer is None):
            raise ValueError("`tokens` needs `tokenizer`, the folder of the model's tokenizer (or use `words`)")
        return self


@operator("chunk")
class Chunk(Operator):
    """Cut long texts into pieces of at most so many words, characters or tokens, each a row of its own.

    ```recipe
    clean pieces from pages { chunk(text, words: 200, overlap: 20) }
    ```

    ``words`` counts as ``words()`` does, so a Chinese character is a word; ``tokens`` counts with the tokenizer in the
    folder ``tokenizer`` (extra ``text``). ``overlap`` units at the end of a piece stand at the start of the next again. Cuts
    fall between words (for ``characters``: between a letter and its accents never), and the text inside a piece is as it
    was. Rows without text are dropped under the reason "nothing to chunk".
    """

    Params = ChunkParams
    rewrites = True
    traits = Traits(changes_rows=True, copies_rows=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        p: ChunkParams = self.params
        if p.text.type != "VARCHAR" and not schema.unknown:
            bind.report(WrongType(span=p.text.span, message=f"`chunk` needs text; `{p.text.name}` is {shown(p.text.type)}"))
        unit = "words" if p.words else "characters" if p.characters else "tokens"
        size = p.words or p.characters or p.tokens or 1
        tokenizer = str((bind.names.source.folder / p.tokenizer).resolve()) if p.tokenizer else ""
        text = f"CASE WHEN _why IS NULL THEN {p.text.sql} END"
        pieces = CHUNKS(text, f"{size}::BIGINT", f"{p.overlap}::BIGINT", literal(unit), literal(tokenizer))
        query = explode(schema, p.text.name, pieces, "VARCHAR", f"chunk {p.text.name}")
        return Rewrite(query, schema.with_column(Column(p.text.name, "VARCHAR", p.text.span)), ("nothing to chunk",))

    def meaning(self, bind: StepBinder, call: tree.Op) -> Json:
        return CHUNKS.version
