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

Tested: tests/safety/test_untrusted.py (Python's audit hook and strace over a repository that tries everything), tests/safety/test_bombs.py.

## A run executes code only where you trust it

`python` steps and `vote plugin`s run only from folders in your own list (`recipec trust DIR`), in `RECIPEC_TRUST`, or with `run --trust` for one run;
it is said first what runs. Nothing in a repository can add to the list. What loads such code asks itself, from whatever command or from Python.
Tested: tests/safety/test_trust.py.

## Templates and SQL stay inside

- A template has the values of its row, and a list of what it may do with them; everything else is refused. One row pays for rounds, calls, letters, comparisons
  and lists from one budget. Tested: the public ways out of Jinja's sandbox (tests/safety/test_escapes.py), bombs (test_bombs.py), a fuzzer.
- The query of a `sql` step is one SELECT over its inputs; an expression sees its row. A run's database opens the files of the recipe's sources
  and its workspace, loads no extension, and cannot be told otherwise; nor can a database that came with a repository.
  Names, values, reasons and classes of any letters are never statements. Tested: tests/safety/test_escapes.py, with properties over odd names.

## Pages are inert

Reports hold no script and load nothing (their policy forbids both); all they show is text. `annotate` listens on this machine alone, wants a token
with every request for data, and refuses other hosts, origins and sites. Tested: tests/report/test_html.py, tests/annotate/test_server.py, and in Chromium
tests/annotate/test_page.py and tests/safety/test_pages.py.

## Nothing is lost, nothing is paid twice

Rows that do not parse are kept with place and reason (`recipec bad`); every dropped row is counted. Where it cannot be counted what is lost (a
file of records whose packing, gzip, bzip2, xz, zst, ZIP or tar, is cut off or damaged) the run stops, whatever `max_bad` says, and tells how what is
there can be had; a file that is itself a document is one bad row. A step's table, an export, a checkpoint is there whole or
not at all; an answer of a model is on disk before it is used. After a kill, a full disk, an error of input or output, the next run gives the
same bytes as one that nothing disturbed. Tested: tests/faults (`python -m tests.faults.run` injects about a thousand faults), tests/longlife,
tests/readers, tests/engines/test_run_crash.py, tests/models/test_crash.py.

## The same bytes

Same recipe, same files, same versions of recipec and DuckDB: the same rows and exports, whatever the number of threads, the order of rows in keyed
sources, or the engine. Trainings repeat on the same machine. Tested: tests/engines/test_run_determinism.py, tests/engines/test_partition.py.

## Whatever is read is read or refused

Parser, formatter, resolver, templates, readers of CSV, JSON, JSON lines and CoNLL, ledger and lock never end in a traceback. Tested: tests/fuzz, for
seconds at every run of the tests, and for an hour by `python tests/fuzz/run.py` (with atheris where it is installed).

## What recipec itself brings

Importing it opens no network and loads little; it sends nothing to anybody about its use. Dependencies are few, their licences are listed
(`recipec docs licences`) and permissive. Tested: tests/safety/test_supply.py.

## Not promised

- A *run* of somebody else's recipe reads the sources it names, wherever they lie; asks the servers it names, with the secrets that its `env(...)` names; writes
  exports where it says; and uses memory and disk as its data need (`--memory` bounds memory). Read `recipec plan` first.
- Trusted code can do all that you can. There is no sandbox around it. Checkpoints of models are read by Transformers and safetensors; nothing is
  unpickled by recipec, and no code that lies with a model is executed.
- `python -m recipec` starts Python's own `runpy` before recipec can help; in a folder that you do not trust write `recipec`, or `python -P -m recipec`.
- Files that change while a command reads them; users who can write to your home; kernels and file systems that lie about fsync.
- Bugs in DuckDB, pyarrow or SQLite on files made to break them: headers of sources are read by them at `check`. `--offline` opens none.
- Answers that were on their way when the process was killed, the machine went down or the disk failed for good: they are asked for again.
- Windows. Versions of recipec before 1.0 may refuse a workspace of another version, and say what to do.
"""

from __future__ import annotations
