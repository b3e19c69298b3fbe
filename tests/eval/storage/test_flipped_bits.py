"""A bit that flips in any file of a results folder is named, and the runs it held are missing."""

import random

import numpy as np
import pytest
from stored_runs import ENV, add

from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import set_labels
from atn_gym.eval.storage.pack import pack
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.store import ResultStore
from atn_gym.files import StoreError

MANIFEST = {"workers": 2, "seeds": [0]}
TIMES = pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.slow)])


def config(seed):
    return {"env": ENV, "controller": {"name": "fixed"}, "seed": seed}


@pytest.fixture
def stored(root):
    """A folder with every kind of file: packed runs and a failure, single ones, labels."""
    for seed in range(4):
        add(root, seed=seed)
    ResultStore(root).write([RunResult(config(7), error="it broke")], {})
    pack(root)
    for seed in (4, 5):
        add(root, seed=seed)
    ResultStore(root).write([RunResult(config(8), error="it broke too")], {})
    ResultStore(root).write_manifest(MANIFEST)
    set_labels(root, {run_key({"name": "fixed"}): "Fixed"})
    return root


def flips(path, times):
    """Leaves a file with a flipped bit, again and again, and then as it was."""
    content, draws = path.read_bytes(), random.Random(path.suffix)
    for _ in range(times):
        place = draws.randrange(len(content))
        flipped = content[place] ^ 1 << draws.randrange(8)
        path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        yield
    path.write_bytes(content)


def keys(experiment):
    return {each.key for each in [*experiment.runs, *experiment.failures]}


@TIMES
def test_a_flip_in_a_part_is_named_and_its_runs_are_missing(stored, times, caplog):
    everything = keys(read_experiment(stored))
    assert len(everything) == 8
    lost = set()
    for path in sorted(stored.glob("parts/*")):
        for _ in flips(path, times):
            found = read_experiment(stored)
            assert [entry.name for entry in found.skipped] == [f"parts/{path.name}"]
            lost |= everything - keys(found)
            caplog.clear()
            store = ResultStore(stored)
            store.refresh()
            assert f"damaged/{path.name} is damaged, and the runs in it are made" in caplog.text
            complete = {run.key for run in found.runs}
            assert {key for key in everything if store.has(key)} == complete
            (stored / "damaged" / path.name).rename(path)
    assert lost == everything
    assert keys(read_experiment(stored)) == everything


@TIMES
def test_a_flip_after_runs_were_indexed_is_named_when_their_traces_are_read(stored, times):
    table = read_experiment(stored).runs[0].table
    rows = np.arange(len(table))
    before = table.traces(rows)
    for path in {stored / "parts" / table.origin.names[part] for part in table.origin.part}:
        for _ in flips(path, times):
            with pytest.raises(StoreError, match="changed while they were read"):
                table.traces(rows)
    assert table.traces(rows).equals(before)
    path.unlink()
    with pytest.raises(StoreError, match="changed while they were read"):
        table.traces(rows)


@TIMES
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("manifest.json", lambda root: ResultStore(root).write_manifest(MANIFEST)),
        ("labels.json", lambda root: set_labels(root, {"0" * 16: "Other"})),
    ],
)
def test_a_flip_in_a_file_beside_the_parts_is_named_and_no_run_is_lost(
    stored, name, write, times, caplog
):
    everything = keys(read_experiment(stored))
    for _ in flips(stored / name, times):
        found = read_experiment(stored)
        assert [entry.name for entry in found.skipped] == [name]
        assert keys(found) == everything
        caplog.clear()
        write(stored)
        assert f"{name} is damaged and written again" in caplog.text
        assert not read_experiment(stored).skipped
