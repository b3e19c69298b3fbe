"""Odd and hostile configs and keywords: one clear error each, soon, and never a traceback."""

import dataclasses
import datetime
import itertools
import math
import random
import time
import warnings

import gymnasium as gym
import numpy as np
import pytest
import yaml

import atn_gym
from atn_gym.agents.registry import CONTROLLERS
from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig, load_config
from atn_gym.envs.params import TuningParams
from atn_gym.errors import AtnGymError, InvalidArgument
from atn_gym.training.config import TrainingConfig, load_training_config

ENV = "atn_gym/DigitsCnn-DataShift-v0"
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in itertools.pairwise("abcdefghi")
)
MERGES = "a: &a {k1: 1, k2: 2, k3: 3, k4: 4}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 10)}]}}\n"
    for old, new in itertools.pairwise("abcdefghijk")
)
START = f"experiment: x\nenvs: [{ENV}]\ncontrollers: [fixed]\n"
MANY_KEYS = START + "".join(f"key_{i}: 1\n" for i in range(20_000))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (START + "twins: 2020-01-01", "must not be of type date"),
        (START + "seeds: !!int x", "must hold plain values"),
        (START + "seeds: !!bool x", "must hold plain values"),
        (START + "seeds: !!timestamp x", "must hold plain values"),
        (START + "seeds: !!binary x", "valid YAML"),
        (START + "seeds: !!python/object/apply:os.getcwd []", "valid YAML"),
        (START + f"seeds: {'9' * 4000}", "below 2..64 in magnitude"),
        (START + f"seeds: {'9' * 5000}", "must hold plain values"),
        (START + "seeds: " + "[" * 100_000, "50 levels deep"),
        (START + "seeds: " + "{a: " * 1000 + "1" + "}" * 1000, "50 levels deep"),
        (ALIASES, "more than 100,000 values"),
        (MERGES, "more than 100,000"),
        (START + f"seeds: {list(range(200_000))}", "1,000,000 bytes|more than 100,000 values"),
        (START + "x: " + "y" * 2_000_000, "at most 1,000,000 bytes"),
        (MANY_KEYS, "and 19,980 more"),
        (START + "seeds: 2147483648", "seeds must be a number from 1 to 100,000"),
        (START + "seeds: 9223372036854775808", "seeds must be a number from 1 to 100,000"),
        (START + "seeds: [9223372036854775808]", "seeds must be a number from 1 to 100,000"),
        (START.replace("x\n", "y" * 4096 + "\n", 1), "at most 200 characters"),
        (START.replace("[fixed]", f"[{'y' * 4096}]"), "at most 200 characters"),
        (START.replace("[fixed]", f"['{'y' * 4096}:Z']"), "at most 200 characters"),
        (START.replace(ENV, "y" * 4096), "at most 200 characters"),
        (START.replace(ENV, f"{{id: {ENV}, device: 123}}"), "device must be"),
        (START.replace(ENV, f"{{id: {ENV}, device: '{'1' * 30}'}}"), "device must be"),
        (START.replace(ENV, f"{{id: {ENV}, device: 'cuda:{'1' * 30}'}}"), "device must be"),
        (START.replace(ENV, f"{{id: {ENV}, twin: 2020-01-01}}"), "must not be of type date"),
        (START.replace(ENV, f"{{id: {ENV}, num_epochs: 9007199254740993}}"), "num_epochs must be"),
        (START.replace(ENV, f"{{id: {ENV}, window: 9007199254740993}}"), "window must be"),
        (START.replace("[fixed]", f"[{{name: rl, path: {'y' * 4096}}}]"), "File name too long"),
        (START + '"\\0": 1', "unprintable character"),
        (START + "a: 1\na: 2", "given twice"),
    ],
)
def test_hostile_configs_get_one_clear_error_soon(text, reason, tmp_path):
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InvalidArgument, match=reason) as caught:
        load_config(path)
    assert time.process_time() - began < 5
    assert len(str(caught.value)) < 12_000


def test_the_name_of_a_config_may_be_odd_too():
    for name in ("y" * 4096, "a\0b", "/", "", ".", "/dev/null"):
        with pytest.raises(InvalidArgument):
            load_config(name)


ODD = [
    *(None, True, False, 0, 1, 2, -1, 3, 0.5, -0.5, 1e-3, 1e300, 2**31, 2**62, 10**18),
    *(math.nan, math.inf, -math.inf, "", "x", "1", "cpu", "cuda", "y" * 4096, "auto", "torch"),
    *("train", "label_noise", "abrupt", "log_loss", "learning_rate", "a:b", ":", "os:getcwd"),
    *([], {}, [[]], [1], [0.2, 0.4], [0.4, 0.2], ["learning_rate"], ["learning_rate"] * 2),
    *({"learning_rate": 0.1}, {"learning_rate": "x"}, {"x": {}}, [None], [{}], "±é", "\u202e"),
]
FOREIGN = [datetime.date(2020, 1, 1), b"x", object(), 1j, {1}, (0.1, 0.2), np.float32(0.5)]
FOREIGN += [np.array([1, 2]), np.int64(3), range(3), 10**400, print, type, "\ud800", {1: 2}, ...]


