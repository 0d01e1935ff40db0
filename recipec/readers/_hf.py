"""What a Hugging Face dataset folder holds: splits, their files, and the types that its features say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.api import DataError, quote
from recipec.diagnostics import nearest
from recipec.readers._card import BadCard, front_matter

FORMATS = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"}
_ABOUT = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json", "croissant.json"})
_PACKED = (".gz", ".zst", ".bz2", ".xz")
_SHARD = re.compile(r"^(?P<split>[\w.]+?)-\d{5}-of-\d{5}$")
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}


@dataclass(frozen=True)
class Layout:
    """The files of each split, by name; ``root`` is the folder of the arrow files' ``dataset_info.json``, by split."""

    splits: Mapping[str, tuple[Path, ...]]


def format_of(path: Path) -> str | None:
    """The reader for a file; None for one that is no data."""
    suffixes = path.suffixes
    if suffixes and suffixes[-1].lower() in _PACKED:
        suffixes = suffixes[:-1]
    return FORMATS.get(suffixes[-1].lower()) if suffixes and path.name not in _ABOUT else None


def layout(folder: Path, name: str, config: str) -> Layout:
    """The splits of the folder: as saved by ``save_to_disk``, as its card says, or as its file names say.

    ``name`` is the folder's name for messages. The rules for names are those of the Hub's documentation ("Structure your
    repository"): ``data/train-00000-of-00004.parquet``, then the words train, validation, test and their like in a file's
    or folder's name, then everything as ``train``.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = _load(folder / "dataset_dict.json", name).get("splits", [])
        return Layout({s: _saved(folder / s, f"{name}/{s}") for s in splits})
    if (folder / "state.json").is_file():
        return Layout({"train": _saved(folder, name)})
    card = folder / "README.md"
    if card.is_file() and (found := _by_card(folder, card, name, config)) is not None:
        return found
    if config:
        raise DataError(f"`{name}` has no card that describes the configuration `{config}`", "leave `config` out")
    files = list(_data_files(folder))
    if not files:
        raise DataError(
            f"`{name}` holds no data files",
            f"looked for {', '.join(FORMATS)}; a dataset saved by save_to_disk has a state.json or dataset_dict.json",
        )
    return Layout(by_names(folder, files))


def splits_of(folder: Path, name: str, config: str, split: str) -> list[Path]:
    """The files of the wanted splits (``"train+test"``; empty: the only one). Raises DataError for one that is not there."""
    splits = layout(folder, name, config).splits
    names = [s.strip() for s in split.split("+")] if split else list(splits)
    if not split and len(splits) != 1:
        raise DataError(f"which split of `{name}`?", f'it has {", ".join(splits)}: split: "{next(iter(splits), "train")}"')
    for wanted in names:
        if wanted not in splits:
            guess = nearest(wanted, splits)
            raise DataError(f"`{name}` has no split `{wanted}`", f"did you mean `{guess}`?" if guess else f"it has {', '.join(splits)}")
    return [path for wanted in names for path in splits[wanted]]


def _load(path: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"`{name}/{path.name}` cannot be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _saved(folder: Path, name: str) -> tuple[Path, ...]:
    """The arrow files that a saved dataset's state names."""
    listed = [f.get("filename") for f in _load(folder / "state.json", name).get("_data_files", [])]
    files = []
    for filename in listed:
        path = folder / str(filename)
        # the state is data: it may name only what lies in its own folder
        if not isinstance(filename, str) or path.resolve().parent != folder.resolve() or not path.is_file():
            raise DataError(f"`{name}` is incomplete: its state.json names `{filename}`", "save or copy the dataset again")
        files.append(path)
    return tuple(files)


def _data_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if not any(p.startswith((".", "__")) for p in inside) and format_of(path) and path.is_file():
            yield path


def by_names(folder: Path, files: list[Path]) -> dict[str, tuple[Path, ...]]:
    """Splits from the names of files, and of folders below ``folder``."""
    counts: dict[str, int] = {}
    for f in files:
        kind = format_of(f) or ""
        counts[kind] = counts.get(kind, 0) + 1
    # a folder of data may have other tables beside it; as on the Hub, the commonest format is the dataset's
    most = max(counts.values())
    common = next(k for k in dict.fromkeys(FORMATS.values()) if counts.get(k) == most)
    files = [f for f in files if format_of(f) == common]
    splits: dict[str, list[Path]] = {}
    for f in files:
        found = _SHARD.match(_stem(f))
        if found is not None:
            splits.setdefault(found["split"], []).append(f)
    if splits:
        return _sorted(splits)
    for f in files:
        inside = [*f.relative_to(folder).parts[:-1], _stem(f)]
        for split, words in _KEYWORDS.items():
            if any(re.search(rf"(?<![a-z]){w}(?![a-z])", part.lower()) for part in inside for w in words):
                splits.setdefault(split, []).append(f)
                break
    return _sorted(splits) if splits else {"train": tuple(files)}


def _stem(path: Path) -> str:
    stem = path.name
    for suffix in (*_PACKED, *FORMATS):
        stem = stem.removesuffix(suffix)
    return stem


def _sorted(splits: Mapping[str, list[Path]]) -> dict[str, tuple[Path, ...]]:
    order = ["train", "validation", "test"]
    return {s: tuple(splits[s]) for s in sorted(splits, key=lambda s: (order.index(s) if s in order else len(order), s))}


# The card -------------------------------------------------------------------------------------------------------------


