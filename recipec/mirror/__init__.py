"""Sources that lie elsewhere: on servers, in object stores, on the hub, in databases, on the web.

What is not on this machine is copied into the workspace (`.recipec/mirror`) before a run, and read from there. So a run can be repeated
without the network, a server that changes during a run spoils nothing, contents are known by their digests as those of any file, and
`check`, `plan` and `diff` never open a connection: they know what the last copy holds. Before the first copy, columns that are not declared
are not known.

| where | how a recipe names it | extra |
|---|---|---|
| web servers | `csv("https://host/data.csv.gz")`, and in every reader of files | |
| object stores | `parquet("s3://bucket/data/*.parquet")`, `gs://`, `az://` (`abfs://`) | `cloud` |
| the Hugging Face hub | `hf("owner/name", split: "train")`, `csv("hf://datasets/owner/name@revision/data/*.csv")` | |
| databases | `postgres(...)`, `mysql(...)` | `sql` |
| pages of the web | `web(...)`, `warc(...)` | `web` |

- `recipec run` asks every place whether it has changed, and copies what has: single files, by their ETags, listings or commits.
- `recipec run --no-fetch` reads the last copies, whatever has changed; `recipec fetch [FILE.recipe] [STEP...]` copies and runs nothing.
- `recipec plan` tells of the last copy; `recipec plan --online` asks, and copies nothing.
- `recipec lock` writes down the digests of what was copied, and the hub's commit. `recipec run --locked` names what has changed since, and of a
  hub's data set reads the commit that the lock has.
- Copying that is stopped or killed keeps what came, and goes on there. `recipec gc` removes copies that no recipe's result is made of.

Passwords and tokens are never stored, shown or part of a fingerprint. They come from:

- web servers: a token in the variable `RECIPEC_TOKEN_<HOST>` (`RECIPEC_TOKEN_DATA_EXAMPLE_ORG`), sent encrypted or to this machine only;
  `~/.netrc` (or the file that `NETRC` names). Proxies are those of `https_proxy`, `http_proxy` and `no_proxy`.
- S3 and what speaks like it: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `~/.aws`, the machine's role; another server in `AWS_ENDPOINT_URL`. Without
  any, buckets are read as the public may.
- Google: `GOOGLE_APPLICATION_CREDENTIALS`, the login of `gcloud`. Azure: `AZURE_STORAGE_CONNECTION_STRING`, or `AZURE_STORAGE_ACCOUNT_NAME` and a key or login.
- the hub: `HF_TOKEN` or `hf auth login`; `HF_ENDPOINT` and `HF_HUB_OFFLINE` count.

Tried: web servers and a hub on this machine, and S3 on a local server. Google's and Azure's stores are reached through the same code and their own
packages (`gcsfs`, `adlfs`), and were not tried on the real ones; nor was the hub at huggingface.co.
"""
