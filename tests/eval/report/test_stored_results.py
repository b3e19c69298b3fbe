"""What is read of a results folder, and what a command says of it."""

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


def test_foreign_files_are_named_and_own_ones_are_not(root):
    add(root)
    ResultStore(root).write_manifest({"seeds": [0]})
    write_report(root)
    (root / ".hidden").write_text("")
    (root / "notes.txt").write_text("")
    (root / "checkpoints").mkdir()
    assert skipped(root) == dict.fromkeys(
        ["checkpoints", "notes.txt"], "is not a file of an experiment"
    )


def test_the_reason_of_a_failure_stands_on_one_line_without_escape_characters(root):
    add(root)
    fail(root, "worst", 0, "it broke:\n\x1b[31mred\x1b[0m")
    (failure,) = read_experiment(root).failures
    mark = "\N{REPLACEMENT CHARACTER}"
    assert failure.reason == f"it broke: {mark}[31mred{mark}[0m"


def test_a_damaged_failure_is_named(root):
    add(root)
    before = set(root.glob("parts/*"))
    fail(root, "worst", 0)
    (path,) = set(root.glob("parts/*")) - before
    path.write_bytes(path.read_bytes()[:-1])
    assert list(skipped(root)) == [f"parts/{path.name}"]
    (reason,) = skipped(root).values()
    assert reason.startswith("was changed: its checksum does not match")


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
    add(tmp_path / "broken")
    (part,) = (tmp_path / "broken").glob("parts/*")
    part.write_text("{")
    assert f"parts/{part.name}: was changed" in message(tmp_path / "broken")


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
    assert list(known.glob(".report*")) == []


def test_what_the_runner_stores_can_be_reported(tmp_path):
    env = {"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 3, "train_size": 128}
    config = {
        "experiment": "small",
        "envs": [env],
        "controllers": ["fixed", "linear_decay"],
        "seeds": 2,
        "results": str(tmp_path),
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", str(tmp_path / "small.yaml")]) == 0
    written = write_report(tmp_path / "small")
    assert (written.num_runs, written.skipped) == (4, [])
    found = tables(tmp_path / "small")
    row = cells(found["Charged in the run, means per run over all envs"], "linear_decay")
    assert (row["gradient steps"], row["flops (whole runs)"]) == ("6", "1.00")
    # It cost nothing to make, so there is nothing to earn back.
    assert [heading for heading, value in row.items() if value == NONE] == ["break-even (runs)"]
    row = cells(found["Adaptation over all envs"], "linear_decay")
    # A network that learned nothing cannot recover, and a schedule gives no alarms.
    undefined = [heading for heading, value in row.items() if value == NONE]
    assert [heading.split()[0] for heading in undefined] == ["recovered", "recovery", "false"]
    facts = found["Seeds, versions and machine"]
    assert cells(facts, "atn_gym of the runs")["value"] == f"{atn_gym.__version__} (4 runs)"
    assert cells(facts, "commit of the runs")["value"] == f"{git_commit() or 'unknown'} (4 runs)"