def _by_card(folder: Path, card: Path, name: str, config: str) -> Layout | None:
    """The splits that the card's ``configs`` list; None for a card without any."""
    try:
        meta = front_matter(card.read_text(encoding="utf-8"))
    except (BadCard, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the card `{name}/README.md` cannot be read: {error}", "name the files themselves: parquet(...), jsonl(...), csv(...)"
        ) from None
    configs = {str(c.get("config_name", "default")): c for c in meta.get("configs") or [] if isinstance(c, dict)}
    if not configs:
        return None
    default = next((n for n, c in configs.items() if str(c.get("default", "")).lower() == "true"), "default")
    wanted = config or (default if default in configs else next(iter(configs)) if len(configs) == 1 else "")
    if wanted not in configs:
        guess = nearest(wanted, configs) if wanted else None
        message = f"`{name}` has no configuration `{wanted}`" if wanted else f"which configuration of `{name}`?"
        raise DataError(message, f"did you mean `{guess}`?" if guess else f'it has {", ".join(configs)}: config: "{next(iter(configs))}"')
    chosen = configs[wanted]
    data = chosen.get("data_files")
    root = str(chosen.get("data_dir", "") or "")
    if data is None:
        below = _inside(folder, root, name) if root else folder
        return Layout(by_names(below, list(_data_files(below))))
    if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
        data = [{"split": "train", "path": data}]
    splits: dict[str, list[Path]] = {}
    for item in data:
        patterns = item.get("path")
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            splits.setdefault(str(item.get("split", "train")), []).extend(_matches(folder, f"{root}/{pattern}".lstrip("/"), name))
    return Layout({s: tuple(dict.fromkeys(files)) for s, files in splits.items()})


def _inside(folder: Path, path: str, name: str) -> Path:
    found = folder / path
    if not found.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"the card of `{name}` names `{path}`, which lies outside the folder", "mend the card, or name the files themselves"
        )
    return found


def _matches(folder: Path, pattern: str, name: str) -> list[Path]:
    _inside(folder, re.split(r"[*?\[]", pattern)[0], name)
    exact = folder / pattern
    found = [exact] if exact.is_file() else sorted(p for p in folder.glob(pattern) if p.is_file())
    found = [p for p in found if p.resolve().is_relative_to(folder.resolve())]
    if not found:
        raise DataError(f"the card of `{name}` names `{pattern}`, which matches no file", "download the dataset again, with its data")
    return found


# Features -------------------------------------------------------------------------------------------------------------

_VALUES = {
    "null": "VARCHAR",
    "bool": "BOOLEAN",
    **{f"int{n}": t for n, t in ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"))},
    **{f"uint{n}": t for n, t in ((8, "UTINYINT"), (16, "USMALLINT"), (32, "UINTEGER"), (64, "UBIGINT"))},
    **{n: "FLOAT" for n in ("float16", "float32")},
    "float64": "DOUBLE",
    **{n: "VARCHAR" for n in ("string", "large_string", "string_view")},
    **{n: "BLOB" for n in ("binary", "large_binary", "binary_view")},
    "date32": "DATE",
    "date64": "DATE",
    "time32[s]": "TIME",
    "time32[ms]": "TIME",
    "time64[us]": "TIME",
}


def feature_type(feature: Any, where: str) -> str:
    """The DuckDB type of a feature as ``dataset_info.json`` writes it. Raises DataError for one that has none."""
    if isinstance(feature, list):
        return f"{feature_type(feature[0], where)}[]"
    if not isinstance(feature, dict):
        raise DataError(f"the features of `{where}` cannot be read: {feature!r}")
    kind = feature.get("_type")
    match kind:
        case "Value":
            return _value_type(str(feature.get("dtype")), where)
        case "ClassLabel":
            return "BIGINT"
        case "Sequence" | "List" | "LargeList":
            inner = feature.get("feature")
            if kind == "Sequence" and isinstance(inner, dict) and "_type" not in inner:  # a struct of lists, as datasets makes of it
                return _struct({n: f"{feature_type(f, where)}[]" for n, f in inner.items()})
            return f"{feature_type(inner, where)}[]"
        case "Translation":
            return _struct({str(n): "VARCHAR" for n in feature.get("languages", [])})
        case "Image" | "Audio" | "Video" | "Pdf":
            return "STRUCT(bytes BLOB, path VARCHAR)"
        case None:
            return _struct({n: feature_type(f, where) for n, f in feature.items()})
        case _:
            raise DataError(f"`{where}` has a feature of the kind {kind}, which is not read", "save it as Parquet: dataset.to_parquet(...)")


def _struct(types: Mapping[str, str]) -> str:
    return f"STRUCT({', '.join(f'{quote(n)} {t}' for n, t in types.items())})"


def _value_type(dtype: str, where: str) -> str:
    if dtype in _VALUES:
        return _VALUES[dtype]
    if dtype.startswith("timestamp"):
        if "tz=" in dtype:
            return "TIMESTAMP WITH TIME ZONE"
        unit = dtype.partition("[")[2].rstrip("]")
        return {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "ns": "TIMESTAMP_NS"}.get(unit, "TIMESTAMP")
    if dtype.startswith("duration"):
        return "INTERVAL"
    decimal = re.match(r"decimal(?:128|256)\((\d+), ?(-?\d+)\)", dtype)
    if decimal:
        return f"DECIMAL({decimal[1]},{decimal[2]})"
    raise DataError(f"`{where}` has values of the type {dtype}, which is not read", "save it as Parquet: dataset.to_parquet(...)")


def saved_types(files: tuple[Path, ...], name: str) -> dict[str, str]:
    """Names and types of a saved dataset, from the ``dataset_info.json`` beside its arrow files."""
    features = _load(files[0].parent / "dataset_info.json", name).get("features")
    if not isinstance(features, dict):
        raise DataError(f"`{name}` does not say its features", "save it as Parquet: dataset.to_parquet(...)")
    return {column: feature_type(feature, name) for column, feature in features.items()}
