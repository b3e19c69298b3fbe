"""Parts: Parquet files with a row for each run, each file whole or absent.

A part is immutable, and its name is the checksum of its content. Its columns:

- `key`, `seed`, `stored_at` (nanoseconds since 1970), `error` (why a run failed, else null);
- `config` and `provenance`, JSON that the runs of a job share; `config` lacks the seed;
- `summary.<metric>`, with dots between nested names;
- `trace.<column>`, a list with a value for every epoch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atn_gym.arrays import IntArray
from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.storage import arrow
from atn_gym.eval.storage.keys import run_key
from atn_gym.files import Unreadable

SUMMARY, TRACE = "summary.", "trace."
SUFFIX = ".parquet"
_FORMAT = b"1"
_GROUP = 2048
"""Runs whose traces are read together at least."""
_SHARED = ("config", "provenance")
_KINDS = {"key": "string", "seed": "int64", "stored_at": "int64", "error": "string"}
"""Types of columns that every part has."""
_ALWAYS_READ = (f"{TRACE}epoch", f"{TRACE}gradient_steps")
"""Columns of the trace that take next to nothing, and that every reader needs."""
_TRACED = (*_ALWAYS_READ, f"{TRACE}val_loss")
"""Columns that every trace has."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """What became of a run.

    Args:
        config: Its resolved config.
        trace: A row for each epoch, all with the same names; empty if it failed.
        summary: Its metrics; None if it failed.
        error: Why it failed, which is stored on one line; None if it did not.
    """

    config: Mapping[str, Any]
    trace: Sequence[Mapping[str, Any]] = ()
    summary: Mapping[str, Any] | None = None
    error: str | None = None


def encode(runs: Sequence[RunResult], provenance: Mapping[str, Any]) -> bytes:
    """Writes runs as the content of a part.

    Args:
        runs: At least one.
        provenance: What made them: versions, machine, threads.
    """
    summaries = [_flat(run.summary or {}) for run in runs]
    metrics = dict.fromkeys(name for summary in summaries for name in summary)
    columns: dict[str, list[Any]] = {
        "key": [run_key(run.config) for run in runs],
        "seed": [run.config["seed"] for run in runs],
        "stored_at": [time.time_ns()] * len(runs),
        "error": [_one_line(run.error) for run in runs],
        "config": [_shared_config(run.config) for run in runs],
        "provenance": [json.dumps(dict(provenance))] * len(runs),
    }
    for name in metrics:
        columns[f"{SUMMARY}{name}"] = [summary.get(name) for summary in summaries]
    for name in dict.fromkeys(name for run in runs for row in run.trace[:1] for name in row):
        lists = [[row[name] for row in run.trace] if run.trace else None for run in runs]
        columns[f"{TRACE}{name}"] = lists
    return encode_table(arrow.table_of(columns, _KINDS))


def encode_table(table: arrow.Table) -> bytes:
    """Writes a table as the content of a part."""
    return arrow.to_parquet(table, {b"atn_gym_part": _FORMAT}, _GROUP, _SHARED)


def part_name(content: bytes) -> str:
    """Name of the file of a part: its checksum."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}{SUFFIX}"


def read_part(path: Path, traces: bool = False) -> arrow.Table:
    """Reads a part, if it is what its name says.

    Args:
        path: Its file.
        traces: Whether to read all columns of the traces, not only those every reader needs.

    Raises:
        FileNotFoundError: If it is gone.
        Unreadable: If it cannot be read, was changed, or holds something else.
    """
    with _opened(path) as file:
        version = (file.schema_arrow.metadata or {}).get(b"atn_gym_part")
        if version != _FORMAT:
            raise Unreadable(f"{path.name} is of part format {version!r}, not {_FORMAT!r}")
        columns = file.schema_arrow.names
        wanted = [n for n in columns if traces or n in _ALWAYS_READ or not n.startswith(TRACE)]
        # Decoded by one thread: a part is small, and several commands may share the cores.
        table = file.read(columns=wanted, use_threads=False)
        _check_columns(table, columns)
    return table.replace_schema_metadata(None)


def read_traces(path: Path, wanted: IntArray, names: Sequence[str] | None = None) -> arrow.Table:
    """Reads traces of some runs of a part that was read before, if it is still the same.

    Args:
        path: Its file.
        wanted: Rows of the runs, ascending.
        names: Columns; all if None. Those that the part does not have are left out.

    Raises:
        FileNotFoundError: If it is gone.
        Unreadable: If it cannot be read, or was changed.
    """
    with _opened(path) as file:
        columns = [n for n in file.schema_arrow.names if n.startswith(TRACE)]
        if names is not None:
            columns = [n for n in columns if n.removeprefix(TRACE) in names]
        sizes = np.array([file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)])
        ends = np.cumsum(sizes)
        groups, of_group = np.unique(
            np.searchsorted(ends, wanted, side="right"), return_inverse=True
        )
        found = file.read_row_groups(groups.tolist(), columns=columns, use_threads=False)
    # Rows of the groups that were left out do not count.
    before = (ends - sizes)[groups] - (np.cumsum(sizes[groups]) - sizes[groups])
    return arrow.rows(found.replace_schema_metadata(None), wanted - before[of_group])


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The Parquet file of a part, if it is what its name says."""
    # Checksums of pages would leave out what says how to read them.
    content = _content(path)
    if part_name(content) != path.name:
        raise Unreadable(f"{path.name} was changed: its checksum does not match its name")
    try:
        with arrow.open_parquet(content, _SHARED) as file:
            yield file
    except (arrow.Error, OSError, ValueError, KeyError) as error:
        raise Unreadable(f"{path.name} cannot be read: {error}") from error


def _content(path: Path) -> bytes:
    try:
        # A pipe in place of a file would be waited for without end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(f"{path.name} is not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror or error}") from error


def _check_columns(table: arrow.Table, columns: Sequence[str]) -> None:
    """Checks that a table has the columns of every part, and types that tables can share."""
    for name, kind in _KINDS.items():
        if str(table.schema.field(name).type) != kind:
            raise ValueError(f"column {name} must be of type {kind}")
        if name != "error" and table[name].null_count:
            raise ValueError(f"column {name} has gaps")
    if table["error"].null_count:
        missing = [name for name in _TRACED if name not in columns]
        if missing:
            raise ValueError(f"column {missing[0]} is missing")
    for name in _SHARED:
        if not arrow.is_shared(table, name):
            raise ValueError(f"column {name} must be text")
        if table[name].null_count:
            raise ValueError(f"column {name} has gaps")


def plain_rows(table: arrow.Table, prefix: str) -> Iterator[dict[str, Any]]:
    """Values of the columns with a prefix, row by row, nested as they were.

    In a nested mapping a name without a value is left out: other runs may have it.
    """
    found = arrow.names(table, prefix)
    paths = [name.split(".") for name in found]
    columns = [table[f"{prefix}{name}"].to_pylist() for name in found]
    for row in zip(*columns, strict=True):
        nested: dict[str, Any] = {}
        for (*outer, last), value in zip(paths, row, strict=True):
            if value is None and outer:
                continue
            place = nested
            for part in outer:
                place = place.setdefault(part, {})
            place[last] = value
        yield nested


def _one_line(error: str | None) -> str | None:
    """A reason without line breaks and characters that a terminal obeys."""
    return None if error is None else " ".join(printable(error).split())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _shared_config(config: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in config.items() if name != "seed"})
