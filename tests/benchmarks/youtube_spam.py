"""Snorkel's public spam tutorial with the functions it uses, majority and label model on the held-out video, beside snorkel on the same votes.

    python tests/benchmarks/youtube_spam.py [--peer PYTHON]

https://www.snorkel.org/use-cases/01-spam-tutorial: the seven functions that are conditions are ``when`` rules, and the two that ask TextBlob (polarity
above 0.9, subjectivity of 0.5 or more) are a ``vote plugin`` each that asks the same TextBlob (needs ``textblob``; its lexicon comes with it). No word
list is ours, so nothing here was chosen in sight of the held-out video. The tenth function asks spaCy's ``en_core_web_sm`` for persons. Where that is
not installed the first names of the package ``faker`` stand for it (a word written like a name that is one of them), and without that package
it is left out; which it was is said. Four videos are learned from and the fifth is scored; a row without a
label counts one half, as a coin would. ``--peer`` names a Python that has snorkel, where this one has not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from recipec.cli import main as recipec  # noqa: E402
from recipec.labels.label_model import apply, learn  # noqa: E402
from recipec.labels.patterns import from_votes  # noqa: E402

FOLDER = ROOT / "../shared/data/youtube_spam"
FUNCTIONS = """
from textblob import TextBlob


def texts(batch):
    return [t or "" for t in batch["text"].to_pylist()]


def polarity(batch):
    return ["ham" if TextBlob(t).sentiment.polarity > 0.9 else None for t in texts(batch)]


def subjectivity(batch):
    return ["ham" if TextBlob(t).sentiment.subjectivity >= 0.5 else None for t in texts(batch)]


def person(batch):
    import spacy

    read = spacy.load("en_core_web_sm")
    docs = read.pipe(texts(batch))
    return ["ham" if len(d) < 20 and any(e.label_ == "PERSON" for e in d.ents) else None for d in docs]


def first_name(batch):
    import re

    from faker.providers.person.en_US import Provider

    known = {*Provider.first_names_female, *Provider.first_names_male}
    cut = [(re.findall(r"\w+|[^\w\s]", t)) for t in texts(batch)]
    return ["ham" if len(words) < 20 and not known.isdisjoint(words) else None for words in cut]
"""
VOTERS = r"""
  when contains(lower(text), "my")                                      => "spam" as keyword_my
  when contains(lower(text), "subscribe")                               => "spam" as keyword_subscribe
  when contains(lower(text), "http")                                    => "spam" as keyword_link
  when contains(lower(text), "please") or contains(lower(text), "plz")  => "spam" as keyword_please
  when contains(lower(text), "song")                                    => "ham"  as keyword_song
  when text matches r/check.*out/i                                      => "spam" as regex_check_out
  when len(regexp_extract_all(text, r/\S+/)) < 5                        => "ham"  as short_comment
  vote plugin("functions:polarity")                                     as textblob_polarity
  vote plugin("functions:subjectivity")                                 as textblob_subjectivity
"""
PERSON = '  vote plugin("functions:person")                                       as has_person_nlp\n'
NAMED = '  vote plugin("functions:first_name")                                   as has_first_name\n'
PEER = """
import json, sys
import numpy as np
from snorkel.labeling.model import LabelModel, MajorityLabelVoter
folder = sys.argv[1]
train, held = np.load(folder + "/train.npy"), np.load(folder + "/held.npy")
model = LabelModel(cardinality=2, verbose=False)
model.fit(train, n_epochs=500, seed=123, progress_bar=False)
np.save(folder + "/model.npy", model.predict_proba(held))
np.save(folder + "/majority.npy", MajorityLabelVoter(cardinality=2).predict_proba(held))
"""


def recipe(voters: str) -> str:
    columns = "columns: { COMMENT_ID: text, AUTHOR: text, DATE: timestamp, CONTENT: text, CLASS: int }"
    folder = FOLDER.resolve().as_posix()
    return f"""
