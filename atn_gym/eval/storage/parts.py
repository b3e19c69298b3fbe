"""Parts: Parquet files with a row for each run, each file whole or absent.

A part is immutable, and its name is the checksum of its content. Its columns:

- `key`, `seed`, `stored_at` (nanoseconds since 1970), `error` (why a run failed, else null);
- `config` and `provenance`, JSON that the runs of a job share; `config` lacks the seed;
- `summary.<metric>`, with dots between nested names;
- `trace.<column>`, a list with a value for every epoch.

Nothing else in the package imports Arrow.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from atn_gym.arrays import BoolArray, FloatArray, IntArray
from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.storage.keys import run_key
from atn_gym.files import Unreadable

Table = Any
"""An Arrow table."""
SUMMARY, TRACE = "summary.", "trace."
SUFFIX = ".parquet"
_FORMAT = b"1"
_GROUP = 2048
"""Runs whose traces are read together at least."""
_SHARED = ("config", "provenance")
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
    columns = {
        "key": pa.array([run_key(run.config) for run in runs]),
        "seed": pa.array([run.config["seed"] for run in runs], pa.int64()),
        "stored_at": pa.array([time.time_ns()] * len(runs), pa.int64()),
        "error": pa.array([_one_line(run.error) for run in runs], pa.string()),
        "config": pa.array([_shared_config(run.config) for run in runs]),
        "provenance": pa.array([json.dumps(dict(provenance))] * len(runs)),
    }
    for name in metrics:
        columns[f"{SUMMARY}{name}"] = _array([summary.get(name) for summary in summaries])
    for name in dict.fromkeys(name for run in runs for row in run.trace[:1] for name in row):
        lists = [[row[name] for row in run.trace] if run.trace else None for run in runs]
        columns[f"{TRACE}{name}"] = _array(lists)
    return encode_table(pa.table(columns))


def encode_table(table: Table) -> bytes:
    """Writes a table as the content of a part."""
    buffer = io.BytesIO()
    table = table.replace_schema_metadata({b"atn_gym_part": _FORMAT})
    pq.write_table(
        table,
        buffer,
        row_group_size=_GROUP,
        compression="zstd",
        use_dictionary=list(_SHARED),
        write_page_checksum=True,
    )
    return buffer.getvalue()


def part_name(content: bytes) -> str:
    """Name of the file of a part: its checksum."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}{SUFFIX}"


