"""The engine `ray`: the same recipe, unchanged, on a Ray cluster.

```shell
pip install 'recipec[ray]'
recipec run packages.recipe --engine ray
recipec plan packages.recipe --engine ray --nodes 8 --memory 64GB
```

Without a cluster one is started on this machine for the run. `ray start --head` on one machine and `ray start --address` on others make
one; `RAY_ADDRESS` says where it is. The planner, the run keys, the journal and the workspace are the same, so a step that one engine
built is reused by the other, and the rows are the same, byte for byte. Every machine must see the workspace and the source files under
one path (NFS, Lustre, a disk in the cloud that all mount), and have recipec installed. Ray's usage statistics and dashboard are off.
`--memory` is what each machine has; without it DuckDB decides.

A step's rows are Parquet files in `artifacts/<run key>/rows/` of the workspace, and its table a view over them. Tasks write into folders
that appear whole: a machine that goes away takes nothing with it, and its tasks are run again elsewhere, up to four times.

```shell
RECIPEC_ROWS=s3://bucket/folder recipec run packages.recipe --engine ray
```

keeps the rows in an object store, and what tasks hand on to each other too (extra `cloud`): then machines need no disk in common for tables. A
workspace has a folder of its own there, named in its file `rows-id`; what was of a run alone goes with it. Each machine takes a copy of a file
that it reads, for as long as the run lasts, below the workspace's path on a disk of its own. Whoever opens the workspace later (the other
engine, `show`, `report`) reads from the store and wants the same setting; without it the plan says "its rows lie in a store", and makes them
again. `recipec gc` removes the objects of results that it removes. Credentials are found by each machine in their usual places. Still to be seen
by every machine under one path: the files of sources, folders of models, and, where it trains, the workspace (weights and checkpoints).

How a step goes, as `plan --engine ray` tells it:

* `rows`: sources by file or archive; columns, filters and operators that look at one row; a mix without weights. A task for each shard. Columns
  that are not declared are inferred from the same sample of all files everywhere; under `repeated: drop` keys are counted where you started.
* `keys`: exact `dedupe`, `join` (read whole by every task where the other table is under 32 MB). Rows that must meet move to one bucket.
* `bands`: `dedupe(near: ...)` by MinHash. Texts are hashed in tasks; the process that you started goes through the bands and decides which
  rows are compared, about 100 bytes a row, and tasks compare them. The rows dropped, and why, are those that DuckDB drops.
* `narrow`: `split`, weighted `mix`. A few columns of every row (keys, strata, groups, times, what a row counts) go to the process that you
  started, which decides; tasks carry it out. `label`: tasks cast the votes of rules, word lists, patterns and functions; what is learned is
  learned from all votes where you started, by patterns of votes, and tasks give each row its label. Voters that see all rows (`crowd`, `knn`)
  or ask a model vote where you started; of tags, such steps go by `driver`. `select`: what decides about a row (its group, what it counts, the
  values that the selector looks at) goes to where you started, which ranks; of DSIR words are counted and texts weighed in tasks.
* `augment` makes copies shard by shard (`rows`). `balance` and partners (`mix_sentences`) are decided by `narrow` columns, equal copies are found
  by `keys` and near ones by `bands`. What augmenters make once of all originals (the entities to swap, the weights of words) is made where you
  started, and so is the look at what copies are like, which reads one column of them.
* `export` with `shards` (`narrow`): keys say in which file a row is, and a task writes each file, in the formats whose files follow from their rows alone
  (`parquet`, `jsonl`, `csv`, `messages`, `sharegpt`, `alpaca`, `openai`, `preference`). The process that you started moves them to their place
  and writes the index.
* `python` (`narrow`): keys say in which batch a row is, and a task asks the function about some of the batches, which are those of a run without a
  cluster. Whose code is executed is asked where you started; a machine executes the very file that was allowed there, and no other.
* `one`: `sort`, `limit`, `sample(n)`, `novel`, `dedupe` by lines, SimHash, `sql`. One task has the whole table; DuckDB puts to disk what does not fit.
* `actors`: `predict` with a model of this machine (trained by the recipe, or of a folder), and `train`. Whatever the step, such a model is asked
  by actors, one for each graphics processor, or for each machine where there is none: `predict`, `generate`, `evaluate`, `vote llm`, `zero_shot`,
  `knn` and `classifier`, `select` by a model, `mask_words`, `back_translate` and `paraphrase`, `keeps_label` and `keeps_meaning`, `dedupe(meaning:)`.
  The process that you started cuts texts into tokens and these into the batches of a run without a cluster, so the numbers are the same on like
  processors, and takes the answers in their order. Vectors, and what language models write, it keeps in the workspace before anything uses them:
  an actor that goes away with its machine has kept nothing, its batch is asked of another, and a run that was stopped asks for none again. (`bald`
  alone is not spread: chance leaves neurons out in one process.) A training is one task with as many graphics processors as its `devices`, on one
  machine; its checkpoints lie in the workspace, so that another machine goes on where one went away, to the same weights. On one machine
  without graphics processors the process that you started trains.
* `driver`: done by the process that you started, with DuckDB, as without a cluster: `augment` with a model that rewrites,
  `generate` and every step that asks a model behind a server (one process holds its pace, its budget and the ledger, and writes down every answer
  before it is used; the server is what is waited for, not this process); `evaluate`, which reads answers and predictions, and `expect`,
  which reads the columns that its tests name: a few columns of what lies in files; sources of several databases (`sqlite`, `duckdb`) or
  archives whose columns are not declared, and tables with a column of VARIANT or GEOMETRY. So are exports into one file of each part, which
  is written from its start to its end, and those in other formats: their files follow from all rows (a card, names of classes, a database).

A task's database is confined as a run's is: it opens the workspace and the recipe's file that the task reads, and no statement changes that.
Values of types that Parquet would change (HUGEINT, INTERVAL, ENUM, BIT, UNION, times with a zone) lie in the files as texts or structs, and are
read as what they were.

Measures of the quality presets are not kept between runs on a cluster: to move a bound measures again.

**10 TB of text**, estimated: 2 billion documents of 5 KB on 100 machines with 32 processors and 256 GB each, and a folder that gives 20 GB a
second and makes 10,000 files a second. Packed as the package descriptions are (4.3 to 1) that is 2.4 TB of Parquet, 37,000 shards of 64 MB.

* A task takes 1.6 GB, so that 32 fit into a machine. At 2.7 MB of text a second and processor (measured: `squeeze_space`, exact and near
  dedupe together, by one node on a busy machine) the tasks of such a recipe take 20 minutes; heavier cleaning as much longer as it is slower.
* Exact dedupe moves the table: 37,000 tasks x 37,000 buckets would be 1.4 billion files, so it goes in two rounds of 7 million files
  (`MOST_FILES`), 2.4 TB each: about half an hour, nearly all of it for making files. Larger shards help: with four times the memory for a task,
  an eighth of the files.
* Near-dedupe writes 10.5 TB of shingles, a quarter to half a TB of band hashes, and 0.1 TB of rows: 10 minutes at 20 GB a second. **Here it
  breaks first**: the process that you started holds 100 bytes a row, 200 GB, and numbers rows with 31 bits, 2.1 billion at most; it reads and
  sorts 16 GB for each band, some five minutes each on one processor, two hours in all. Past that a table must be deduplicated in parts.
* A split sorts 48 GB of keys in that process, on disk where they do not fit: half an hour. So does the test that a source's key is unique.
* An export into 10,000 shards of 1 GB: that process sorts 32 GB of keys, half an hour; rows are put to their files in two rounds of 4 million
  files, 2.4 TB each, a quarter of an hour; writing them takes as long as the folder takes 10 TB, 8 minutes at 20 GB a second, for one processor
  makes 100 to 200 MB a second and there are 3,200. With `shards: 1`, or in a format that looks at all rows, one process writes it all: 14 to 28
  hours. Delivering to an object store or a hub is from that process, at the speed of its line.
* With `RECIPEC_ROWS` each file is one request to write and one to read: at the 3,500 writes a second that S3 takes below one prefix the 7 million
  files of a round take half an hour more, and each machine copies the shingles that it compares, up to all 10.5 TB: dedupe in parts there.
* What goes by `one` needs the table in one task, 2.4 TB and three times as much on its machine's disk: not at this size: `sql` is for
  tables of some 100 GB. What goes by `driver` neither, but for models behind servers, where the server is what is waited for, and for
  `evaluate` and `expect`, which read the columns that they name: a test of all texts reads 2.4 TB, half an hour over a line of
  10 Gbit a second.
* Ray has 37,000 tasks a pass to hand out, three at a time for each processor: far below what it can.
"""
