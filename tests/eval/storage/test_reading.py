"""Results folders that were damaged, or made by someone else: named, and never read as a run."""

import logging
import random
import re

import pytest
from stored_runs import ENV, add, trace

from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage import parts
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import read_labels, set_labels
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import ResultStore
from atn_gym.files import StoreError, Unreadable


def skipped(root):
    return {entry.name: entry.reason for entry in read_experiment(root).skipped}


def config(seed=9, **fields):
    return {"env": ENV, "controller": {"name": "fixed"}, "seed": seed, **fields}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 3}, "its summary is of another seed"),
        ({"flops": 0}, r"flops is 0, not in \[1, inf\]"),
        ({"flops": 10**8}, "run_flops is above flops"),
        ({"flops": float("inf")}, "flops is inf, not a finite number"),
        ({"flops": None}, "flops is None, not a finite number"),
        ({"anytime_performance": 7.5}, r"is 7.5, not in \[-1, 1\]"),
        ({"mean_val_loss": "abc"}, "is 'abc', not a finite number"),
        ({"diverged": "no"}, "diverged is not true or false"),
        ({"rows": trace(8)}, "has 8 epochs of a budget of 10, .* not diverge"),
        ({"rows": trace(11)}, "has 11 epochs of a budget of 10"),
        ({"rows": trace()[1:]}, "does not have the epochs 1, 2, 3"),
        ({"rows": [*trace(4), *trace()[3:9]]}, "does not have the epochs 1, 2, 3"),
        ({"config": config(env="x")}, "env or controller is missing"),
        ({"config": config(controller={"gain": 1})}, "env or controller is missing"),
        ({"config": config(note="\x1b[2J")}, "unprintable character '.x1b'"),
    ],
)
def test_runs_that_are_none_are_named_though_their_part_is_sound(root, changes, reason):
    add(root)
    changes = dict(changes)
    seed = changes.pop("seed", None)
    if seed is not None:
        add(root, config=config(9), seed=seed)
    else:
        add(root, seed=9, **changes)
    key = run_key(changes.get("config", config()))
    assert list(skipped(root)) == [f"run {key}"]
    assert re.search(reason, skipped(root)[f"run {key}"])
    assert len(read_experiment(root).runs) == 1
    write_report(root)
    assert key in (root / "report.html").read_text()
    assert not ResultStore(root).has(key)


def test_a_key_that_is_not_that_of_the_config_is_named(root):
    add(root)
    add(root, seed=9)
    (path,) = [p for p in root.glob("parts/*") if parts.read_part(p)["seed"][0].as_py() == 9]
    table = parts.read_part(path, traces=True)
    path.unlink()
    content = parts.encode_table(table.set_column(0, "key", [["0" * 16]]))
    (path.parent / parts.part_name(content)).write_bytes(content)
    assert skipped(root) == {
        f"run {'0' * 16}": f"its config is of the run {run_key(config())}, not of this one"
    }


def test_a_run_stored_twice_is_read_once_and_the_first_is_taken(root):
    for performance in (0.25, 0.5):
        add(root, seed=9, anytime_performance=performance)
    (run,) = read_experiment(root).runs
    assert run.metric("anytime_performance") == 0.25
    assert run.key == run_key(config())


def test_a_run_is_complete_though_it_failed_before_or_after(root):
    store = ResultStore(root)
    store.write([RunResult(config(), error="first")], {})
    store.write([RunResult(config(8), error="one")], {})
    store.write([RunResult(config(8), error="another")], {})
    add(root, seed=9)
    store.write([RunResult(config(), error="last")], {})
    stored = read_experiment(root)
    assert [run.seed for run in stored.runs] == [9]
    assert [(failure.seed, failure.reason) for failure in stored.failures] == [(8, "another")]


def test_a_damaged_manifest_is_named_once(root):
    add(root)
    (root / "manifest.json").write_text("[")
    assert skipped(root)["manifest.json"].startswith("cannot be read: ")


def test_a_damaged_part_is_set_aside_and_its_runs_are_missing(root, caplog):
    add(root, seed=1)
    before = set(root.glob("parts/*"))
    add(root, seed=9)
    (path,) = set(root.glob("parts/*")) - before
    path.write_bytes(path.read_bytes().replace(b"fixed", b"fixes"))
    assert list(skipped(root)) == [f"parts/{path.name}"]
    store = ResultStore(root)
    with caplog.at_level(logging.WARNING):
        store.refresh()
    assert f"damaged/{path.name} is damaged, and the runs in it are made again" in caplog.text
    assert store.has(run_key(config(1)))
    assert not store.has(run_key(config()))
    assert (root / "damaged" / path.name).exists()
    assert skipped(root) == {}


def test_a_store_reads_what_others_write_and_what_was_merged(root):
    store, other = ResultStore(root), ResultStore(root)
    add(root, seed=1)
    store.refresh()
    other.write([RunResult(config(2), error="it broke")], {})
    add(root, seed=3)
    assert [store.has(run_key(config(seed))) for seed in (1, 2, 3)] == [True, False, False]
    store.refresh()
    assert [store.has(run_key(config(seed))) for seed in (1, 2, 3)] == [True, False, True]
    for path in root.glob("parts/*"):
        path.unlink()
    store.refresh()
    assert not store.has(run_key(config(1)))


def test_a_folder_in_the_layout_of_earlier_versions_is_not_added_to(root):
    add(root)
    (root / "0123456789abcdef").mkdir()
    with pytest.raises(StoreError, match="1 runs in the layout of earlier versions: convert them"):
        ResultStore(root)
    assert "convert it with `atn-gym pack" in skipped(root)["0123456789abcdef"]


def digit_changed(content, draws):
    places = [i for i, byte in enumerate(content) if chr(byte).isdigit()]
    place = draws.choice(places)
    others = [digit for digit in b"0123456789" if digit != content[place]]
    return content[:place] + bytes([draws.choice(others)]) + content[place + 1 :]


def bit_flipped(content, draws):
    place = draws.randrange(len(content))
    return (
        content[:place] + bytes([content[place] ^ 1 << draws.randrange(8)]) + content[place + 1 :]
    )


@pytest.mark.parametrize("times", [20, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", [digit_changed, bit_flipped])
def test_no_changed_digit_or_bit_of_a_sealed_file_is_taken(root, change, times):
    draws = random.Random(0)
    ResultStore(root).write_manifest({"workers": 2, "commit": "0123456789abcdef", "seeds": [0]})
    set_labels(root, {"1" * 16: "first", "0" * 16: "second"}, {"1" * 16: "2" * 16})
    for name, read in (("manifest.json", read_sealed), ("labels.json", read_labels)):
        path = root / name
        original = path.read_bytes()
        assert read(path) is not None
        for _ in range(times):
            path.write_bytes(change(original, draws))
            assert path.read_bytes() != original
            with pytest.raises(Unreadable):
                read(path)
        path.write_bytes(original)
