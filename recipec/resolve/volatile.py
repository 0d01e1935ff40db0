"""Functions of DuckDB that no recipe may use: their answer is not a function of the row.

A test holds this list against DuckDB's own catalogue: every function that it calls volatile, or consistent within one
query only, is here.
"""

from __future__ import annotations

TIME = (
    "ago", "current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp", "get_current_time",
    "get_current_timestamp", "localtime", "localtimestamp", "now", "pg_conf_load_time", "pg_postmaster_start_time", "today",
    "transaction_timestamp",
)  # fmt: skip
FRESH = (
    "currval", "gen_random_uuid", "nextval", "pg_sleep", "setseed", "setval", "sleep_ms", "txid_current", "uuid", "uuidv4", "uuidv7",
)  # fmt: skip
OUTSIDE = (
    "current_catalog", "current_connection_id", "current_database", "current_query", "current_query_id", "current_role", "current_schema",
    "current_schemas", "current_setting", "current_transaction_id", "current_user", "duckdb_secrets", "format_type", "get_block_size", "getenv",
    "getvariable", "glob", "in_search_path", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port",
    "parse_duckdb_log_message", "pg_backend_pid", "query", "query_table", "read_blob", "read_csv", "read_csv_auto", "read_json",
    "read_json_auto", "read_ndjson", "read_parquet", "read_text", "session_user", "sniff_csv", "user", "version", "which_secret",
    "write_log",
)  # fmt: skip
VERSIONED = ("hash", "stats", "vector_type")

REASONS: dict[str, str] = (
    dict.fromkeys(TIME, "the time of the run")
    | dict.fromkeys(FRESH, "a fresh value at every call")
    | dict.fromkeys(OUTSIDE, "something outside the rows")
    | dict.fromkeys(VERSIONED, "an answer that may change between versions of DuckDB")
)

MULTIPLYING = ("unnest", "unpack", "generate_subscripts", "regexp_split_to_table")
"""Functions that make several rows from one: an expression gives one value for its row."""


def reason(name: str, arguments: int) -> str | None:
    """Why a function is not a function of the row ("`now()` gives the time of the run"), or None."""
    if name.lower() == "age" and arguments == 1:
        return REASONS["now"]
    return REASONS.get(name.lower())
