"""Experiments from config to table: what is stored, resumed and refused."""

import contextlib
import json
import math
import re
import subprocess

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml
from sweeps import part_files, results_of, stored

from atn_gym import cli
from atn_gym.agents import ControllerPolicy, Fixed
from atn_gym.envs.chance import chance_loss, log_score
from atn_gym.eval.metrics import run_metrics
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.running import jobs
from atn_gym.eval.running.rollout import run_seeds
from atn_gym.eval.running.summary import summarise
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.provenance import git_commit
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import ResultStore, StoreError


def test_run_stores_every_seed_and_prints_a_table(config_file, capsys):
    assert cli.main(["run", "--config", str(config_file)]) == 0
    output = capsys.readouterr().out
    assert "2 seeds" in output
    assert "fixed" in output
    assert "reduce_lr_on_plateau" in output
    runs = stored(config_file)
    assert len(runs) == 4
    assert len(part_files(config_file)) == 2
    for run in runs:
        summary, config, trace = run.summary, run.config, run.trace
        assert run_key(config) == run.key
        assert config["env"]["kind"] == "relabelling"
        assert config["env"]["severity"] == 1.0
        assert config["seed"] == summary["seed"]
        assert trace["epoch"].tolist() == [1, 2, 3]
        assert trace["val_loss"][-1] == summary["final_val_loss"]
        scores = log_score(trace["val_loss"], chance_loss(10))
        assert summary["anytime_performance"] == pytest.approx(np.mean(scores))
        assert summary["flops"] == trace["flops"].sum()
    manifest = json.loads((results_of(config_file) / "manifest.json").read_text())
    (provenance,) = runs[0].table.provenance()
    assert provenance == {k: v for k, v in manifest.items() if k not in ("seeds", "checksum")}
    assert manifest["seeds"] == [0, 1]
    assert manifest["packages"]["gymnasium"] == gym.__version__
    assert {"scipy", "scikit-learn", "stable-baselines3"} <= manifest["packages"].keys()
    summary = runs[0].summary
    assert summary["commit"] == manifest["git_commit"]
    assert summary["version"] == manifest["atn_gym"]


def test_the_manifest_tells_the_threads_that_trained(config_file, monkeypatch):
    used = set()
    original = torch.set_num_threads

    def noting(count):
        used.add(count)
        original(count)

    before = torch.get_num_threads()
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(3)))
    monkeypatch.setattr("torch.set_num_threads", noting)
    cli.main(["run", "--config", str(config_file)])
    manifest = json.loads((config_file.parent / "results" / "small" / "manifest.json").read_text())
    assert manifest["workers"] == 1
    assert manifest["threads"] == {"compiled": 3}
    assert used - {before} == {3}


def test_a_later_manifest_keeps_what_earlier_ones_say_otherwise(tmp_path):
    store = ResultStore(tmp_path)

    def written(**facts):
        store.write_manifest(facts)
        return read_sealed(tmp_path / "manifest.json")

    assert written(commit="a", seeds=[0]) == {"commit": "a", "seeds": [0]}
    assert written(commit="a", seeds=[0]) == {"commit": "a", "seeds": [0]}
    first, second = {"commit": "a", "seeds": [0]}, {"commit": "b", "seeds": [0]}
    assert written(**second) == {**second, "earlier": [first]}
    assert written(**first) == {**first, "earlier": [second]}
    third = {"commit": "c", "seeds": [1]}
    assert written(**third) == {**third, "earlier": [second, first]}
    (tmp_path / "manifest.json").write_text("[")
    assert written(**first) == first


