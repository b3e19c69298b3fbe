"""Runs and epochs as data frames, and single runs in the terminal."""

import pandas as pd
import pytest
from stored_runs import ENV, EPOCHS, OTHER, add, trace

import atn_gym
from atn_gym import cli
from atn_gym.errors import InvalidArgument
from atn_gym.eval.storage.pack import pack


@pytest.fixture
def results(root):
    for seed in range(3):
        add(root, "fixed", seed, anytime_performance=seed / 4, wall_clock_s={"total": 0.5})
        add(root, "mine", seed, env=OTHER, arguments={"gain": 0.5}, recovery_time=seed or None)
    rows = [{**row, "weight_decay": 1e-4} for row in trace(4)]
    rows[-1] |= {"diverged": True, "val_loss": float("nan")}
    add(root, "mine", 3, env=OTHER, arguments={"gain": 0.5}, rows=rows, diverged=True)
    return root


def test_runs_have_labels_metrics_and_config_in_columns(results):
    frame = atn_gym.load_results(results).runs
    assert len(frame) == 7
    assert list(frame.columns[:4]) == ["run", "env", "controller", "seed"]
    fixed = frame[frame.controller == "fixed"]
    assert fixed.anytime_performance.tolist() == [0, 0.25, 0.5]
    assert fixed["wall_clock_s.total"].tolist() == [0.5] * 3
    assert fixed["config.env.severity"].tolist() == [ENV["severity"]] * 3
    assert fixed["config.env.hyperparameters"].unique().tolist() == [
        '["learning_rate", "momentum"]'
    ]
    assert frame["config.controller.gain"].isna().tolist() == [True] * 3 + [False] * 4
    assert frame.flops.dtype.kind == "i"
    mine = frame[frame.controller == "mine"]
    assert mine.env.unique().tolist() == ["DigitsCnn-Stationary"]
    assert mine.recovery_time.isna().tolist() == [True, False, False, True]
    assert mine.diverged.tolist() == [None, None, None, True]


def test_epochs_have_a_row_for_each_epoch_of_each_run(results):
    loaded = atn_gym.load_results(results)
    assert repr(loaded) == f"LoadedResults(7 runs, {6 * EPOCHS + 4} epochs)"
    frame = loaded.epochs
    assert len(frame) == 6 * EPOCHS + 4
    one = frame[(frame.controller == "fixed") & (frame.seed == 2)]
    assert one.epoch.tolist() == list(range(1, EPOCHS + 1))
    assert one.val_loss.tolist() == [1 / t for t in range(1, EPOCHS + 1)]
    assert one.run.unique().tolist() == [loaded.runs.run[2]]
    last = frame[frame.seed == 3]
    assert last.val_loss.isna().tolist() == [False] * 3 + [True]
    assert last.diverged.tolist() == [False] * 3 + [True]
    assert last.weight_decay.tolist() == [1e-4] * 4
    assert frame[frame.seed != 3].weight_decay.isna().all()


def test_a_scan_gives_the_same_epochs_in_pieces(results):
    loaded = atn_gym.load_results(results)
    for packed in (False, True):
        if packed:
            pack(results)
            loaded = atn_gym.load_results(results)
        pieces = list(loaded.scan(["val_loss"], runs_at_once=3))
        assert [len(piece) for piece in pieces] == [30, 30, 4]
        names = ["run", "env", "controller", "seed", "epoch", "val_loss"]
        together = pd.concat([piece.astype({"run": str}) for piece in pieces], ignore_index=True)
        assert list(together.columns) == names
        pd.testing.assert_frame_equal(
            together, loaded.epochs.astype({"run": str})[names], check_categorical=False
        )


def test_results_may_be_chosen(results):
    assert len(atn_gym.load_results(results, controllers=["mine"], seeds=[1, 2])) == 2
    with pytest.raises(InvalidArgument, match="did you mean 'mine'"):
        atn_gym.load_results(results, controllers=["mind"])


def test_a_single_run_is_shown_with_config_trace_and_summary(results, capsys):
    assert cli.main(["show", str(results), "--controller", "fixed", "--seed", "2"]) == 0
    output = capsys.readouterr().out
    for text in ("kind: label_noise", "anytime_performance: 0.5", " epoch  val_loss", "total: 0.5"):
        assert text in output
    assert len([line for line in output.splitlines() if line.strip().endswith("17")]) == EPOCHS


def test_several_runs_are_listed(results, capsys, monkeypatch):
    monkeypatch.setattr("atn_gym.eval.report.show._MOST_LISTED", 2)
    assert cli.main(["show", str(results), "--env", "DigitsCnn-DataShift"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["run", "env", "controller", "seed"]
    assert len(lines) == 5
    assert lines[-2] == "... and 1 more"
    assert "choose one by --env, --controller and --seed" in lines[-1]


def test_csv_files_hold_what_the_frames_do(results, tmp_path, capsys):
    out = tmp_path / "new" / "csv"
    assert cli.main(["show", str(results), "--seeds", "1", "2", "--csv", str(out)]) == 0
    assert capsys.readouterr().out == f"4 runs: {out / 'runs.csv'}, {out / 'epochs.csv'}\n"
    loaded = atn_gym.load_results(results, seeds=[1, 2])
    assert pd.read_csv(out / "runs.csv").run.tolist() == loaded.runs.run.tolist()
    epochs = pd.read_csv(out / "epochs.csv")
    assert epochs.val_loss.tolist() == pytest.approx(loaded.epochs.val_loss.tolist(), rel=1e-15)
    (tmp_path / "file").write_text("")
    assert cli.main(["show", str(results), "--csv", str(tmp_path / "file")]) == 2
    assert "CSV files cannot be written to" in capsys.readouterr().err
