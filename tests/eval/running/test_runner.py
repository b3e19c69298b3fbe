"""Experiments from config to table: what is stored, resumed and refused."""

import csv
import io
import json
import linecache
import math
import re
import subprocess
import sys
import threading

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from atn_gym import cli
from atn_gym.agents import ControllerPolicy, Fixed
from atn_gym.config import ControllerConfig, EnvConfig, load_config
from atn_gym.config_file import SHIPPED
from atn_gym.envs import registry
from atn_gym.envs.chance import chance_loss, log_score
from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics import run_metrics
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.each_env import env_table
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.running import jobs
from atn_gym.eval.running.experiment import Outcome
from atn_gym.eval.running.rollout import run_seeds
from atn_gym.eval.running.run_config import controller_config, run_configs
from atn_gym.eval.running.summary import summarise
from atn_gym.eval.running.table import outcome_tables, shown_names
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.provenance import git_commit
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import ResultStore, StoreError

EXPERIMENT = {
    "experiment": "small",
    "envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 3, "train_size": 128}],
    "controllers": ["fixed", {"name": "reduce_lr_on_plateau", "patience": 0}],
    "seeds": 2,
}


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, "results": str(tmp_path / "results")}))
    return path


def stored(config_file):
    return sorted((config_file.parent / "results" / "small").glob("*/summary.json"))