recipe "youtube_spam" {{ version: "1.0.0"  seed: 5 }}
source four = csv("{folder}/Youtube0[1-4]*.csv") {{ {columns} }}
source fifth = csv("{folder}/Youtube05*.csv") {{ {columns} }}
clean known from four {{ text = CONTENT  truth = case CLASS when 1 then "spam" else "ham" end  held = false }}
clean new from fifth {{ text = CONTENT  truth = case CLASS when 1 then "spam" else "ham" end  held = true }}
mix tidy from known, new
label plain from tidy {{ classes: ["ham", "spam"]  {voters}  combine: majority()  unsure: keep }}
label learned from tidy {{ classes: ["ham", "spam"]  {voters}  combine: label_model()  unsure: keep }}
"""


def right(probabilities: npt.NDArray[np.float64], votes: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> float:
    """The share of right labels; rows without a vote, and ties, count one half."""
    even = np.isclose(probabilities[:, 0], probabilities[:, 1], atol=1e-9) | (votes < 0).all(axis=1)
    return float(np.where(even, 0.5, probabilities.argmax(axis=1) == truth).mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peer")
    asked = options.parse_args()
    if not FOLDER.exists() or importlib.util.find_spec("textblob") is None:
        sys.exit("skipped: the YouTube comments or textblob are not here")
    voters = VOTERS
    if importlib.util.find_spec("spacy") is not None and importlib.util.find_spec("en_core_web_sm") is not None:
        voters += PERSON
    elif importlib.util.find_spec("faker") is not None:
        voters += NAMED
        print("first names of faker stand for has_person_nlp: spaCy or en_core_web_sm is not installed")
    else:
        print("has_person_nlp is left out: spaCy or en_core_web_sm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
        (place / "spam.recipe").write_text(recipe(voters), encoding="utf-8")
        if status := recipec(["run", str(place / "spam.recipe")]):
            sys.exit(status)
        recipec(["labels", str(place / "spam.recipe"), "learned"])
        with duckdb.connect(str(place / ".recipec/work.duckdb"), read_only=True) as con:
            rows = con.execute("SELECT held, truth, plain_votes, plain FROM plain ORDER BY _key").fetchall()
            step = con.execute(
                "SELECT avg(CASE WHEN learned IS NULL THEN 0.5 WHEN learned = truth THEN 1 ELSE 0 END) FROM learned WHERE held"
            ).fetchall()[0][0]
        names = [line.split(" as ")[1].strip() for line in voters.splitlines() if " as " in line]
        code = {"ham": 0, "spam": 1, None: -1}
        votes = np.array([[code[said.get(n)] for n in names] for _, _, said, _ in rows], np.int64)
        held, truth = np.array([r[0] for r in rows]), np.array([code[r[1]] for r in rows], np.int64)
        plain = float(np.mean([0.5 if r[3] is None else r[3] == r[1] for r in rows if r[0]]))
        found = from_votes(votes[held].astype(np.int16), 2, distinct=False)
        even = np.full(2, 0.5)
        mine = apply(found, learn(from_votes(votes[~held].astype(np.int16), 2), even).mu, even)
        print(
            f"{len(names)} functions, {int(held.sum())} held-out comments, {(votes[held] >= 0).any(axis=1).mean():.1%} of them with a vote"
        )
        print(
            f"recipec  majority {plain:.4f}   label model {right(mine, votes[held], truth[held]):.4f} learned from four videos, {step:.4f} from all five"
        )
        python = asked.peer or (sys.executable if importlib.util.find_spec("snorkel") else None)
        if python is None:
            print("snorkel is not installed: skipped (--peer PYTHON names one that has it)")
            return
        np.save(place / "train.npy", votes[~held])
        np.save(place / "held.npy", votes[held])
        done = subprocess.run([python, "-W", "ignore", "-c", PEER, folder], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"snorkel failed: {json.dumps(done.stderr.strip().splitlines()[-1:])}")
        theirs, heads = np.load(place / "model.npy"), np.load(place / "majority.npy")
        told = f"majority {right(heads, votes[held], truth[held]):.4f}   label model {right(theirs, votes[held], truth[held]):.4f} learned from four videos"
        print(f"snorkel  {told}; probabilities differ by {np.abs(theirs - mine)[(votes[held] >= 0).any(axis=1)].max():.4f} at most")


if __name__ == "__main__":
    main()
