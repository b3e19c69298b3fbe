"""Merges small parts into large ones, and converts runs in the layout of earlier versions.

Others may read and write meanwhile: what a merged part replaces is removed only once it is stored,
and readers that miss a part look again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from atn_gym.eval.storage import arrow, parts
from atn_gym.eval.storage.claims import claiming
from atn_gym.eval.storage.reading import PARTS_FOLDER, part_names
from atn_gym.eval.storage.run_folders import read_run_folder, run_folders
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import CLAIMS_FOLDER, MANIFEST_FILE, not_written
from atn_gym.files import StoreError, Unreadable, write_atomically

_FULL = 2**25
"""Bytes of a part that is not merged any more, which bounds the memory it takes."""
_CONVERTED_TOGETHER = 512


@dataclass
class Packed:
    """What was packed.

    Args:
        merged: Parts that were merged.
        written: Parts in their place.
        converted: Runs that were converted.
        left: What cannot be read and was left as it is, with the reason.
    """

    merged: int = 0
    written: int = 0
    converted: int = 0
    left: dict[str, str] = field(default_factory=dict)


def pack(root: Path) -> Packed:
    """Packs a results folder; nothing that can be read is lost, whenever it is interrupted.

    Args:
        root: Folder of the experiment.

    Raises:
        StoreError: If it is not a folder, cannot be written, or is being packed.
    """
    if not root.is_dir():
        raise StoreError(f"results folder {root} must be a folder that `atn-gym run` has written")
    packed = Packed()
    try:
        (root / PARTS_FOLDER).mkdir(exist_ok=True)
        (root / CLAIMS_FOLDER).mkdir(exist_ok=True)
        with FileLock(root / CLAIMS_FOLDER / "pack", blocking=False):
            _convert(root, packed)
            _merge(root, packed)
    except Timeout as error:
        raise StoreError(f"results folder {root} is being packed by another command") from error
    except OSError as error:
        raise not_written(root, error) from error
    return packed


def _convert(root: Path, packed: Packed) -> None:
    folders = run_folders(root)
    provenance = {}
    if folders and (root / MANIFEST_FILE).exists():
        try:
            provenance = read_sealed(root / MANIFEST_FILE)
        except Unreadable as error:
            packed.left[MANIFEST_FILE] = str(error)
    for first in range(0, len(folders), _CONVERTED_TOGETHER):
        found = {}
        for folder in folders[first : first + _CONVERTED_TOGETHER]:
            try:
                found[folder] = read_run_folder(folder)
            except Unreadable as error:
                packed.left[folder.name] = str(error)
        if not found:
            continue
        known = {k: v for k, v in provenance.items() if k not in ("seeds", "earlier")}
        _write(root, parts.encode(list(found.values()), known))
        for folder in found:
            shutil.rmtree(folder)
            # Earlier versions left the file of every claim.
            with claiming(root / CLAIMS_FOLDER, [folder.name]):
                pass
        packed.converted += len(found)


def _merge(root: Path, packed: Packed) -> None:
    for group in _groups(root / PARTS_FOLDER):
        tables = {}
        for path in group:
            try:
                tables[path.name] = parts.read_part(path, traces=True)
            except FileNotFoundError:
                continue
            except Unreadable as error:
                packed.left[f"{PARTS_FOLDER}/{path.name}"] = str(error)
        if len(tables) < 2:
            continue
        joined, left_out = arrow.concatenated(tables)
        packed.left |= {f"{PARTS_FOLDER}/{name}": reason for name, reason in left_out.items()}
        replaced = tables.keys() - left_out.keys()
        written = _write(root, parts.encode_table(_tidied(joined)))
        for name in replaced - {written}:
            (root / PARTS_FOLDER / name).unlink(missing_ok=True)
        packed.merged += len(replaced)
        packed.written += 1


def _tidied(table: arrow.Table) -> arrow.Table:
    """The rows of a table without those that another one stands for, by config and seed.

    A complete run stands for others of its key, the first for later ones; the last failure for
    earlier ones.
    """
    stored_at = arrow.integers(table, "stored_at")
    errors = arrow.known(table, "error")
    keys = np.array(table["key"].to_pylist())
    order = np.lexsort((np.where(errors, -stored_at, stored_at), errors, keys))
    kept = np.sort(order[np.unique(keys[order], return_index=True)[1]])
    texts, of_row = arrow.shared(table, "config")
    rank = np.argsort(np.argsort(texts))[of_row]
    seeds = arrow.integers(table, "seed")
    return arrow.rows(table, kept[np.lexsort((seeds[kept], rank[kept]))])


def _groups(folder: Path) -> Iterator[list[Path]]:
    """Small parts, as many together as make a large one."""
    group: list[Path] = []
    size = 0
    for path in (folder / name for name in part_names(folder)):
        own = path.stat().st_size
        if own >= _FULL // 2:
            continue
        group.append(path)
        size += own
        if size >= _FULL:
            yield group
            group, size = [], 0
    yield group


def _write(root: Path, content: bytes) -> str:
    name = parts.part_name(content)
    write_atomically(root / PARTS_FOLDER / name, content, root / CLAIMS_FOLDER / "pack.part")
    return name
