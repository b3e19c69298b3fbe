"""Results folders that were damaged, or made by someone else: named, and never read as a run."""

import itertools
import json
import math
import os
import random
import re

import pytest
import yaml
from stored_runs import add

from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import read_labels, set_labels
from atn_gym.eval.storage.runs import read_failure, read_run
from atn_gym.eval.storage.sealing import CHECKSUM, seal
from atn_gym.eval.storage.store import ResultStore
from atn_gym.files import Unreadable

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in itertools.pairwise("abcdefghi")
)


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """Spares these small files the wait for the disk."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "trial"


def skipped(root):
    return {entry.name: entry.reason for entry in read_experiment(root).skipped}


def damaged(root, change):
    """A run of seed 9 that is changed after it was stored; the name of its folder."""
    before = set(root.iterdir()) if root.exists() else set()
    add(root, seed=9)
    (folder,) = set(root.iterdir()) - before
    change(folder)
    return folder.name


def reseal(folder, **values):
    """Seals a summary anew, as whoever knows how would: what it says is checked nevertheless."""
    path = folder / "summary.json"
    summary = {**json.loads(path.read_text()), **values}
    summary.pop(CHECKSUM)
    belonging = [(folder / name).read_text() for name in ("config.yaml", "trace.csv")]
    path.write_text(seal(summary, *belonging))


def edited(name, **values):
    def change(folder):
        if name == "summary.json":
            reseal(folder, **values)
        else:
            path = folder / name
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))

    return change


def written(name, text):
    return lambda folder: (folder / name).write_text(text)


def changed(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def without_checksum(folder):
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    del summary[CHECKSUM]
    path.write_text(json.dumps(summary, indent=2) + "\n")


def as_a_pipe(name):
    def change(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def edit_trace(change, sealed=True):
    def edit(folder):
        path = folder / "trace.csv"
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
        if sealed:
            reseal(folder)

    return edit


def summary_of_another_run(folder):
    other = next(path for path in folder.parent.iterdir() if path != folder)
    (folder / "summary.json").write_bytes((other / "summary.json").read_bytes())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "summary.json").unlink(), "run is not complete; .* resumes it"),
        (lambda folder: (folder / "summary.json").write_text("{"), "summary.json cannot be read"),
        (lambda folder: (folder / "summary.json").write_text("[]"), "holds no mapping"),
        (lambda folder: (folder / "summary.json").write_bytes(b"\xff"), "cannot be read"),
        (edited("summary.json", seed=3), "of seed 3, not 9"),
        (edited("summary.json", flops=0), r"flops is 0, not in \[1, inf\]"),
        (edited("summary.json", flops=10**8), "run_flops is above flops"),
        (edited("summary.json", anytime_performance=7.5), r"is 7.5, not in \[-1, 1\]"),
        (edited("summary.json", mean_val_loss="abc"), "is 'abc', not a finite number"),
        (edited("summary.json", diverged="no"), "diverged is 'no', not true or false"),
        (changed("summary.json", '"seed": 9', '"seed":  9'), "its checksum does not match"),
        (changed("summary.json", '"flops"', '"flopt"'), "its checksum does not match"),
        (without_checksum, "its checksum does not match"),
        (edit_trace(lambda lines: lines[:-2]), "has 8 epochs of a budget of 10, .* not diverge"),
        (edit_trace(lambda lines: lines[:1]), "does not have the epochs 1, 2, 3"),
        (edit_trace(lambda lines: [*lines[:4], *lines[3:-1]]), "not have the epochs 1, 2, 3"),
        (edit_trace(lambda lines: [*lines, lines[-1].replace("10", "11", 1)]), "has 11 epochs of"),
        (
            edit_trace(lambda lines: [line.replace("17", "18") for line in lines], sealed=False),
            "another file of its run was changed",
        ),
        (summary_of_another_run, "another file of its run was changed"),
        (as_a_pipe("summary.json"), "summary.json is not a regular file"),
        (as_a_pipe("trace.csv"), "trace.csv is not a regular file"),
        (edited("summary.json", version="\x1b[2J"), "unprintable character '.x1b'"),
        (edited("summary.json", commit="\ud800"), "unprintable character '.ud800'"),
        (written("config.yaml", "seed: !!bool x"), "config.yaml cannot be read"),
        (written("config.yaml", "seed: !!int x"), "config.yaml cannot be read"),
        (written("config.yaml", "seed: 2020-01-01"), "must not be of type date"),
        (written("config.yaml", "[" * 200_000), "more than 50 levels deep"),
        (written("config.yaml", ALIASES), "more than 100,000 values"),
        (written("summary.json", "[" * 200_000), "summary.json cannot be read"),
        (edited("summary.json", anytime_performance=None), "is None, not a finite number"),
        (edited("summary.json", flops=10**400), "an integer must be below"),
        (edited("summary.json", flops=math.inf), "flops is inf, not a finite number"),
        (lambda folder: (folder / "config.yaml").unlink(), "config.yaml cannot be read: No such"),
        (lambda folder: (folder / "config.yaml").write_text("a: ["), "config.yaml cannot be read"),
        (
            lambda folder: (folder / "config.yaml").write_text(
                "!!python/object/apply:os.getcwd []"
            ),
            "config.yaml cannot be read: could not determine a constructor",
        ),
        (edited("config.yaml", seed=8), "is of the run [0-9a-f]{16}, not of this folder"),
        (edited("config.yaml", env="x"), "env, controller or seed is missing"),
        (lambda folder: (folder / "trace.csv").unlink(), "trace.csv cannot be read: No such"),
        (lambda folder: (folder / "trace.csv").write_text(""), "cannot be read: it has no header"),
        (lambda folder: (folder / "trace.csv").write_text("epoch,val_loss\n"), "no column gradien"),
        (lambda folder: (folder / "trace.csv").write_text("epoch,x\n1,y\n"), "'y' is not a number"),
        (
            lambda folder: (folder / "trace.csv").write_text("epoch\n1\n2,3\n"),
            "line 3 has 2 values for 1 columns",
        ),
        (lambda folder: (folder / "trace.csv").write_text("epoch\n1\n"), "no column val_loss"),
        (lambda folder: folder.rename(folder.parent / ("0" * 16)), "not of this folder"),
    ],
)
def test_damaged_runs_are_named_and_not_read(root, change, reason):
    add(root)
    name = damaged(root, change)
    found = skipped(root)
    assert len(read_experiment(root).runs) == 1
    assert list(found) in ([name], ["0" * 16])
    assert re.search(reason, next(iter(found.values())))
    write_report(root)
    assert name in (root / "report.html").read_text() or "0" * 16 in found


def test_a_damaged_manifest_is_named_once(root):
    add(root)
    (root / "manifest.json").write_text("[")
    assert skipped(root)["manifest.json"].startswith("cannot be read: ")


def stored_files(root):
    """A folder that has a file of each kind, and its readings by the name of a kind."""
    add(root)
    (run,) = [path for path in root.iterdir() if path.is_dir()]
    ResultStore(root).write_manifest({"workers": 2, "commit": "0123456789abcdef", "seeds": [0]})
    set_labels(root, {run.name: "first", "0" * 16: "second"}, {"1" * 16: "2" * 16})
    config = {"env": {"id": "x"}, "controller": {"name": "other"}, "seed": 1, "rate": 0.125}
    ResultStore(root).write_failure(config, "controller Other raised KeyError at epoch 31")
    failed = root / run_key(config)
    return {
        run / "summary.json": lambda: vars(read_run(run)) | {"trace": None},
        run / "trace.csv": lambda: {k: v.tolist() for k, v in read_run(run).trace.items()},
        run / "config.yaml": lambda: read_run(run).config,
        failed / "failure.json": lambda: read_failure(failed),
        failed / "config.yaml": lambda: read_failure(failed),
        root / "manifest.json": lambda: read_experiment(root).manifest,
        root / "labels.json": lambda: vars(read_labels(root / "labels.json")),
    }


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
def test_no_changed_digit_or_bit_is_taken(root, change, times):
    draws = random.Random(0)
    for path, read in stored_files(root).items():
        original = path.read_bytes()
        assert read() is not None
        for _ in range(times):
            path.write_bytes(change(original, draws))
            assert path.read_bytes() != original
            try:
                taken = read() is not None
            except Unreadable:
                taken = False
            assert not taken, path.read_bytes()
        path.write_bytes(original)
        assert read() is not None
