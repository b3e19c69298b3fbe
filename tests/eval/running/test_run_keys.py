"""What a run key depends on, and controllers and envs of a module of one's own."""

import linecache
import sys

import gymnasium as gym
import pytest
import yaml
from sweeps import EXPERIMENT, stored

from atn_gym import cli
from atn_gym.config import ControllerConfig, EnvConfig, load_config
from atn_gym.envs import registry
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.run_config import controller_config, run_configs
from atn_gym.eval.storage.keys import run_key

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


def test_a_revision_of_an_engine_changes_the_keys_of_its_runs_only(monkeypatch):
    def key(engine):
        env = EnvConfig(id="atn_gym/DigitsMlp-DataShift-v0", engine=engine)
        return run_key(run_configs(env, ControllerConfig(name="fixed"), [0], True)[0])

    before = {engine: key(engine) for engine in ("torch", "batched")}
    monkeypatch.setattr("atn_gym.eval.running.run_config._REVISIONS", {"batched": 99})
    assert key("torch") == before["torch"] != before["batched"] != key("batched")
    assert key("auto") == key("batched")


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
    for name, told, made in [
        ("Own", "method 'unmade_own:Own'", "made"),
        ("Mine", "controller Mine", "made from the setting of a run"),
    ]:
        config = {**EXPERIMENT, "controllers": [{"name": f"unmade_own:{name}", "rate": 2}]}
        path.write_text(yaml.safe_dump(config))
        message = f"{told} raised KeyError when it was {made}: 'rates'"
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
