"""# What is promised, what is not, and how it is tested

## Somebody else's recipe can be looked at

`check`, `fmt`, `plan`, `diff`, `lsp`, `graph`, `compile`, `lock --check`, `docs`, `explain`:

- run no code of the recipe or its repository. `python` steps and plug-ins are parsed and never imported; modules that lie in the folder
  one stands in are not Python's (`recipec`, and `python -m recipec`); a repository's git configuration starts no program.
- open no network: models, hub names, tokenizers, addresses of sources (`plan --online` asks, and says so).
- read nothing outside the recipe's folder (or the git repository that it lies in) but the headers of sources that are written as lying there
  (`--offline`: not even those), and the nearest `pyproject.toml` with `[tool.recipec]`, which is data.
- follow no symbolic link out of it: sources, globs, imports, modules, prices, models, the workspace.
- end, in seconds and some hundred megabytes: imports (32 deep, 200 files, 2,000,000 characters in all), macros (20,000 parts, 150 levels), parameters
  (1,000,000 characters or parts), rounds (1,000; 10,000 steps), nesting (100 levels), files (1,000,000 characters), constants that
  DuckDB would compute (20,000,000 elements), globs (5,000,000 entries), queries (200 put together), templates. More is a finding at its place.
- show no value of an environment variable.

Tested: tests/safety/test_untrusted.py (Python's audit hook and strace over a repository that tries everything), tests/safety/test_untrusted_lsp.py
(the language server, driven as an editor does), tests/safety/test_bombs.py.

## A run executes code only where you trust it

`python` steps and `vote plugin`s run only from folders in your own list (`recipec trust DIR`), in `RECIPEC_TRUST`, or with `run --trust` for one run;
it is said first what runs, and at a terminal it is asked, No where nothing is answered.
Nothing in a repository can add to the list. What loads such code asks itself, from whatever command or from Python.
Tested: tests/safety/test_trust.py, at a terminal tests/safety/test_trust_asked.py.

## Templates and SQL stay inside

- A template has the values of its row, and a list of what it may do with them; everything else is refused. One row pays for rounds, calls, letters,
  comparisons and lists from one budget. Tested: the public ways out of Jinja's sandbox (tests/safety/test_escapes.py), bombs (test_bombs.py), a
  fuzzer.
- The query of a `sql` step is one SELECT over its inputs; an expression sees its row. A run's database opens the files of the recipe's sources and
  its workspace, loads no extension, and its configuration is locked once it is open: a run changes six settings of its own on its way, none of which
  opens anything. A check's database reaches nothing once the headers are read. Neither can be told otherwise, by a query or by a database that came
  along. Names, values, reasons and classes of any letters are never statements. Tested: tests/safety/test_escapes.py, and tests/safety/test_sql.py:
  odd names, values, queries and answers of `python` steps give the database the statements that harmless ones give.

## A workspace that came along is data

Nothing of it is executed (of a checkpoint torch reads numbers alone); links anywhere in it, and a journal that recipec did not write, are refused;
what its database holds reaches nothing outside. What it says is believed all the same: its results and its answers of models are taken for yours.
Remove `.recipec` where you do not trust who made it. Tested: tests/safety/test_forged.py.

## Pages are inert

Reports hold no script and load nothing (their policy forbids both); all they show is text. `annotate` listens on this machine alone, wants a token
with every request for data, and refuses other hosts, origins and sites. Tested: tests/report/test_html.py, tests/annotate/test_server.py, and in Chromium
tests/annotate/test_page.py and tests/safety/test_pages.py.

## Nothing is lost, nothing is paid twice

Rows that do not parse are kept with place and reason (`recipec bad`); every dropped row is counted. Where it cannot be counted what is lost (a file
of records whose packing, gzip, bzip2, xz, zst, ZIP or tar, is cut off or damaged) the run stops, whatever `max_bad` says, and tells how what is there
can be had; a file that is itself a document is one bad row. A step's table, an export, a checkpoint is there whole or not at all; an answer of a
model is on disk before it is used. After a kill, a full disk, an error of input or output, the next run gives the same bytes as one that nothing
disturbed. What a broken disk refuses of answers on their way is kept in `$XDG_STATE_HOME/recipec/rescued` (`~/.local/state/...`) and taken from there
by the next run. Tested: tests/faults (`python -m tests.faults.run` injects some thousands of faults: at writes, fsyncs, renames, removals, model
calls, workers' jobs and statements of the database, each kind in its turn, and a second process, a source that changes and a clock that jumps at
moments of a run), tests/longlife, tests/readers, tests/engines/test_run_crash.py, tests/models/test_crash.py, tests/models/test_rescue.py.

## The same bytes

Same recipe, same files, same versions of recipec and DuckDB: the same rows and exports, whatever the number of threads, the order of rows in keyed
sources, or the engine. Trainings repeat on the same machine. Tested: tests/engines/test_run_determinism.py, tests/engines/test_partition.py.

## Whatever is read is read or refused

Parser, formatter, resolver, templates, readers of CSV, JSON, JSON lines and CoNLL, ledger and lock never end in a traceback. Tested: tests/fuzz, for
seconds at every run of the tests, and for an hour by `python tests/fuzz/run.py` (with atheris where it is installed).

## What recipec itself brings

Importing it opens no network and loads little; it sends nothing to anybody about its use. Dependencies are few, their licences are listed
(`recipec docs licences`) and permissive. Tested: tests/safety/test_supply.py.

Versions with their hashes: `pip lock -e .` writes `pylock.toml`, `uv pip compile --generate-hashes pyproject.toml` a file for
`pip install --require-hashes`. No database of advisories is asked by the tests, which run without a network: run `pip-audit` where there is one.

## Not promised

- A *run* of somebody else's recipe reads the sources it names, wherever they lie; asks the servers it names, with the secrets that its `env(...)`
  names; writes exports where it says; and uses memory and disk as its data need (`--memory` bounds memory). Read `recipec plan` first.
- Trusted code can do all that you can. There is no sandbox around it. Checkpoints of models are read by Transformers and safetensors; nothing that
  lies there is unpickled into objects, and no code that lies with a model is executed.
- `python -m recipec` starts Python's own `runpy` before recipec can help; in a folder that you do not trust write `recipec`, or `python -P -m recipec`.
- Files that change while a command reads them; users who can write to your home; kernels and file systems that lie about fsync.
- Bugs in DuckDB, pyarrow or SQLite on files made to break them: headers of sources are read by them at `check`. `--offline` opens none.
- Answers that were on their way when the process was killed or the machine went down, or when every disk failed at once: they are asked for again, and
  where that can still be counted it is said how many.
- A Parquet file whose changed bytes still decode: Parquet need not have checksums. A database whose damaged blocks no run reads.
- Windows. Versions of recipec before 1.0 may refuse a workspace of another version, and say what to do.
"""

from __future__ import annotations
