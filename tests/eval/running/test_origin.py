"""Workers with other code or another folder than the process that sends them jobs."""

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from atn_gym.config import ExperimentConfig
from atn_gym.eval.running import experiment, origin
from atn_gym.eval.running.experiment import run_experiment
from atn_gym.eval.running.jobs import run_job
from atn_gym.eval.running.origin import WorkerRefused, sending_jobs
from atn_gym.eval.storage.store import ResultStore

CONFIG = ExperimentConfig.model_validate(
    {
        "experiment": "small",
        "envs": [{"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 2, "train_size": 128}],
        "controllers": ["fixed"],
        "seeds": 2,
    }
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(origin, "_SEEN_WITHIN_S", 0.0)
    monkeypatch.setattr(experiment, "_SEEN_WITHIN_S", 0.0)


def test_a_worker_like_the_sender_is_accepted(tmp_path):
    with sending_jobs(tmp_path) as sender:
        sender.check(tmp_path)
    assert not list((tmp_path / ".claims").iterdir()), "the token is gone"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "0" * 64}, "other code of atn_gym .* restart the workers"),
        ({"version": {"atn_gym": "0.0.1"}}, r"has atn_gym .*, but this command has 0\.0\.1"),
        ({"token": "sender-0"}, "does not see the results folder .* that all machines share"),
    ],
)
def test_a_worker_that_differs_is_refused(changes, reason, tmp_path):
    with sending_jobs(tmp_path) as sender:
        other = dataclasses.replace(sender, **changes)
        with pytest.raises(WorkerRefused, match=reason):
            other.check(tmp_path)


def run_changed(tmp_path, monkeypatch, run):
    """Runs the experiment by a worker that does something else with a job."""
    monkeypatch.setattr(experiment, "run_job", run)
    with ThreadPoolExecutor(1) as executor:
        return run_experiment(CONFIG, ResultStore(tmp_path / "here"), executor=executor)


def test_a_worker_without_the_folder_is_refused(tmp_path, monkeypatch):
    def elsewhere(job):
        return run_job(dataclasses.replace(job, root=tmp_path / "there"))

    with pytest.raises(WorkerRefused, match="does not see the results folder"):
        run_changed(tmp_path, monkeypatch, elsewhere)
    assert not (tmp_path / "there").exists()


def test_a_worker_that_would_make_other_runs_is_refused(tmp_path, monkeypatch):
    def others(job):
        return run_job(dataclasses.replace(job, keys=("0" * 16, "1" * 16)))

    with pytest.raises(WorkerRefused, match="would make other runs of 'fixed' than this command"):
        run_changed(tmp_path, monkeypatch, others)
    assert not list((tmp_path / "here").glob("*/summary.json"))


def test_runs_that_a_worker_reports_done_and_nobody_can_read_are_failures(tmp_path, monkeypatch):
    def vanishing(job):
        result = run_job(job)
        for config in job.configs().values():
            shutil.rmtree(tmp_path / "here" / experiment.run_key(config))
        return result

    (outcome,) = run_changed(tmp_path, monkeypatch, vanishing)
    assert not outcome.summaries
    assert list(outcome.failures) == [0, 1]
    assert "reported it done, but" in outcome.failures[0]
