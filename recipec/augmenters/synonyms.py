"""``synonyms(text, from: thesaurus, rate: 10%)``"""

from __future__ import annotations

from recipec.api import Kernel, Schema, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._words import FromParams, check_words, file_of, writer
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

SYNONYMS = Kernel(
    "augment_synonyms", "recipec.fast.augment_words:synonyms", ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR", "VARCHAR"), "VARCHAR",
    processes=False,
)  # fmt: skip


@augmenter("synonyms")
class Synonyms(Augmenter):
    """Put other words of the same meaning in the place of ``rate`` of the words, at least one (EDA's synonym replacement).

    ```recipe
    source thesaurus = csv("data/thesaurus.csv")
    augment more from train { synonyms(text, from: thesaurus, rate: 10%) }
    ```

    ``from`` is a step with the columns ``word`` and ``synonym`` (a text, or a list of texts), or ``wordnet()``: English WordNet's files,
    where NLTK keeps them or Debian's ``wordnet-base`` does (``wordnet(language: "fra")`` for Open Multilingual WordNet, through NLTK), or
    ``neighbours(m)``: the ``k`` nearest of the texts' own ``words`` commonest words by the vectors of an embedding model, those with a
    cosine of at least ``near``. Words are found in any case, and the synonym is written as the word was: small, with a capital, or in
    capitals. A ``word`` may be a phrase of up to 8 words; in Chinese and other scripts without spaces words are found by the longest entry
    that begins first, so the table is the dictionary. Words without an entry stay.
    """

    Params = FromParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: FromParams = self.params
        need_text(bind, schema, p.text, self.name)
        source = p.from_
        check_words(bind, source)
        sql = SYNONYMS(p.text.sql, "{seed}", literal(p.rate), "{scratch}", literal(file_of(source, p.text.name)))
        return Change({p.text.name: sql}, prepare=writer(source, p.text.name))