def test_the_commit_is_read_once_and_only_of_files_that_git_tracks(tmp_path, monkeypatch):
    commands = []
    original = subprocess.run

    def counting(command, **options):
        commands.append(command)
        return original(command, **options)

    monkeypatch.setattr("subprocess.run", counting)
    git_commit.cache_clear()
    assert git_commit() == git_commit()
    assert 1 <= len(commands) <= 2
    # A package installed into an environment that lies in someone's repository.
    folder = tmp_path / "venv" / "atn_gym"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    identity = ["-c", "user.name=x", "-c", "user.email=x"]
    for command in (["init", "-q"], [*identity, "commit", "-qm", "x", "--allow-empty"]):
        original(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr("atn_gym.__file__", str(folder / "__init__.py"))
    git_commit.cache_clear()
    try:
        assert git_commit() is None
        original(["git", "-C", str(tmp_path), "add", "."], check=True)
        assert re.fullmatch(r"[0-9a-f]{40}-dirty", git_commit.__wrapped__())
    finally:
        git_commit.cache_clear()


def test_results_equal_those_of_a_plain_loop(config_file):
    cli.main(["run", "--config", str(config_file)])
    env = gym.make("atn_gym/DigitsCnn-DataShift-v0", num_epochs=3, train_size=128)
    env.reset(seed=1)
    for _ in range(3):
        *_, info = env.step(np.zeros(3, np.float32))
    summaries = [run.summary for run in stored(config_file)]
    losses = {s["final_val_loss"] for s in summaries if s["seed"] == 1}
    assert info["privileged"]["val_loss"] in losses
    tests = {s["test_loss"] for s in summaries if s["seed"] == 1}
    assert env.unwrapped.test_metrics()["test_loss"] in tests


def test_rerun_leaves_the_manifest_of_those_results(config_file):
    cli.main(["run", "--config", str(config_file)])
    manifest = config_file.parent / "results" / "small" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    cli.main(["run", "--config", str(config_file)])
    assert manifest.stat().st_mtime_ns == before
    assert [path.name for path in manifest.parent.rglob(".*")] == [".claims"]


def test_the_number_of_seeds_can_be_given_on_the_command_line(config_file, capsys):
    assert cli.main(["run", "--config", str(config_file), "--seeds", "1"]) == 0
    assert len(stored(config_file)) == 2
    assert cli.main(["run", "--config", str(config_file), "--seeds", "0"]) == 2
    assert "seeds must be a number from 1 to" in capsys.readouterr().err


def test_complete_runs_are_not_made_again(config_file, monkeypatch):
    cli.main(["run", "--config", str(config_file)])
    removed, kept = part_files(config_file)
    removed.unlink()
    before = kept.stat().st_mtime_ns
    made = []
    original = jobs.evaluate_seeds

    def counting(method, env, seeds, *arguments):
        made.extend(seeds)
        return original(method, env, seeds, *arguments)

    monkeypatch.setattr(jobs, "evaluate_seeds", counting)
    assert cli.main(["run", "--config", str(config_file)]) == 0
    assert sorted(made) == [0, 1]
    assert len(stored(config_file)) == 4
    assert kept.stat().st_mtime_ns == before


def test_a_full_disk_ends_the_command_with_the_remedy(config_file, monkeypatch, capsys):
    def full_disk(*arguments):
        raise StoreError("no space: earlier results are intact")

    monkeypatch.setattr(ResultStore, "write_part", full_disk)
    assert cli.main(["run", "--config", str(config_file)]) == 2
    assert "earlier results are intact" in capsys.readouterr().err


@pytest.mark.parametrize("place", [4, 100, -100, -1])
def test_a_damaged_part_is_named_and_its_runs_are_made_anew(config_file, caplog, place):
    cli.main(["run", "--config", str(config_file)])
    before = contents(config_file)
    path = part_files(config_file)[0]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert cli.main(["run", "--config", str(config_file)]) == 0
    (record,) = [r.getMessage() for r in caplog.records]
    assert f"damaged/{path.name} is damaged, and the runs in it are made again: " in record
    assert contents(config_file) == before


def contents(config_file):
    """What the runs are, without wall-clock."""
    runs = stored(config_file)
    return [
        (
            run.key,
            run.config,
            {name: value for name, value in run.summary.items() if name != "wall_clock_s"},
            {name: values.tobytes() for name, values in run.trace.items()},
        )
        for run in runs
    ]


def test_labels_are_those_of_the_last_command_that_has_the_controller(config_file):
    def run(*controllers):
        config = yaml.safe_load(config_file.read_text())
        config_file.write_text(yaml.safe_dump({**config, "controllers": list(controllers)}))
        assert cli.main(["run", "--config", str(config_file)]) == 0
        results = read_experiment(config_file.parent / "results" / "small")
        return sorted(c.label for c in ResultIndex(results.runs, results.labels).controllers)

    step = {"name": "step", "gamma": 0.5}
    assert run({"name": "step", "label": "a"}, {**step, "label": "b"}) == ["a", "b"]
    assert run({"name": "fixed", "label": "c"}) == ["a", "b", "c"]
    assert run({**step, "label": "d"}) == ["a", "c", "d"]
    assert run({"name": "step"}, step) == ["c", "step (gamma=0.5)", "step (gamma=0.573)"]
    assert len(stored(config_file)) == 6


def test_interrupt_keeps_complete_runs(config_file, monkeypatch, capsys):
    original, calls = jobs.evaluate_seeds, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(jobs, "evaluate_seeds", interrupted)
    assert cli.main(["run", "--config", str(config_file)]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert len(stored(config_file)) == 2


def test_failed_write_leaves_no_partial_file(tmp_path, monkeypatch):
    store = ResultStore(tmp_path / "results")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(StoreError, match=r"No space left on device.*earlier results are intact"):
        store.write([RunResult({"seed": 0}, [{"epoch": 1}], {"seed": 0})], {})
    assert [p for p in (tmp_path / "results").rglob("*") if p.is_file()] == []


def test_what_killed_writes_left_is_removed_by_whoever_claims_the_run(tmp_path):
    store, key = ResultStore(tmp_path), run_key({"seed": 0})
    left = [tmp_path / ".claims" / f"{key}.part", tmp_path / ".manifest.json.1"]
    for path in left:
        path.write_text("")
    with ResultStore(tmp_path).claims([key]), store.claims([key]) as claims:
        assert claims.mine == set()
    (tmp_path / ".claims" / key).touch()
    left[0].write_text("")
    with store.claims([key]) as claims:
        assert claims.suspects == {key}
        store.write_manifest({})
        assert not any(path.exists() for path in left)


def test_a_claim_leaves_no_file_unless_it_is_kept(tmp_path):
    store, keys = ResultStore(tmp_path), [run_key({"seed": seed}) for seed in range(2)]
    with store.claims(keys) as claims:
        assert claims.mine == set(keys)
        assert claims.suspects == set()
        claims.kept.add(keys[1])
    assert [path.name for path in (tmp_path / ".claims").iterdir()] == [keys[1]]
    with contextlib.suppress(KeyboardInterrupt), store.claims(keys) as claims:
        assert claims.suspects == {keys[1]}
        raise KeyboardInterrupt
    assert not list((tmp_path / ".claims").iterdir())


def test_results_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        ResultStore(tmp_path / "file" / "results")


def test_ended_runs_stop_counting_while_others_train():
    env = gym.make_vec(
        "atn_gym/DigitsCnn-Stationary-v0",
        num_envs=2,
        num_epochs=3,
        train_size=128,
        autoreset_mode="Disabled",
    )
    original = env.unwrapped.episodes.step

    def diverging(runs, actions):
        if 1 in runs:
            model = env.unwrapped.episodes._trainer._engine.model(1)
            model.linear2.bias.data[0] = math.nan
        return original(runs, actions)

    env.unwrapped.episodes.step = diverging
    records = run_seeds(ControllerPolicy.for_env(Fixed, env), env, [0, 1])
    assert [len(record.trace) for record in records] == [3, 1]
    summary = summarise(records[1], num_epochs=3, num_classes=10)
    assert summary["diverged"]
    assert summary["anytime_performance"] == -1
    assert summary["final_val_loss"] == pytest.approx(5 * math.log(10))
    assert summary["final_val_accuracy"] == pytest.approx(0.1)
    assert summary["gradient_steps"] == 2


def test_metrics_of_a_run_that_ended_early():
    scores = run_metrics.pad_diverged(np.array([0.5, 0.3]), 4, -1.0)
    np.testing.assert_array_equal(scores, [0.5, 0.3, -1, -1])
    assert run_metrics.anytime_performance(scores) == pytest.approx(-0.3)
    assert run_metrics.mean_val_loss(np.array([1.0, 2.0])) == 1.5
    assert run_metrics.final(np.array([1.0, 2.0])) == 2.0
