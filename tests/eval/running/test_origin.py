"""Workers with other code than the process that sends them jobs."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from atn_gym.config import ExperimentConfig
from atn_gym.eval.running import dispatch
from atn_gym.eval.running.experiment import run_experiment
from atn_gym.eval.running.jobs import run_job
from atn_gym.eval.running.origin import WorkerRefused, this_process
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.store import ResultStore

CONFIG = ExperimentConfig.model_validate(
    {
        "experiment": "small",
        "envs": [{"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 2, "train_size": 128}],
        "controllers": ["fixed"],
        "seeds": 2,
    }
)


def test_a_worker_like_the_sender_is_accepted():
    this_process().check()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "0" * 64}, "other code of atn_gym .* restart the workers"),
        ({"version": {"atn_gym": "0.0.1"}}, r"has atn_gym .*, but this command has 0\.0\.1"),
    ],
)
def test_a_worker_that_differs_is_refused(changes, reason):
    other = dataclasses.replace(this_process(), **changes)
    with pytest.raises(WorkerRefused, match=reason):
        other.check()


def run_changed(tmp_path, monkeypatch, run):
    """Runs the experiment by a worker that does something else with a job."""
    monkeypatch.setattr(dispatch, "run_job", run)
    with ThreadPoolExecutor(1) as executor:
        return run_experiment(CONFIG, ResultStore(tmp_path / "here"), executor=executor)


def test_a_worker_that_would_make_other_runs_is_refused(tmp_path, monkeypatch):
    def others(job):
        return run_job(dataclasses.replace(job, keys=("0" * 16, "1" * 16)))

    with pytest.raises(WorkerRefused, match="would make other runs of 'fixed' than this command"):
        run_changed(tmp_path, monkeypatch, others)
    assert not list((tmp_path / "here").glob("parts/*"))


def test_a_worker_needs_no_folder_of_results(tmp_path, monkeypatch):
    seen = []

    def watched(job):
        before = set(tmp_path.rglob("*"))
        result = run_job(job)
        seen.append(set(tmp_path.rglob("*")) - before)
        return result

    (outcome,) = run_changed(tmp_path, monkeypatch, watched)
    assert len(outcome.summaries) == 2
    assert seen == [set()]
    assert len(read_experiment(tmp_path / "here").runs) == 2
