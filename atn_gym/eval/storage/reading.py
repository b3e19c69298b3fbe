"""Reads the parts of a folder: which runs are complete, which failed, and what is not read.

This is the index of a results folder. It is made from only the parts, every time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atn_gym.arrays import IntArray
from atn_gym.eval.storage import arrow, parts
from atn_gym.eval.storage.checks import config_faults, run_faults
from atn_gym.eval.storage.run_table import Origin, RunTable
from atn_gym.eval.storage.runs import StoredFailure
from atn_gym.files import Unreadable

PARTS_FOLDER = "parts"


@dataclass(frozen=True, eq=False)
class StoredParts:
    """What some parts hold.

    Args:
        runs: Complete runs in the order of their keys, each once; None if there is none.
        failures: Runs that failed and of which none is complete, likewise.
        damaged: Parts that were changed or cannot be read, with the reason.
        faulty: Runs of sound parts that are not complete, with the reason.
        gone: Parts that were removed meanwhile: others hold their runs.
    """

    runs: RunTable | None = None
    failures: list[StoredFailure] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def part_names(folder: Path) -> list[str]:
    """Names of the files in a folder of parts, sorted; none if there is no folder."""
    before, names = None, _listed(folder)
    while names != before:
        # A listing takes time: parts that were merged meanwhile might be in neither place.
        before, names = names, _listed(folder)
    return names


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.name[0] != ".")
    except FileNotFoundError:
        return []


def read_parts(folder: Path, names: Iterable[str]) -> StoredParts:
    """Reads parts.

    Args:
        folder: Their folder.
        names: Names of their files.
    """
    tables: dict[str, arrow.Table] = {}
    damaged: dict[str, str] = {}
    gone = []
    for name in names:
        try:
            tables[name] = parts.read_part(folder / name)
        except FileNotFoundError:
            gone.append(name)
        except Unreadable as error:
            damaged[name] = str(error)
    if not tables:
        return StoredParts(damaged=damaged, gone=gone)
    joined, left_out = arrow.concatenated(tables)
    sizes = [table.num_rows for name, table in tables.items() if name not in left_out]
    origin = Origin(
        folder,
        [name for name in tables if name not in left_out],
        np.repeat(np.arange(len(sizes)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
    )
    everything = RunTable(joined, origin)
    errors = everything.errors()
    has_failed = np.array([error is not None for error in errors], dtype=np.bool_)
    complete, faulty = _complete(everything, np.flatnonzero(~has_failed))
    keys = set(complete.keys) if complete is not None else set()
    failures = _failures(everything, np.flatnonzero(has_failed), keys, errors)
    return StoredParts(complete, failures, damaged | left_out, faulty, gone)


def _complete(table: RunTable, chosen: IntArray) -> tuple[RunTable | None, dict[str, str]]:
    """Of the runs that did not fail, those that are whole, and why others are not."""
    if not len(chosen):
        return None, {}
    if len(chosen) < len(table):
        table = table.rows(chosen)
    faults = run_faults(table)
    keys = np.array(table.keys)
    # Runs that two commands made at once are the same but for wall-clock: the first is taken.
    order = np.lexsort((table.stored_at(), keys))
    order = order[~np.isin(order, list(faults))]
    kept = order[np.unique(keys[order], return_index=True)[1]]
    faulty = {table.keys[row]: reason for row, reason in faults.items()}
    for key in keys[kept].tolist():
        faulty.pop(key, None)
    return (table.rows(kept) if len(kept) else None), faulty


def _failures(
    table: RunTable, chosen: IntArray, complete: set[str], errors: list[str | None]
) -> list[StoredFailure]:
    """The last failure of every run that failed and is not complete, by key."""
    if not len(chosen):
        return []
    faults = config_faults(table)
    found: dict[str, StoredFailure] = {}
    stored_at = table.stored_at()
    for row in sorted(chosen.tolist(), key=lambda row: int(stored_at[row])):
        key, reason = table.keys[row], errors[row]
        if key not in complete and row not in faults and reason is not None:
            config = {**table.configs[table.config_of[row]], "seed": int(table.seeds[row])}
            found[key] = StoredFailure(key, config, reason)
    return [found[key] for key in sorted(found)]
