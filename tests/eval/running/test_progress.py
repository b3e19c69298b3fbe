import io

import pytest
from rich.console import Console

from atn_gym.config import load_config
from atn_gym.eval.running import dispatch
from atn_gym.eval.running import progress as module
from atn_gym.eval.running.executors import processes
from atn_gym.eval.running.experiment import Progress, run_experiment
from atn_gym.eval.running.progress import remaining, show_progress
from atn_gym.eval.storage.store import ResultStore


@pytest.mark.parametrize(
    ("done", "elapsed", "text"),
    [
        (0, 100.0, ""),
        (1, 10.0, "16 min left"),  # 10 s an epoch, 99 left
        (50, 30.0, "30 s left"),
        (1, 100.0, "2 h 45 min left"),
        (100, 30.0, "0 s left"),
    ],
)
def test_the_rest_is_estimated_from_epochs(done, elapsed, text):
    assert remaining(Progress(runs=10, epochs=100, epochs_done=done), elapsed) == text


def test_without_a_terminal_a_line_comes_now_and_then(capsys, monkeypatch):
    clock = iter([0.0, 10.0, 61.0, 70.0, 130.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    progress = Progress(runs=4, epochs=100)
    with show_progress(Console(file=io.StringIO()), "trial") as update:
        for epochs in (10, 50, 60, 65):
            progress.epochs_done = epochs
            progress.runs_failed = int(epochs == 65)
            update(progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "trial: 0/4 runs, 50% of epochs, 1 min left",
        "trial: 0/4 runs, 1 failed, 65% of epochs, 1 min left",
    ]


def test_a_terminal_gets_a_bar_with_the_time_that_remains():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with show_progress(console, "trial") as update:
        update(Progress(runs=4, epochs=100, epochs_done=99))
    assert "0/4 runs" in screen.getvalue()
    assert "s left" in screen.getvalue()


def test_epochs_of_workers_count_before_their_runs_are_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "_COUNT_SECONDS", 0.02)
    file = tmp_path / "small.yaml"
    file.write_text(
        "experiment: small\n"
        "envs: [{id: atn_gym/DigitsCnn-Stationary-v0, num_epochs: 60}]\n"
        "controllers: [fixed]\nseeds: 4\ntwins: false\n"
    )
    seen = []

    def note(progress):
        seen.append((progress.runs_done, progress.epochs_done))

    with processes(1) as executor:
        run_experiment(load_config(file), ResultStore(tmp_path / "results"), note, executor)
    early = {epochs for runs, epochs in seen if runs == 0}
    assert any(0 < epochs < 240 for epochs in early), "while the only job was out"
    assert [epochs for _, epochs in seen] == sorted(epochs for _, epochs in seen)
    assert seen[-1] == (4, 240)