def test_run_stores_every_seed_and_prints_a_table(config_file, capsys):
    assert cli.main(["run", "--config", str(config_file)]) == 0
    output = capsys.readouterr().out
    assert "2 seeds" in output
    assert "fixed" in output
    assert "reduce_lr_on_plateau" in output
    summaries = stored(config_file)
    assert len(summaries) == 4
    for path in summaries:
        summary = json.loads(path.read_text())
        config = yaml.safe_load((path.parent / "config.yaml").read_text())
        assert run_key(config) == path.parent.name
        assert config["env"]["kind"] == "relabelling"
        assert config["env"]["severity"] == 1.0
        assert config["seed"] == summary["seed"]
        with (path.parent / "trace.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["1", "2", "3"]
        assert float(rows[-1]["val_loss"]) == summary["final_val_loss"]
        scores = [
            float(log_score(np.array(float(row["val_loss"])), chance_loss(10))) for row in rows
        ]
        assert summary["anytime_performance"] == pytest.approx(np.mean(scores))
        assert summary["flops"] == sum(int(row["flops"]) for row in rows)
    manifest = json.loads((summaries[0].parent.parent / "manifest.json").read_text())
    assert manifest["seeds"] == [0, 1]
    assert manifest["packages"]["gymnasium"] == gym.__version__
    assert {"scipy", "scikit-learn", "stable-baselines3"} <= manifest["packages"].keys()
    summary = json.loads(summaries[0].read_text())
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
    assert len(commands) <= 2
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
    summaries = [json.loads(path.read_text()) for path in stored(config_file)]
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


MODULE = """
from dataclasses import replace
import atn_gym
from atn_gym.agents import Fixed
from atn_gym.envs.tasks import DIGITS_CNN

class Mine(Fixed):
    pass

atn_gym.register_task("RunnerOwn", replace(DIGITS_CNN, num_epochs=2), replace=True)
if atn_gym.registration.env_id("RunnerOwn", "Stationary") not in atn_gym.env_ids():
    atn_gym.register_env("RunnerOwn", "Stationary")
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    (tmp_path / "runner_own.py").write_text(MODULE)
    yield tmp_path / "runner_own.py"
    sys.modules.pop("runner_own", None)
    gym.registry.pop("atn_gym/RunnerOwn-Stationary-v0", None)


def test_own_controller_and_env_run_from_the_current_folder(own_module, tmp_path):
    own = {
        "envs": [{"id": "runner_own:atn_gym/RunnerOwn-Stationary-v0", "train_size": 128}],
        "controllers": ["runner_own:Mine"],
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, **own, "results": str(tmp_path / "results")}))
    assert cli.main(["run", "--config", str(path)]) == 0
    assert len(stored(path)) == 2
    own_module.write_text(MODULE + "# changed\n")
    linecache.clearcache()
    assert cli.main(["run", "--config", str(path)]) == 0
    assert len(stored(path)) == 4, "a changed controller is another run"


METHOD = """
from pathlib import Path
from atn_gym.agents import Fixed, Method
from atn_gym.agents.method import ControllerMethod

class FromFile(Method):
    def __init__(self, path):
        self.path = Path(path)

    def policy(self, env, seeds):
        return ControllerMethod(Fixed).policy(env, seeds)

    def digest(self):
        return self.path.read_text()
"""


def test_a_run_key_depends_on_source_content_and_results_version(own_module, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    model = tmp_path / "model.txt"
    model.write_text("weights")
    own_module.write_text(METHOD)
    controller = ControllerConfig(name="runner_own:FromFile", path=str(model))

    def key():
        linecache.clearcache()
        env = EnvConfig(id="atn_gym/DigitsCnn-DataShift-v0")
        return run_key(run_configs(env, controller, [0], True)[0])

    keys = [key()]
    assert key() == keys[0]
    model.write_text("other weights")
    keys.append(key())
    own_module.write_text(METHOD + "# changed")
    keys.append(key())
    monkeypatch.setattr("atn_gym.eval.running.run_config.RESULTS_VERSION", "99.0.0")
    keys.append(key())
    assert len(set(keys)) == 4


def test_a_digest_that_is_not_text_is_named(own_module, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    own_module.write_text(METHOD.replace("self.path.read_text()", "3"))
    controller = ControllerConfig(name="runner_own:FromFile", path="x")
    with pytest.raises(InvalidArgument, match=r"digest\(\) of method 'runner_own.*got 3"):
        controller_config(controller)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def (", r"SyntaxError: invalid syntax \(faulty_own.py, line 1\)"),
        ("int('x')", "ValueError: invalid literal"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
@pytest.mark.parametrize("kind", ["controllers", "envs"])
def test_a_module_that_does_not_import_is_named_in_a_sentence(
    tmp_path, monkeypatch, text, reason, kind
):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "faulty_own.py").write_text(text)
    name = "faulty_own:Mine"
    path = tmp_path / "faulty.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, kind: [name]}))
    message = f"'{name}' must be importable, but importing 'faulty_own' fails .{reason}"
    with pytest.raises(InvalidArgument, match=message):
        load_config(path)


def test_a_method_or_controller_that_cannot_be_made_is_named_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "unmade_own.py").write_text(
        "from atn_gym.agents import Fixed, Method\n"
        "class Unmade:\n"
        "    def __init__(self, *setting, rate=1.0):\n"
        "        raise KeyError('rates')\n"
        "class Own(Unmade, Method):\n"
        "    def policy(self, env, seeds): pass\n"
        "class Mine(Unmade, Fixed): pass\n"
    )
    path = tmp_path / "unmade.yaml"
    for kind, name, told in [("method", "Own", "'unmade_own:Own'"), ("controller", "Mine", "Mine")]:
        config = {**EXPERIMENT, "controllers": [{"name": f"unmade_own:{name}", "rate": 2}]}
        path.write_text(yaml.safe_dump(config))
        message = f"{kind} {told} raised KeyError when it was made: 'rates'"
        with pytest.raises(InvalidArgument, match=message):
            load_config(path)


def test_whole_numbers_and_floats_make_the_same_run():
    def keys(severity, rate, increase, gamma):
        env = {"severity": severity, "initial": {"learning_rate": rate}}
        env = EnvConfig(id="atn_gym/DigitsCnn-DataShift-v0", **env)
        controllers = [
            ControllerConfig(name="heuristic", increase=increase),
            ControllerConfig(name="step", gamma=gamma),
        ]
        return [run_key(run_configs(env, c, [0], True)[0]) for c in controllers]

    assert keys(1, 1, 2, 1) == keys(1.0, 1.0, 2.0, 1.0)
    assert keys(1, 1, 2, 1)[0] != keys(1, 1, 3, 1)[0]


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(
        "experiment: small\nenvs: [atn_gym/DigitsCnn-DataShift-v0]\nseeds: 1\n"
        "controllers: [{name: reduce_lr_on_plateau, threshold: 1e-4}]\n"
    )
    assert load_config(path).controllers[0].arguments["threshold"] == 1e-4


def test_the_number_of_seeds_can_be_given_on_the_command_line(config_file, capsys):
    assert cli.main(["run", "--config", str(config_file), "--seeds", "1"]) == 0
    assert len(stored(config_file)) == 2
    assert cli.main(["run", "--config", str(config_file), "--seeds", "0"]) == 2
    assert "seeds must be a number >= 1" in capsys.readouterr().err


def test_complete_runs_are_not_made_again(config_file, monkeypatch):
    cli.main(["run", "--config", str(config_file)])
    before = {path: path.stat().st_mtime_ns for path in stored(config_file)}
    removed, kept = stored(config_file)[0], stored(config_file)[1:]
    removed.unlink()
    made = []
    original = jobs.evaluate_seeds

    def counting(method, env, seeds, *arguments):
        made.extend(seeds)
        return original(method, env, seeds, *arguments)

    monkeypatch.setattr(jobs, "evaluate_seeds", counting)
    assert cli.main(["run", "--config", str(config_file)]) == 0
    assert len(made) == 1
    assert removed.exists()
    assert all(path.stat().st_mtime_ns == before[path] for path in kept)


def test_the_runs_of_a_job_are_stored_at_once(config_file, monkeypatch):
    both = threading.Barrier(2)
    original = ResultStore.write

    def waiting(*arguments):
        both.wait(timeout=30)
        original(*arguments)

    monkeypatch.setattr(ResultStore, "write", waiting)
    assert cli.main(["run", "--config", str(config_file)]) == 0
    assert len(stored(config_file)) == 4


def test_a_full_disk_ends_the_command_with_the_remedy(config_file, monkeypatch, capsys):
    def full_disk(*arguments):
        raise StoreError("no space: earlier results are intact")

    monkeypatch.setattr(ResultStore, "write", full_disk)
    assert cli.main(["run", "--config", str(config_file)]) == 2
    assert "earlier results are intact" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("summary.json", "{", "summary.json cannot be read: "),
        ("summary.json", "[]", "summary.json holds no mapping"),
        ("summary.json", "\x00", "summary.json cannot be read: "),
        ("summary.json", '{"seed": 0}', "summary.json or another file"),
        ("trace.csv", None, "trace.csv cannot be read: No such file"),
        ("trace.csv", "", "trace.csv cannot be read: "),
        ("config.yaml", None, "config.yaml cannot be read: No such file"),
        ("config.yaml", "", "config.yaml holds no mapping"),
    ],
)
def test_a_damaged_run_is_named_and_made_anew(config_file, caplog, name, text, reason):
    cli.main(["run", "--config", str(config_file)])
    folder = stored(config_file)[0].parent
    before = contents(folder)
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    assert cli.main(["run", "--config", str(config_file)]) == 0
    (record,) = [r.getMessage() for r in caplog.records]
    assert f"{folder} is damaged and made anew: {reason}" in record
    assert contents(folder) == before


def contents(folder):
    """The files of a run, without wall-clock."""
    files = {path.name: path.read_text() for path in folder.iterdir()}
    summary = json.loads(files["summary.json"])
    return {**files, "summary.json": {**summary, "wall_clock_s": 0, "checksum": 0}}


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
    assert run({"name": "step"}, step) == ["c", "step (gamma=0.3)", "step (gamma=0.5)"]
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
        store.write({"seed": 0}, [{"epoch": 1}], {"seed": 0})
    assert [p for p in (tmp_path / "results").rglob("*") if p.is_file()] == []


def test_what_killed_writes_left_is_removed_by_whoever_claims_the_run(tmp_path):
    store, config = ResultStore(tmp_path), {"seed": 0}
    folder = tmp_path / run_key(config)
    folder.mkdir()
    left = [folder / ".trace.csv.1", folder / ".summary.json.22", tmp_path / ".manifest.json.1"]
    for path in left:
        path.write_text("")
    with ResultStore(tmp_path).claims([config]), store.claims([config]) as claimed:
        assert claimed == [False]
    left[0].write_text("")
    with store.claims([config]):
        store.write_manifest({})
        assert not any(path.exists() for path in left)


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


EXPERIMENTS = [path for path in SHIPPED.glob("*.yaml") if not path.stem.startswith("train_")]


@pytest.mark.parametrize("path", sorted(EXPERIMENTS), ids=lambda path: path.stem)
def test_every_shipped_experiment_is_valid(path):
    config = load_config(path)
    assert config.experiment == path.stem
    assert load_config(path.stem) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controlers": []}, "unknown key 'controlers'; did you mean 'controllers'"),
        ({"seeds": "many"}, "seeds must be a number >= 1, or a list .* got 'many'"),
        ({"seeds": 0}, "seeds must be a number >= 1"),
        ({"seeds": [1, 1]}, "seeds must be a number >= 1, or a list of different"),
        ({"seeds": True}, "seeds must be a number >= 1"),
        ({"experiment": "../up"}, "experiment: String should match"),
        ({"envs": []}, "envs: List should have at least 1 item"),
        ({"envs": ["atn_gym/DigitsCnn-DataShft-v0"]}, "did you mean 'atn_gym/DigitsCnn-DataShift"),
        ({"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "sevrity": 1}]}, "mean 'severity'"),
        (
            {"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "severity": 3}]},
            r"in \[0, 1\], got 3",
        ),
        ({"envs": ["no_such_module:x"]}, "No module named 'no_such_module'"),
        (
            {"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "task": "MnistCnn"}]},
            "'task' is part of the env id",
        ),
        ({"controllers": ["fixd"]}, "unknown controller 'fixd'; did you mean 'fixed'"),
        ({"controllers": [{"name": "reduce_lr_on_plateau", "factor": 3}]}, "Factor should be"),
        ({"controllers": [{"patience": 3}]}, "the key 'controllers.0.name' is missing"),
        (
            {"seeds": [2**63]},
            r"different integers from 0 to 2\*\*63 - 1, got \[9223372036854775808",
        ),
        ({"controllers": [{"name": "fixed", "lable": "x"}]}, "unknown key 'lable' .* mean 'label'"),
        (
            {"controllers": [{"name": "cosine", "label": "heuristic"}]},
            "label of 'cosine' must not be the name of another controller, got 'heuristic'",
        ),
        (
            {"envs": [EXPERIMENT["envs"][0], {**EXPERIMENT["envs"][0], "severity": 0.4}]},
            "envs must differ in id or arguments, got 'atn_gym/DigitsCnn-DataShift-v0' and",
        ),
        (
            {"controllers": ["step", "fixed", {"name": "step", "gamma": 0.3, "label": "mine"}]},
            "controllers must differ in name or arguments, got 'step' and 'mine'",
        ),
    ],
)
def test_wrong_values_are_named(tmp_path, changes, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, **changes}))
    with pytest.raises(InvalidArgument, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- a", "must hold a mapping"),
        ("a: [", "not valid YAML.*line 1"),
        ("seeds: 1\nb: {c: 1, c: 2}", "not valid YAML: the key 'c' is given twice.*line 2"),
    ],
)
def test_files_that_hold_no_experiment_are_named(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        load_config(path)


def test_missing_config_points_at_a_shipped_one(capsys):
    assert cli.main(["run", "--config", "digits_dta_shift"]) == 2
    assert "did you mean 'digits_data_shift'" in capsys.readouterr().err


def test_a_partly_failed_controller_is_marked_in_the_table():
    def outcome(name, label, complete, failed):
        summary = {
            "compute_adjusted_performance": 0.5,
            "anytime_performance": 0.25,
            "final_val_accuracy": 0.9,
            "collapsed": True,
            "rollback_count": 1,
        }
        controller = ControllerConfig(name=name, label=label)
        failures = dict.fromkeys(range(failed), "broke")
        env = EnvConfig(id="atn_gym/DigitsCnn-Stationary-v0")
        return Outcome(env, controller, [summary] * complete, failures)

    (table,) = outcome_tables(
        [outcome("fixed", "a", 4, 0), outcome("step", "[/b]", 1, 3), outcome("spsa", "c", 0, 4)]
    )
    assert str(table.title) == "DigitsCnn-Stationary, 4 seeds"
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    rows = console.file.getvalue().splitlines()[5:]
    assert [row.split()[0] for row in rows] == ["a", "[/b]", "c"]
    assert rows[1].startswith("[/b] (1 of 4 seeds)")
    assert "of" not in rows[0]
    assert rows[0].split()[1:] == [
        "0.500±0.000",
        "0.250±0.000",
        "90.0±0.0",
        "4",
        "/",
        "4",
        "1.0",
        NONE,
    ]
    assert rows[2].split()[1:] == ["failed"]


def test_terminal_and_report_show_the_same_statistics_words_and_order(tmp_path, capsys):
    config = {
        "experiment": "both",
        "envs": [{"id": "atn_gym/DigitsCnnPoorInit-Stationary-v0", "num_epochs": 3}],
        "controllers": ["fixed", "one_cycle", "random_online"],
        "seeds": 5,
        "results": str(tmp_path),
    }
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", str(tmp_path / "both.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    stored = read_experiment(tmp_path / "both")
    index = ResultIndex(stored.runs, stored.labels, stored.failures)
    table = env_table(BlockStatistics(index, index.block()), "one env")
    (title,) = [i for i, line in enumerate(lines) if line.startswith("DigitsCnnPoorInit-Stat")]
    (first,) = [i for i, line in enumerate(lines) if line.startswith("controller ")]
    words = " ".join(lines[title + 1 : first + 1]).split()
    for i, row in enumerate(table.rows):
        shown = lines[first + 1 + i].split()
        assert shown[0] == row.cells[0].text
        for place, name in enumerate(("compute-adjusted performance", "anytime performance"), 1):
            cell = row.cells[table.headings.index(name)]
            assert shown[place] == f"{cell.text}{cell.detail}".replace(" ", "")
            assert set(name.replace("-", "- ").split()) <= set(words)
        collapsed = row.cells[table.headings.index("collapsed runs")].text
        assert collapsed in lines[first + 1 + i]


def test_variants_are_told_apart_in_tables_as_in_the_report():
    envs = [EnvConfig(id="atn_gym/DigitsCnn-DataShift-v0", **a) for a in ({}, {"severity": 0.1})]
    controllers = [ControllerConfig(name="step", gamma=gamma) for gamma in (0.3, 0.5)]
    outcomes = [Outcome(env, c, [], {0: "broke"}) for env in envs for c in controllers]
    assert shown_names(outcomes) == [
        (f"DigitsCnn-DataShift (severity={severity})", f"step (gamma={gamma})")
        for severity in (0.4, 0.1)
        for gamma in (0.3, 0.5)
    ]
    titles = [str(table.title) for table in outcome_tables(outcomes)]
    assert titles[1].startswith("DigitsCnn-DataShift (severity=0.1), a SINGLE seed")


def test_tables_in_a_file_are_whole_and_paths_are_no_markup(config_file, tmp_path, capsys):
    label = "a label of a controller that is as long as a line of a terminal, or longer than it is"
    config = yaml.safe_load(config_file.read_text())
    controllers = [{"name": "fixed", "label": label}]
    config_file.write_text(yaml.safe_dump({**config, "controllers": controllers}))
    results = tmp_path / "x[b]y[" / "[/b]"
    assert cli.main(["run", "--config", str(config_file), "--results", str(results)]) == 0
    output = capsys.readouterr().out
    (line,) = [line for line in output.splitlines() if label in line]
    assert len(line.split("\N{PLUS-MINUS SIGN}")) == 4
    assert f"Results: {results}/small\n" in output


def test_list_prints_every_id(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.split()
    assert "atn_gym/MnistCnn-DataShift-v0" in lines
    assert len(lines) >= 36
