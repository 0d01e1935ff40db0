"""``format: webdataset()``."""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import Any

from recipec.api import ColumnName, DataError, ExportContext, ExportPart, Format, Schema, Settings, format, literal, quote
from recipec.formats._rules import Problems, require, unfit
from recipec.formats._stream import Meter, batches, changed, needs_folder, steady, targets
from recipec.formats._types import INTEGERS, parse
from recipec.formats.jsonl import NOT_IN_JSON, json_rules
from recipec.resolve.types import shown
from recipec.settings import Field

_ENDING = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*")


@format("webdataset")
class WebDataset(Format):
    """Tar files for `webdataset`: a row is a sample, the files of one name; shards of a part are read side by side.

    ```recipe
    export out from final { to: "build/shards"  format: webdataset()  shards: 8 }
    export pairs from tidy {
      to: "build/pairs"
      format: webdataset(files: { description: "txt", package: "json" })
    }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `files` | columns to files: `image: "jpg"`, `caption: "txt"`, `label: "cls"`; the others are left out | none: the whole row as `json` |
    | `name` | the column that names the samples; letters, digits, `_`, `-` and `/`, no dots, each once | the row's place: `000000042` |

    Bytes are written as they are, texts in UTF-8, numbers in digits; lists, structs and everything under an ending `json` as JSON. A null makes
    no file. Rows stand in the order of their keys; times, owners and modes are the same everywhere, so the same rows give the same bytes.

    Read with `wds.WebDataset("build/shards/goods-{00000..00007}-of-00008.tar").decode()`. A model of the format: the documentation of
    `webdataset`, whose reader the tests use.
    """

    class Params(Settings):
        files: dict[str, str] = Field(default_factory=dict)
        name: ColumnName | None = None

    extension = ""  # a folder of shards

    def check(self, schema: Schema) -> Problems:
        if schema.unknown:
            return []
        found: Problems = []
        for column, ending in self.params.files.items():
            if column not in schema.types:
                found.append((f"`{column}` is to be a file, and is not exported", "add it to `columns:` of the export"))
            if not _ENDING.fullmatch(ending):
                found.append((f"`{ending}` cannot be the ending of a file", 'small letters and digits: `image: "jpg"`'))
        endings = list(self.params.files.values())
        twice = next((e for e in endings if endings.count(e) > 1), None)
        if twice is not None:
            found.append((f"two columns would be the file `{twice}` of a sample", "give each an ending of its own"))
        if self.params.name is not None:
            name = self.params.name.name
            if name not in schema.types:
                found.append((f"`{name}` names the samples, and is not exported", "add it to `columns:` of the export"))
            elif schema.types[name] != "VARCHAR" and parse(schema.types[name]).name not in INTEGERS:
                found.append((f"`{name}` cannot name samples: it is {shown(schema.types[name])}", "name them by a text or a whole number"))
        texts = schema.only(self.as_json(schema))
        if texts.columns:
            found += unfit(texts, "JSON", lambda t: t.name not in NOT_IN_JSON, lambda n, t: NOT_IN_JSON[t.name].format(n))
        return found

    def as_json(self, schema: Schema) -> list[str]:
        """The columns that are written as JSON."""
        if not self.params.files:
            return list(schema.names)
        plain = {"VARCHAR", "BLOB"}
        return [
            n
            for n, e in self.params.files.items()
            if n in schema.types and (e.rpartition(".")[2] == "json" or schema.types[n] not in plain)
        ]

    def write(self, ctx: ExportContext) -> None:
        needs_folder(ctx, "webdataset", "shards")
        require(ctx, "JSON", lambda schema: json_rules(schema.only(self.as_json(schema))))
        meter = Meter(ctx)
        with steady(ctx):
            for part in ctx.parts:
                files = targets(ctx, part, ".tar")
                width = max(9, len(str(part.rows)))
                with batches(ctx.con, part, self.select(part)) as rows:
                    samples = enumerate(row for batch in rows for row in batch.to_pylist())
                    seen: set[str] = set()
                    taken = 0
                    for target in files:
                        with tarfile.open(target.path, "w", format=tarfile.PAX_FORMAT) as tar:
                            for _ in range(target.rows):
                                found = next(samples, None)
                                if found is None:
                                    raise changed(part, taken)
                                taken += 1
                                number, row = found
                                self.sample(tar, self.named(row, number, width, seen), row)
                                meter.add(1)
                    if next(samples, None) is not None:
                        raise changed(part, taken + 1)
        meter.say()

    def select(self, part: ExportPart) -> str:
        """SQL for the files of a row, and its name."""
        schema, out = part.schema, []
        if not self.params.files:
            fields = ", ".join(f"{literal(n)}: {quote(n)}" for n in schema.names)
            out.append(f'CAST(to_json({{{fields}}}) AS VARCHAR) AS "f0"')
        for number, column in enumerate(self.params.files):
            if schema.types[column] == "BLOB":
                value = quote(column)
            elif column in self.as_json(schema):
                value = f"CASE WHEN {quote(column)} IS NOT NULL THEN CAST(to_json({quote(column)}) AS VARCHAR) END"
            else:
                value = quote(column)
            out.append(f'{value} AS "f{number}"')
        if self.params.name is not None:
            out.append(f'CAST({quote(self.params.name.name)} AS VARCHAR) AS "name"')
        return ", ".join(out)

    def named(self, row: dict[str, Any], number: int, width: int, seen: set[str]) -> str:
        """The name of a sample. Raises DataError for one that is none, or that another has."""
        if self.params.name is None:
            return f"{number:0{width}d}"
        name, column = row["name"], self.params.name.name
        if name is None or not re.fullmatch(r"[\w-]+(/[\w-]+)*", name):
            raise DataError(
                f"{json.dumps(name, ensure_ascii=False)} in `{column}` cannot name a sample", "letters, digits, _, - and /; no dots"
            )
        if name in seen:
            raise DataError(f"two samples are called `{name}` in `{column}`", "name them by a column that differs, or leave `name` out")
        seen.add(name)
        return str(name)

    def sample(self, tar: tarfile.TarFile, name: str, row: dict[str, Any]) -> None:
        endings = list(self.params.files.values()) or ["json"]
        for number, ending in enumerate(endings):
            value = row[f"f{number}"]
            if value is None:
                continue
            data = value if isinstance(value, bytes) else str(value).encode()
            info = tarfile.TarInfo(f"{name}.{ending}")
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
