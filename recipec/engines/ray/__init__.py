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

How a step goes, as `plan --engine ray` tells it:

* `rows`: sources by file; columns, filters and operators that look at one row; a mix without weights. A task for each shard.
* `keys`: exact `dedupe`, `join` (read whole by every task where the other table is under 32 MB). Rows that must meet move to one bucket.
* `bands`: `dedupe(near: ...)` by MinHash. Texts are hashed in tasks; the process that you started goes through the bands and decides which
  rows are compared, about 100 bytes a row, and tasks compare them. The rows dropped, and why, are those that DuckDB drops.
* `narrow`: `split`. Keys, strata, groups and times go to the process that you started, which divides; tasks carry it out.
* `one`: `sort`, `limit`, `sample(n)`, `novel`, `dedupe` by lines, SimHash. One task has the whole table; DuckDB puts to disk what does not fit.
* `actors`: `predict` with a model that the recipe trained: an actor for each graphics processor, or for each machine where there is none. The
  rows come in the blocks of a run without a cluster, so the numbers are the same on like processors.
* `driver`: done by the process that you started, with DuckDB, as without a cluster: `sql`, `label`, `augment`, `select`, weighted mixes,
  `generate` and every step that asks a model behind a server (one ledger writes down every answer before it is used; the server is what is
  waited for, not this process), `train`, `evaluate`, `export`, `expect`, `python`; sources whose columns are not declared and that have
  several files, sources with `repeated: drop`, and tables with a column of a type that Parquet would change (HUGEINT, INTERVAL, ENUM, BIT,
  UNION).

Measures of the quality presets are not kept between runs on a cluster: to move a bound measures again.

**10 TB of text**, estimated: 2 billion documents of 5 KB, 3.3 TB as Parquet in 64 MB shards, on 100 machines with 32 processors and 256 GB each.

* Sources, columns and filters: 52,000 tasks of about 1.1 GB; 32 of them fit into a machine. At 5 MB of text a second for each processor (what
  cleaning with Unicode repair, HTML and language takes) 10 TB are 11 minutes of reading and cleaning on 3,200 processors; the shared folder
  must give 15 GB a second for that.
* Exact dedupe moves 3.3 TB once. A task writes a file for each bucket: 52,000 x 52,000 are 2.7 billion files. **This breaks first**, at about
  2,000 shards (120 GB of Parquet, 400 GB of text; 4 million files), by the folder's number of files. Larger shards help as the square: at 1 GB
  and 13 GB a task, 3,300 shards are 11 million files. Beyond that a shuffle in two rounds is needed, which there is not.
* Near-dedupe writes 8 bytes a word and a band: 14 TB of sketches. The process that you started needs 200 GB for 2 billion rows, and sorts
  each band alone, about 5 minutes a band on one processor, two hours for 23 bands. **This breaks second**, at the memory of that one machine;
  rows have numbers of 31 bits in a search, so 2.1 billion is the most.
* A split holds 48 GB of keys in one process, which DuckDB puts to disk: half an hour.
* An export is written by one process, some 200 MB a second: 14 hours. **This breaks third**, by patience. The Parquet files of a step's rows
  are there already, and can be read as they are.
* Ray itself: 52,000 tasks a pass, three waiting for each processor, is far below what its scheduler takes (thousands of tasks a second).
"""