def odd(draws, depth=0):
    kind = draws.random()
    if kind < 0.8 or depth > 2:
        return draws.choice(ODD)
    if kind < 0.9:
        return [odd(draws, depth + 1) for _ in range(draws.randrange(4))]
    return {draws.choice(["a", "kind", "name", "id", "1"]): odd(draws, depth + 1)}


def drawn_entry(draws, key, names, arguments):
    entry = {key: draws.choice(names) if draws.random() < 0.95 else odd(draws)}
    for _ in range(draws.choice([0, 0, 1, 2])):
        entry[draws.choice(arguments)] = odd(draws)
    return entry if draws.random() < 0.95 else odd(draws)


def drawn_config(draws, model):
    ids = [name for name in atn_gym.env_ids() if "Digits" in name]
    arguments = [field.name for field in dataclasses.fields(TuningParams)]
    controllers = [*CONTROLLERS, "ppo_digits"]
    parameters = ["label", "gamma", "patience", "seed", "path", "factor", "period", "kp", "trials"]
    config = {
        "experiment": "x",
        "envs": [drawn_entry(draws, "id", ids, arguments) for _ in range(draws.randrange(1, 3))],
    }
    if model is TrainingConfig:
        config |= {"algorithm": "PPO", "n_envs": 4, "n_timesteps": 64}
    else:
        entries = [drawn_entry(draws, "name", controllers, parameters) for _ in range(2)]
        config["controllers"] = entries
    for _ in range(draws.choice([0, 0, 1, 2])):
        config[draws.choice(list(model.model_fields))] = odd(draws)
    return config


@pytest.mark.parametrize("times", [150, pytest.param(12_500, marks=pytest.mark.storm)])
@pytest.mark.parametrize(
    ("model", "load"),
    [(ExperimentConfig, load_config), (TrainingConfig, load_training_config)],
)
def test_no_drawn_config_ends_in_a_traceback(model, load, times, tmp_path):
    path = tmp_path / "drawn.yaml"
    outcomes = {"valid": 0, "refused": 0}
    for seed in range(times):
        config = drawn_config(random.Random(seed), model)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        try:
            load(path)
            outcomes["valid"] += 1
        except AtnGymError:
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"config {seed}: {config}") from error
    assert all(outcomes.values()), outcomes


@pytest.mark.parametrize("times", [150, pytest.param(2_000, marks=pytest.mark.storm)])
def test_no_drawn_keywords_of_an_env_end_in_a_traceback(times):
    arguments = [field.name for field in dataclasses.fields(TuningParams)]
    arguments = [name for name in arguments if name not in ("task", "regime")]
    outcomes = {"valid": 0, "refused": 0}
    for seed in range(times):
        draws = random.Random(seed)
        keywords = {
            draws.choice(arguments): draws.choice(FOREIGN) if draws.random() < 0.3 else odd(draws)
            for _ in range(draws.randrange(1, 4))
        }
        regime = draws.choice(["DataShift", "Mixture", "CurriculumShift"])
        try:
            with warnings.catch_warnings():
                # Gymnasium's own, of values of the keywords that it does not know.
                warnings.simplefilter("ignore")
                gym.make(f"atn_gym/DigitsCnn-{regime}-v0", **keywords).reset(seed=0)
            outcomes["valid"] += 1
        except AtnGymError:
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"keywords {seed}: {keywords}") from error
    assert all(outcomes.values()), outcomes


def test_an_optimizer_must_be_one():
    for made in (None, type):
        with pytest.raises(InvalidArgument, match=r"must return a torch\.optim\.Optimizer"):
            gym.make(ENV, optimizer=lambda parameters, made=made: made).reset(seed=0)


def test_integers_beyond_every_float_are_refused():
    for name in ("gain", "severity"):
        with pytest.raises(InvalidArgument, match=f"{name} must be"):
            gym.make(ENV, **{name: 10**400})


def test_a_window_has_no_default_of_the_task():
    with pytest.raises(InvalidArgument, match="window must be an integer >= 1, got None"):
        gym.make(ENV, window=None)


def test_entries_of_a_config_that_are_no_mappings_are_named():
    for entry in (1, None, [], {}):
        for model in (EnvConfig, ControllerConfig):
            with pytest.raises(ValueError, match="validation error"):
                model.model_validate(entry)
