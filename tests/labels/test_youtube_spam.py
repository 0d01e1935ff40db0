"""Snorkel's public spam tutorial: ten labelling functions on comments under five videos, four to learn from and one held out.

https://www.snorkel.org/use-cases/01-spam-tutorial. Two of its functions ask TextBlob and one spaCy: lists of words stand for them here, so that all
ten are conditions of SQL, as a recipe's ``when`` rules are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from recipec.labels.analysis import analyse, score
from recipec.labels.combined import Combined
from recipec.labels.label_model import apply, learn
from recipec.labels.learned import dawid_skene, label_model
from recipec.labels.patterns import Patterns, patterns
from recipec.labels.simple import majority

FOLDER = Path(__file__).resolve().parents[2] / "../shared/data/youtube_spam"
HAM, SPAM = 0, 1
NAMES = ["ham", "spam"]
PEOPLE = "Katy|Perry|Psy|PSY|Eminem|Rihanna|Shakira|Justin|Bieber|Miley|Taylor|Swift|Gaga|Megan Fox|Michael|Jackson|Redfoo|Adam|David|Sarah"
OPINION = (
    "love|loves|loved|good|great|nice|beautiful|amazing|awesome|cool|bad|hate|funny|happy|sexy|hot|best|better|perfect|wonderful|fun|sad|crazy|stupid|"
    "fantastic|lovely|cute|favou?rite|excellent|sweet|epic|ugly|gorgeous|many|more|most|sure|free|own|easy|little|able|real|right|wrong|worst|true|serious"
)
PRAISE = "best|awesome|perfect|wonderful|excellent|greatest|superb|legendary|magnificent"
RULES: dict[str, tuple[str, int]] = {
    "says_my": ("contains(lower(text), 'my')", SPAM),
    "subscribe": ("contains(lower(text), 'subscribe')", SPAM),
    "link": ("contains(lower(text), 'http')", SPAM),
    "please": ("contains(lower(text), 'please') OR contains(lower(text), 'plz')", SPAM),
    "song": ("contains(lower(text), 'song')", HAM),
    "check_out": ("regexp_matches(text, 'check.*out', 'i')", SPAM),
    "short": (r"len(regexp_extract_all(text, '\S+')) < 5", HAM),
    "person": (rf"len(regexp_extract_all(text, '\S+')) < 20 AND regexp_matches(text, '\b({PEOPLE})\b')", HAM),
    "praise": (rf"regexp_matches(text, '\b({PRAISE})\b', 'i')", HAM),
    "opinion": (rf"regexp_matches(text, '\b({OPINION})\b', 'i')", HAM),
}


@pytest.fixture(scope="module")
def votes() -> duckdb.DuckDBPyConnection:
    if not FOLDER.exists():
        pytest.skip("the YouTube comments are not here")
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE comments AS SELECT row_number() OVER () AS _key, CONTENT AS text, CLASS::TINYINT AS class, "
        f"filename LIKE '%Youtube05%' AS held FROM read_csv('{FOLDER}/*.csv', filename = true, quote = '\"', escape = '\"', strict_mode = false)"
    )
    rules = ", ".join(f"CASE WHEN {condition} THEN {label} END::TINYINT AS {name}" for name, (condition, label) in RULES.items())
    con.execute(f"CREATE TABLE votes AS SELECT *, CASE WHEN held THEN class END AS gold, {rules} FROM comments")
    return con


def test_the_data_is_the_tutorials(votes: duckdb.DuckDBPyConnection) -> None:
    assert votes.execute("SELECT count(*) FILTER (NOT held), count(*) FILTER (held), sum(class) FROM comments").fetchall() == [
        (1586, 370, 1005)
    ]


def accuracy(found: Patterns, made: Combined) -> float:
    """As the tutorial scores: rows nobody votes on are a coin's toss, as ties are."""
    result = score(found, made)
    assert found.gold is not None
    rows = found.gold.total
    return (result.right + 0.5 * (rows - result.rows)) / rows


def test_majority_and_the_label_model_on_the_held_out_video(votes: duckdb.DuckDBPyConnection) -> None:
    """Learned from four videos, asked about the fifth."""
    train = patterns(votes, "(FROM votes WHERE NOT held)", list(RULES), 2)
    held = patterns(votes, "(FROM votes WHERE held)", list(RULES), 2, gold="gold")
    plain = majority(held, NAMES)
    even = np.full(2, 0.5)
    learned = learn(train, even)
    model = majority(held, NAMES)
    model.probabilities[:] = apply(held, learned.mu, even)
    assert 0.82 <= accuracy(held, plain) <= 0.87
    assert accuracy(held, model) >= 0.86
    assert accuracy(held, model) > accuracy(held, plain)


@pytest.mark.parametrize(("fit", "least"), [(label_model, 0.86), (dawid_skene, 0.84)])
def test_all_comments_at_once(votes: duckdb.DuckDBPyConnection, fit: Callable[..., Combined], least: float) -> None:
    """As a label step does it: every row is voted on, and gold only judges."""
    found = patterns(votes, "votes", list(RULES), 2, gold="gold")
    made = fit(found.without_gold(), NAMES)
    assert accuracy(found, made) >= least
    facts = analyse(found, NAMES, made)
    assert facts.rows == 1956
    assert {v.name for v in facts.voters if v.polarity == ("spam",)} == {"says_my", "subscribe", "link", "please", "check_out"}
    link = next(v for v in facts.voters if v.name == "link")
    assert link.accuracy is not None
    assert link.accuracy > 0.9
