"""What is read of a results folder, and what a command says of it."""

import json
import math
import re

import pytest
import yaml
from made_up_runs import add, cells, fail, skipped, tables

import atn_gym
from atn_gym import cli
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.provenance import git_commit
from atn_gym.eval.storage.store import ResultStore, StoreError


def damaged(root, change):
    """A run of seed 9 that is changed after it was stored; the name of its folder."""
    before = set(root.iterdir()) if root.exists() else set()
    add(root, seed=9)
    (folder,) = set(root.iterdir()) - before
    change(folder)
    return folder.name


def edited(name, **values):
    def change(folder):
        path = folder / name
        if path.suffix == ".json":
            path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
        else:
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))

    return change


def edit_trace(change):
    def changed(folder):
        path = folder / "trace.csv"
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return changed


def summary_of_another_run(folder):
    other = next(path for path in folder.parent.iterdir() if path != folder)
    summary = json.loads((other / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "seed": 9}))


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
        (edited("summary.json", checksum="0"), "do not belong together"),
        (edit_trace(lambda lines: lines[:-2]), "has 8 epochs of a budget of 10, .* not diverge"),
        (edit_trace(lambda lines: lines[:1]), "does not have the epochs 1, 2, 3"),
        (edit_trace(lambda lines: [*lines[:4], *lines[3:-1]]), "not have the epochs 1, 2, 3"),
        (edit_trace(lambda lines: [*lines, lines[-1].replace("10", "11", 1)]), "has 11 epochs of"),
        (edit_trace(lambda lines: [line.replace("17", "18") for line in lines]), "not belong tog"),
        (summary_of_another_run, "do not belong together"),
        (edited("summary.json", anytime_performance=None), "is None, not a finite number"),
        (edited("summary.json", flops=10**400), "flops is 10+, not a finite number"),
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
        (lambda folder: (folder / "trace.csv").write_text("epoch,x\n1,y\n"), "'y' is no number"),
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


def test_a_summary_of_an_older_version_needs_no_checksum(root):
    add(root)
    (path,) = root.glob("*/summary.json")
    summary = json.loads(path.read_text())
    del summary["checksum"]
    path.write_text(json.dumps(summary))
    assert len(read_experiment(root).runs) == 1


def test_a_damaged_manifest_is_named_once(root):
    add(root)
    (root / "manifest.json").write_text("[")
    assert skipped(root)["manifest.json"].startswith("cannot be read: ")


def test_foreign_files_are_named_and_own_ones_are_not(root):
    add(root)
    ResultStore(root).write_manifest({"seeds": [0]})
    write_report(root)
    (root / ".hidden").write_text("")
    (root / "notes.txt").write_text("")
    (root / "checkpoints").mkdir()
    assert skipped(root) == dict.fromkeys(
        ["checkpoints", "notes.txt"], "is no run of an experiment"
    )


def test_a_damaged_failure_is_named(root):
    add(root)
    fail(root, "worst", 0)
    (path,) = root.glob("*/failure.json")
    path.write_text("[]")
    assert skipped(root) == {path.parent.name: "failure.json holds no mapping"}
    path.write_text("{}")
    assert skipped(root) == {path.parent.name: "failure.json: error must be text, got None"}


def test_empty_missing_and_wrong_folders_are_explained(tmp_path, capsys):
    def message(folder):
        assert cli.main(["report", str(folder)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    (tmp_path / "empty").mkdir()
    assert "holds no complete run: make some with `atn-gym run`" in message(tmp_path / "empty")
    assert "No such file or directory" in message(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    assert "Not a directory" in message(tmp_path / "file")
    add(tmp_path / "results" / "trial")
    ResultStore(tmp_path / "results" / "trial").write_manifest({})
    wanted = tmp_path / "results" / "trial"
    assert f"name the folder of one experiment, such as {wanted}" in message(tmp_path / "results")
    name = damaged(tmp_path / "broken", lambda folder: (folder / "summary.json").write_text("{"))
    assert f"{name}: summary.json cannot be read" in message(tmp_path / "broken")


def test_an_experiment_in_which_all_failed_says_why(root, capsys):
    fail(root, "worst", 0)
    fail(root, "worst", 1)
    assert cli.main(["report", str(root)]) == 2
    assert "holds no complete run: all 2 runs failed: it <b>broke</b>" in capsys.readouterr().err


def test_command_says_what_it_wrote_and_skipped(known, tmp_path, capsys):
    (known / "notes.txt").write_text("")
    out = tmp_path / "new" / "out"
    assert cli.main(["report", str(known), "--out", str(out)]) == 0
    output = capsys.readouterr()
    assert "12 runs: " in output.out
    assert "skipped: notes.txt" in output.err
    assert sorted(path.name for path in out.iterdir()) == [
        "report.html",
        "report.md",
        "summary.csv",
    ]
    assert not (known / "report.html").exists()


def test_failed_write_leaves_the_earlier_report(known, monkeypatch):
    write_report(known)
    before = (known / "report.html").read_text()
    add(known, "mine", 7)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(StoreError, match=r"No space left on device.*--out"):
        write_report(known)
    assert (known / "report.html").read_text() == before
    assert list(known.glob(".*")) == []


def test_what_the_runner_stores_can_be_reported(tmp_path):
    env = {"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 3, "train_size": 128}
    config = {
        "experiment": "small",
        "envs": [env],
        "controllers": ["fixed", "cosine"],
        "seeds": 2,
        "results": str(tmp_path),
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", str(tmp_path / "small.yaml")]) == 0
    written = write_report(tmp_path / "small")
    assert (written.num_runs, written.skipped) == (4, [])
    found = tables(tmp_path / "small")
    row = cells(found["Charged in the run, means per run over all envs"], "cosine")
    assert (row["gradient steps"], row["flops (whole runs)"]) == ("6", "1.00")
    assert NONE not in row.values()
    row = cells(found["Adaptation over all envs"], "cosine")
    assert NONE not in row.values()
    facts = found["Seeds, versions and machine"]
    assert cells(facts, "atn_gym of the runs")["value"] == f"{atn_gym.__version__} (4 runs)"
    assert cells(facts, "commit of the runs")["value"] == f"{git_commit() or 'unknown'} (4 runs)"
