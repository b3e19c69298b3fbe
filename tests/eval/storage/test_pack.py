"""Small parts are merged, and folders of earlier versions converted; no run is lost."""

import csv
import io
import multiprocessing
import threading

import pytest
import yaml
from stored_runs import ENV, OTHER, add, trace

from atn_gym import cli
from atn_gym.eval.storage import pack as packing
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.pack import pack
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.sealing import seal
from atn_gym.eval.storage.store import ResultStore
from atn_gym.files import StoreError


def contents(root):
    stored = read_experiment(root)
    runs = {
        run.key: (
            run.config,
            run.summary,
            {name: values.tobytes() for name, values in run.trace.items()},
        )
        for run in stored.runs
    }
    return runs, [(failure.key, failure.reason) for failure in stored.failures], stored.skipped


def names(root):
    return sorted(path.name for path in (root / "parts").iterdir())


def config(seed, controller="fixed"):
    return {"env": ENV, "controller": {"name": controller}, "seed": seed}


def test_runs_and_failures_come_back_bit_for_bit_from_one_file(root):
    for seed in range(5):
        add(root, seed=seed, env=OTHER if seed % 2 else ENV, anytime_performance=seed / 7)
    add(root, seed=9, rows=[{**row, "gain": 0.5} for row in trace()], extra=3)
    ResultStore(root).write([RunResult(config(7), error="it broke")], {})
    before, files = contents(root), names(root)
    packed = pack(root)
    assert (packed.merged, packed.written, packed.left) == (7, 1, {})
    assert len(names(root)) == 1
    assert not set(names(root)) & set(files)
    runs, failures, skipped = contents(root)
    assert {k: (c, t) for k, (c, _, t) in runs.items()} == {
        k: (c, t) for k, (c, _, t) in before[0].items()
    }
    for key, (_, summary, _) in before[0].items():
        assert {k: v for k, v in runs[key][1].items() if v is not None} == {
            k: v for k, v in summary.items() if v is not None
        }
    assert (failures, skipped) == before[1:]
    again = pack(root)
    assert (again.merged, again.written) == (0, 0)


def test_what_another_row_stands_for_is_dropped(root):
    store = ResultStore(root)
    for performance in (0.25, 0.5):
        add(root, seed=1, anytime_performance=performance)
    for reason in ("first", "last"):
        store.write([RunResult(config(1), error=reason), RunResult(config(2), error=reason)], {})
    pack(root)
    stored = read_experiment(root)
    assert [run.metric("anytime_performance") for run in stored.runs] == [0.25]
    assert len(stored.runs[0].table) == 1
    assert [failure.reason for failure in stored.failures] == ["last"]


def test_large_parts_are_left_and_small_ones_make_large_ones(root, monkeypatch):
    for seed in range(6):
        add(root, seed=seed)
    size = max(path.stat().st_size for path in (root / "parts").iterdir())
    monkeypatch.setattr(packing, "_FULL", 3 * size - 2000)
    packed = pack(root)
    assert (packed.merged, packed.written) == (6, 2)
    monkeypatch.setattr(packing, "_FULL", 2)
    assert pack(root).merged == 0


def test_damaged_parts_are_named_and_left(root):
    for seed in range(3):
        add(root, seed=seed)
    (path, *_) = (root / "parts").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    packed = pack(root)
    assert list(packed.left) == [f"parts/{path.name}"]
    assert path.exists()
    assert len(read_experiment(root).runs) == 2


def test_a_pack_that_ends_before_it_removes_what_it_merged_loses_and_doubles_nothing(
    root, monkeypatch
):
    for seed in range(4):
        add(root, seed=seed)
    before = contents(root)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as within:
        within.setattr("pathlib.Path.unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pack(root)
    assert len(names(root)) == 5
    assert contents(root) == before
    pack(root)
    assert len(names(root)) == 1
    assert contents(root) == before


def test_readers_and_writers_go_on_while_parts_are_merged(root):
    for seed in range(20):
        add(root, seed=seed)
    ended = threading.Event()

    def keep_packing():
        while not ended.is_set():
            pack(root)

    packer = threading.Thread(target=keep_packing)
    packer.start()
    try:
        store = ResultStore(root)
        for seed in range(20, 40):
            add(root, seed=seed)
            assert len(read_experiment(root).runs) == seed + 1
            store.refresh()
            assert all(store.has(run_key(config(s))) for s in range(seed + 1))
    finally:
        ended.set()
        packer.join()


def pack_held(root, held, ended):
    from filelock import FileLock

    with FileLock(root / ".claims" / "pack"):
        held.set()
        ended.wait(60)


def test_a_folder_is_packed_by_one_command_at_a_time(root):
    add(root)
    context = multiprocessing.get_context("spawn")
    held, ended = context.Event(), context.Event()
    process = context.Process(target=pack_held, args=(root, held, ended))
    process.start()
    try:
        assert held.wait(60)
        with pytest.raises(StoreError, match="is being packed by another command"):
            pack(root)
    finally:
        ended.set()
        process.join()


def write_folder(root, seed, failure=None):
    """A run in the layout of earlier versions."""
    folder = root / run_key(config(seed))
    folder.mkdir(parents=True)
    text = yaml.safe_dump(config(seed))
    (folder / "config.yaml").write_text(text)
    if failure is not None:
        (folder / "failure.json").write_text(seal({"error": failure}, text))
        return folder
    rows = [{**row, "val_loss": 1 / 3 + row["epoch"], "diverged": False} for row in trace()]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "trace.csv").write_text(table.getvalue())
    summary = {
        "seed": seed,
        "anytime_performance": 0.1 * seed,
        "compute_adjusted_performance": 0.5,
        "flops": 10**9,
        "run_flops": 10**9,
        "wall_clock_s": {"total": 1.5},
    }
    (folder / "summary.json").write_text(seal(summary, text, table.getvalue()))
    return folder


def test_folders_of_earlier_versions_are_converted_and_damaged_ones_left(root, capsys):
    sound = [write_folder(root, seed) for seed in range(3)]
    failed = write_folder(root, 7, "it broke")
    damaged = write_folder(root, 8)
    (damaged / "trace.csv").write_text((damaged / "trace.csv").read_text().replace("17", "18"))
    (root / "manifest.json").write_text(seal({"processor": "a", "seeds": [0]}))
    (root / ".claims").mkdir()
    (root / ".claims" / sound[0].name).touch()
    assert cli.main(["pack", str(root)]) == 0
    output = capsys.readouterr()
    assert "0 files merged into 0, 4 runs converted" in output.out
    assert f"left as it is: {damaged.name}: summary.json or another file" in output.err
    assert not any(folder.exists() for folder in (*sound, failed))
    assert not (root / ".claims" / sound[0].name).exists()
    stored = read_experiment(root)
    assert [run.config for run in sorted(stored.runs, key=lambda r: r.seed)] == [
        config(seed) for seed in range(3)
    ]
    (run,) = [run for run in stored.runs if run.seed == 2]
    assert run.summary["anytime_performance"] == 0.1 * 2
    assert run.summary["wall_clock_s"] == {"total": 1.5}
    assert run.trace["val_loss"].tolist() == [1 / 3 + t for t in range(1, 11)]
    assert run.table.provenance() == [{"processor": "a"}]
    assert [failure.reason for failure in stored.failures] == ["it broke"]


def test_a_folder_that_is_none_is_named(tmp_path, capsys):
    assert cli.main(["pack", str(tmp_path / "missing")]) == 2
    assert "must be a folder that `atn-gym run` has written" in capsys.readouterr().err
