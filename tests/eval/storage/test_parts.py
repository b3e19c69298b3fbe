"""The format of a part: what is written is read back bit for bit, or named as damaged."""

import os
import random

import numpy as np
import pytest

from atn_gym.eval.storage import arrow, parts
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.parts import RunResult
from atn_gym.files import Unreadable

CONFIG = {
    "results_version": "1",
    "env": {"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 3},
    "controller": {"name": "fixed", "rate": 0.1},
    "twins": True,
}


def trace(seed):
    losses = [0.1 + seed, 1 / 3, float("nan")]
    return [
        {
            "epoch": t + 1,
            "val_loss": loss,
            "diverged": loss != loss,
            "gradient_steps": 18,
        }
        for t, loss in enumerate(losses)
    ]


def summary(seed):
    nested = {"training": 0.25, "controller": seed / 7}
    return {"seed": seed, "shock": None, "diverged": True, "commit": "ab", "wall_clock_s": nested}


def complete(seed):
    return RunResult({**CONFIG, "seed": seed}, trace(seed), summary(seed))


def write(folder, runs):
    content = parts.encode(runs, {"atn_gym": "0.1.0"})
    path = folder / parts.part_name(content)
    path.write_bytes(content)
    return path


def test_summaries_and_traces_come_back_bit_for_bit(tmp_path):
    runs = [complete(seed) for seed in (0, 3, 2**63 - 1)]
    path = write(tmp_path, runs)
    table = parts.read_part(path)
    assert table["key"].to_pylist() == [run_key(run.config) for run in runs]
    found = list(parts.plain_rows(table, parts.SUMMARY))
    assert repr(found) == repr([run.summary for run in runs])
    traces = parts.read_traces(path, np.array([0, 2]))
    lengths, losses = arrow.lists(traces, "trace.val_loss")
    assert lengths.tolist() == [3, 3]
    expected = [row["val_loss"] for run in (runs[0], runs[2]) for row in run.trace]
    assert losses.tobytes() == np.array(expected).tobytes()
    texts, rows = arrow.shared(table, "config")
    assert (len(texts), rows.tolist()) == (1, [0, 0, 0])


def test_a_failed_run_has_a_reason_and_neither_trace_nor_summary(tmp_path):
    path = write(tmp_path, [RunResult({**CONFIG, "seed": 5}, error="it broke"), complete(1)])
    table = parts.read_part(path)
    assert table["error"].to_pylist() == ["it broke", None]
    assert arrow.lists(table, "trace.epoch")[0].tolist() == [0, 3]
    assert np.isnan(arrow.floats(table, "summary.seed")[0])
    only = write(tmp_path, [RunResult({**CONFIG, "seed": 5}, error="it broke")])
    assert parts.read_part(only)["error"].to_pylist() == ["it broke"]


def test_parts_with_different_columns_are_joined_and_those_of_other_types_are_named(tmp_path):
    first, second, third = complete(0), complete(1), complete(2)
    second.summary["extra"] = 7
    third.summary["shock"] = "late"
    second.summary["shock"] = 0.5
    paths = [write(tmp_path, [run]) for run in (first, second, third)]
    table, left_out = arrow.concatenated({path.name: parts.read_part(path) for path in paths})
    assert table.num_rows == 2
    assert list(left_out) == [paths[2].name]
    assert "does not go with other parts" in left_out[paths[2].name]
    assert arrow.floats(table, "summary.extra").tolist()[1] == 7
    assert np.isnan(arrow.floats(table, "summary.extra")[0])
    assert np.isnan(arrow.floats(table, "summary.nothing")).all()


def test_traces_of_some_runs_are_read_from_their_groups_only(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_GROUP", 3)
    path = write(tmp_path, [complete(seed) for seed in range(10)])
    traces = parts.read_traces(path, np.array([1, 7, 9]), ["val_loss"])
    assert traces.column_names == ["trace.val_loss"]
    assert arrow.lists(traces, "trace.val_loss")[1][::3].tolist() == [1.1, 7.1, 9.1]


@pytest.mark.parametrize("times", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_flipped_bit_or_cut_is_taken(tmp_path, times):
    path = write(tmp_path, [complete(0), RunResult({**CONFIG, "seed": 5}, error="it broke")])
    content, draws = path.read_bytes(), random.Random(0)
    for _ in range(times):
        place = draws.randrange(len(content))
        flipped = bytes([content[place] ^ 1 << draws.randrange(8)])
        path.write_bytes(content[:place] + flipped + content[place + 1 :])
        with pytest.raises(Unreadable, match="was changed: its checksum does not match"):
            parts.read_part(path)
        path.write_bytes(content[:place])
        with pytest.raises(Unreadable, match="was changed: its checksum does not match"):
            parts.read_part(path)
    path.write_bytes(content)
    assert parts.read_part(path).num_rows == 2


def sound_name(folder, content):
    path = folder / parts.part_name(content)
    path.write_bytes(content)
    return path


def test_what_is_no_part_is_named(tmp_path):
    with pytest.raises(Unreadable, match="cannot be read"):
        parts.read_part(sound_name(tmp_path, b"text"))
    table = parts.read_part(write(tmp_path, [complete(0)]), traces=True)
    gap = arrow.table_of({"gap": [None]}, {"gap": "int64"})["gap"]
    for changed, reason in [
        (table.drop_columns(["trace.val_loss"]), "column trace.val_loss is missing"),
        (table.drop_columns(["key"]), "key"),
        (table.set_column(1, "seed", table["key"]), "column seed must be of type int64"),
        (table.set_column(2, "stored_at", gap), "column stored_at has gaps"),
        (table.set_column(4, "config", table["seed"]), "column config must be text"),
    ]:
        with pytest.raises(Unreadable, match=reason):
            parts.read_part(sound_name(tmp_path, parts.encode_table(changed)))
    (tmp_path / "pipe.parquet").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(Unreadable, match="is not a regular file"):
        parts.read_part(tmp_path / "pipe.parquet")
    with pytest.raises(FileNotFoundError):
        parts.read_part(tmp_path / "gone.parquet")


def test_a_part_of_a_later_format_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_FORMAT", b"2")
    path = write(tmp_path, [complete(0)])
    monkeypatch.undo()
    with pytest.raises(Unreadable, match="is of part format b'2', not b'1'"):
        parts.read_part(path)