def read_part(path: Path, traces: bool = False) -> Table:
    """Reads a part, if it is what its name says.

    Args:
        path: Its file.
        traces: Whether to read all columns of the traces, not only those every reader needs.

    Raises:
        FileNotFoundError: If it is gone.
        Unreadable: If it cannot be read, was changed, or holds something else.
    """
    content = _checked_content(path)
    try:
        # Decoded by one thread: a part is small, and several commands may share the cores.
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=list(_SHARED))
        version = (file.schema_arrow.metadata or {}).get(b"atn_gym_part")
        if version != _FORMAT:
            raise Unreadable(f"{path.name} is of part format {version!r}, not {_FORMAT!r}")
        wanted = [n for n in file.schema_arrow.names if _is_wanted(n, traces)]
        table = file.read(columns=wanted, use_threads=False)
        _check_columns(table, file.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Unreadable(f"{path.name} cannot be read: {error}") from error
    return table.replace_schema_metadata(None)


def read_traces(path: Path, wanted: IntArray, names: Sequence[str] | None = None) -> Table:
    """Reads traces of some runs of a part that was read before, if it is still the same.

    Args:
        path: Its file.
        wanted: Rows of the runs, ascending.
        names: Columns; all if None. Those that the part does not have are left out.

    Raises:
        FileNotFoundError: If it is gone.
        Unreadable: If it cannot be read, or was changed.
    """
    # Checksums of pages would leave out what says how to read them.
    content = _checked_content(path)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            columns = [n for n in file.schema_arrow.names if n.startswith(TRACE)]
            if names is not None:
                columns = [n for n in columns if n.removeprefix(TRACE) in names]
            sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
            begins = np.cumsum([0, *sizes])
            groups = np.unique(np.searchsorted(begins, wanted, side="right") - 1)
            found = file.read_row_groups(groups.tolist(), columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{path.name} cannot be read: {error}") from error
    # Rows of the groups that were left out do not count.
    before = begins[groups] - np.cumsum([0, *(sizes[g] for g in groups[:-1])])
    of_group = np.searchsorted(groups, np.searchsorted(begins, wanted, side="right") - 1)
    return rows(found.replace_schema_metadata(None), wanted - before[of_group])


def _checked_content(path: Path) -> bytes:
    content = _content(path)
    if part_name(content) != path.name:
        raise Unreadable(f"{path.name} was changed: its checksum does not match its name")
    return content


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


def _is_wanted(column: str, traces: bool) -> bool:
    return traces or column in _ALWAYS_READ or not column.startswith(TRACE)


def _check_columns(table: Table, columns: Sequence[str]) -> None:
    """Checks that a table has the columns of every part, and types that tables can share."""
    kinds = {"key": pa.string(), "seed": pa.int64(), "stored_at": pa.int64(), "error": pa.string()}
    for name, kind in kinds.items():
        if table.schema.field(name).type != kind:
            raise ValueError(f"column {name} must be of type {kind}")
        if name != "error" and table[name].null_count:
            raise ValueError(f"column {name} has gaps")
    if table["error"].null_count:
        missing = [name for name in _TRACED if name not in columns]
        if missing:
            raise ValueError(f"column {missing[0]} is missing")
    for name in _SHARED:
        kind = table.schema.field(name).type
        if not (pa.types.is_dictionary(kind) and kind.value_type == pa.string()):
            raise ValueError(f"column {name} must be text")
        if table[name].null_count:
            raise ValueError(f"column {name} has gaps")


def concatenated(tables: Mapping[str, Table]) -> tuple[Table, dict[str, str]]:
    """Joins tables of parts.

    Args:
        tables: Tables by the names of their parts, at least one.

    Returns:
        One table, in the order given; and why some were left out, by their names.
    """
    left_out: dict[str, str] = {}
    schema = pa.schema([])
    checked = set[str]()
    kept = []
    for name, table in tables.items():
        told = table.schema.to_string()
        if told not in checked:
            try:
                schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
            except pa.ArrowException as error:
                left_out[name] = f"{name} does not go with other parts: {error}"
                continue
            checked.add(told)
        kept.append(table)
    joined = pa.concat_tables(kept, promote_options="permissive")
    return joined.unify_dictionaries().combine_chunks(), left_out


def floats(table: Table, name: str) -> FloatArray:
    """A column as numbers, truth as 0 or 1; NaN where it is missing or not a number."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table[name]
    kind = column.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(table.num_rows, np.nan)
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.uint8())
    values: FloatArray = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return values


def known(table: Table, name: str) -> BoolArray:
    """Where a column has a value."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, dtype=np.bool_)
    values: BoolArray = pc.is_valid(table[name]).to_numpy()
    return values


def is_truth(table: Table, name: str) -> bool:
    """Whether a column holds true, false and nothing else; also if there is none."""
    if name not in table.column_names:
        return True
    kind = table.schema.field(name).type
    return bool(pa.types.is_boolean(kind) or pa.types.is_null(kind))


def values(table: Table, name: str) -> NDArray[Any]:
    """A column as it is: numbers with NaN where there is none, or else objects with None."""
    column = table[name]
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if column.null_count and not is_number:
        return np.array(column.to_pylist(), dtype=np.object_)
    found: NDArray[Any] = column.to_numpy()
    return found


def names(table: Table, prefix: str) -> list[str]:
    """Names of the columns with a prefix, without it."""
    return [n.removeprefix(prefix) for n in table.column_names if n.startswith(prefix)]


def flattened(table: Table, name: str) -> tuple[IntArray, NDArray[Any]]:
    """A column of the traces as it is: number of values of each row, and all of them on end."""
    lengths = pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy().astype(np.int64)
    flat = pa.table({"values": pc.list_flatten(table[name])})
    return lengths, values(flat, "values")


def integers(table: Table, name: str) -> IntArray:
    """A column of integers without gaps."""
    values: IntArray = table[name].to_numpy()
    return values


def shared(table: Table, name: str) -> tuple[list[str], IntArray]:
    """The different texts of a column that runs share, and which of them each row has."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column.dictionary.to_pylist(), column.indices.to_numpy(zero_copy_only=False)


def lists(table: Table, name: str) -> tuple[IntArray, FloatArray]:
    """A column of the traces: number of values of each row, and all of them on end."""
    if name not in table.column_names or pa.types.is_null(table[name].type):
        return np.zeros(table.num_rows, dtype=np.int64), np.zeros(0)
    lengths = pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy().astype(np.int64)
    flat = pc.list_flatten(table[name])
    return lengths, floats(pa.table({"values": flat}), "values")


def rows(table: Table, chosen: IntArray) -> Table:
    """Some rows of a table."""
    return table.take(pa.array(chosen))


def plain_rows(table: Table, prefix: str) -> Iterator[dict[str, Any]]:
    """Values of the columns with a prefix, row by row, nested as they were.

    In a nested mapping a name without a value is left out: other runs may have it.
    """
    paths = [name.split(".") for name in names(table, prefix)]
    columns = [table[f"{prefix}{'.'.join(path)}"].to_pylist() for path in paths]
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


def _array(values: list[Any]) -> Any:
    try:
        return pa.array(values)
    except OverflowError:
        # An integer above 2**63: a float holds all of it that counts.
        return pa.array([None if value is None else float(value) for value in values])
