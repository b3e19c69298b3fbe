"""Arrow's tables: made of columns, joined, as Parquet files, and read by column into NumPy.

Nothing else in the package imports Arrow.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from atn_gym.arrays import BoolArray, FloatArray, IntArray

Table = Any
"""An Arrow table."""
Error: type[Exception] = pa.ArrowException
"""What Arrow raises; sometimes `OSError`, `ValueError` or `KeyError` instead."""


def table_of(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> Table:
    """Makes a table.

    Args:
        columns: Values of each column by its name, None where there is none.
        kinds: Types of some columns, such as "int64"; those of others follow from their values.
    """
    return pa.table({name: _array(values, kinds.get(name)) for name, values in columns.items()})


def _array(values: Sequence[Any], kind: str | None) -> Any:
    try:
        return pa.array(values, kind)
    except OverflowError:
        if kind is not None:
            raise
        # An integer above 2**63: a float holds all of it that counts.
        return pa.array([None if value is None else float(value) for value in values])


def to_parquet(
    table: Table, metadata: Mapping[bytes, bytes], group: int, texts: Sequence[str]
) -> bytes:
    """Writes a table as the content of a Parquet file.

    Args:
        table: The table; what metadata it has is left out.
        metadata: What the file says of itself.
        group: Rows that are read together at least.
        texts: Columns of texts that rows share.
    """
    buffer = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        buffer,
        row_group_size=group,
        compression="zstd",
        use_dictionary=list(texts),
        write_page_checksum=True,
    )
    return buffer.getvalue()


def open_parquet(content: bytes, texts: Sequence[str]) -> Any:
    """Opens the content of a Parquet file.

    Args:
        content: The content.
        texts: Columns of texts that rows share, for `shared`.

    Raises:
        Error: If it is something else.
    """
    return pq.ParquetFile(pa.BufferReader(content), read_dictionary=list(texts))


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


def rows(table: Table, chosen: IntArray) -> Table:
    """Some rows of a table."""
    return table.take(pa.array(chosen))


def names(table: Table, prefix: str) -> list[str]:
    """Names of the columns with a prefix, without it."""
    return [n.removeprefix(prefix) for n in table.column_names if n.startswith(prefix)]


def floats(table: Table, name: str) -> FloatArray:
    """A column as numbers, truth as 0 or 1; NaN where it is missing or not a number."""
    kind = _kind(table, name)
    if not (pa.types.is_boolean(kind) or _is_number(kind)):
        return np.full(table.num_rows, np.nan)
    column = table[name]
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.uint8())
    values: FloatArray = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return values


def integers(table: Table, name: str) -> IntArray:
    """A column of integers without gaps."""
    values: IntArray = table[name].to_numpy()
    return values


def values(table: Table, name: str) -> NDArray[Any]:
    """A column as it is: numbers with NaN where there is none, or else objects with None."""
    column = table[name]
    if column.null_count and not _is_number(column.type):
        return np.array(column.to_pylist(), dtype=np.object_)
    found: NDArray[Any] = column.to_numpy()
    return found


def known(table: Table, name: str) -> BoolArray:
    """Where a column has a value."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, dtype=np.bool_)
    values: BoolArray = pc.is_valid(table[name]).to_numpy()
    return values


def is_truth(table: Table, name: str) -> bool:
    """Whether a column holds true, false and nothing else; also if there is none."""
    kind = _kind(table, name)
    return bool(pa.types.is_boolean(kind) or pa.types.is_null(kind))


def shared(table: Table, name: str) -> tuple[list[str], IntArray]:
    """The different texts of a column that rows share, and which of them each row has."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column.dictionary.to_pylist(), column.indices.to_numpy(zero_copy_only=False)


def is_shared(table: Table, name: str) -> bool:
    """Whether a column holds texts that rows share."""
    kind = table.schema.field(name).type
    return bool(pa.types.is_dictionary(kind) and kind.value_type == pa.string())


def lists(table: Table, name: str) -> tuple[IntArray, FloatArray]:
    """A column of lists: number of values of each row, and all of them on end as `floats`."""
    if pa.types.is_null(_kind(table, name)):
        return np.zeros(table.num_rows, dtype=np.int64), np.zeros(0)
    lengths, on_end = _on_end(table, name)
    return lengths, floats(on_end, name)


def flattened(table: Table, name: str) -> tuple[IntArray, NDArray[Any]]:
    """A column of lists: number of values of each row, and all of them on end as they are."""
    lengths, on_end = _on_end(table, name)
    return lengths, values(on_end, name)


def _on_end(table: Table, name: str) -> tuple[IntArray, Table]:
    lengths = pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy().astype(np.int64)
    return lengths, pa.table({name: pc.list_flatten(table[name])})


def _kind(table: Table, name: str) -> Any:
    """Type of a column, that of nothing if there is none."""
    return table[name].type if name in table.column_names else pa.null()


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
