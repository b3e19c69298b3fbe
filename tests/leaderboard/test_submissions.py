"""Submissions that break a rule are named in one clear sentence."""

from __future__ import annotations

import itertools
import textwrap

import pytest

from atn_gym.cli import main
from atn_gym.errors import InvalidArgument
from atn_gym.eval.storage.store import ResultStore
from atn_gym.leaderboard.check import check
from atn_gym.leaderboard.submission import Submission

NAMES = itertools.count()
OBSERVES = """
from atn_gym.agents import Controller

class Mine(Controller):
    def __init__(self, setting, factor=0.5):
        super().__init__(setting)
        self.factor = factor
    def observe(self, metric, step):
        pass
    def propose(self, current_params):
        return current_params
"""
PRIVILEGED = """
class Mine:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return self.env.unwrapped.episodes.infos([0])["privileged"]["gain"], state
"""
SEARCHES_MEMORY = """
import gc
from atn_gym.agents import Fixed

class Mine(Fixed):
    def propose(self, current_params):
        found = [o for o in gc.get_objects() if type(o).__name__ == "Episodes"]
        return current_params
"""
HIDES_IN_ANOTHER = "from {beside} import Mine"
HOLDS_THE_ENV = """
from atn_gym.agents import Method

class Mine(Method):
    def policy(self, env, seeds):
        return env
"""
TRAINS_MORE = """
import gymnasium
import numpy as np
from atn_gym.agents import Fixed

class Mine(Fixed):
    def propose(self, current_params):
        env = gymnasium.make("atn_gym/NoisyQuadratic-Stationary-v0")
        env.reset(seed=0)
        env.step(np.zeros(3, np.float32))
        return current_params
"""
CRASHES = """
from atn_gym.agents import Fixed

class Mine(Fixed):
    def propose(self, current_params):
        raise KeyError("lr")
"""


@pytest.fixture
def submit(tmp_path, capsys):
    """Writes a module and its description, checks them, and gives the error."""

    def check(source, method="Mine", full=None, beside=None, salt="a salt of tests", **further):
        module = f"submitted_{next(NAMES)}"
        if beside is not None:
            (tmp_path / f"{module}_beside.py").write_text(textwrap.dedent(beside))
        source = source.replace("{beside}", f"{module}_beside")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        lines = {
            "name": "mine",
            "method": full or f"{module}:{method}",
            "authors": "me",
            "about": "It tries.",
        }
        text = "".join(f"{key}: {value}\n" for key, value in (lines | further).items())
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        command = ["leaderboard", "check", str(file), "--salt", salt]
        assert main([*command, "--results", str(tmp_path / "results")]) == 2
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        assert "Traceback" not in line
        return line.partition("error: ")[2]

    return check


@pytest.mark.parametrize(
    ("source", "name"),
    [(PRIVILEGED, "'unwrapped'|'privileged'|'episodes'"), (SEARCHES_MEMORY, "'gc'")],
)
def test_what_reaches_for_the_hidden_is_refused(submit, source, name):
    error = submit(source)
    assert "a submission must only observe, but submitted_" in error
    assert any(each in error for each in name.split("|"))


def test_hiding_it_in_another_module_does_not_help(submit):
    assert "_beside.py, line 2, uses 'gc'" in submit(HIDES_IN_ANOTHER, beside=SEARCHES_MEMORY)


def test_a_method_that_holds_the_env_is_refused(submit):
    assert "which holds the env" in submit(HOLDS_THE_ENV)


@pytest.mark.parametrize("method", ["reactive_oracle", "lookahead_oracle", "yoked"])
def test_references_are_no_methods(submit, method):
    assert f"got the reference {method!r}" in submit("", full=method)


def test_a_wrong_class_or_module_is_named(submit):
    assert "unknown class of module submitted_" in submit(OBSERVES, "Mime")
    assert "did you mean 'Mine'?" in submit(OBSERVES, "Mime")
    assert "importing 'nowhere' fails" in submit(OBSERVES, full="nowhere:Mine")


def test_a_wrong_description_is_named(submit):
    assert "unknown key 'argument'" in submit(OBSERVES, argument="{factor: 2}")
    assert "has no argument 'faktor'; did you mean 'factor'?" in submit(
        OBSERVES, arguments="{faktor: 2}"
    )
    assert "name" in submit(OBSERVES, name="../results")


def test_a_salt_that_can_be_guessed_is_refused(submit):
    assert "salt must be text of 8 characters or more" in submit(OBSERVES, salt="1")


def failure(source, tmp_path, monkeypatch):
    """What the check says of a method that fails in its first run, on an env that is quick."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"submitted_{next(NAMES)}"
    (tmp_path / f"{module}.py").write_text(source)
    mine = Submission(name="mine", method=f"{module}:Mine", authors="me", about="It tries.")
    store = ResultStore(tmp_path / "leaderboard")
    with pytest.raises(
        InvalidArgument, match="mine must complete every run, but it failed"
    ) as found:
        check(mine, store, "a salt of tests", envs=("atn_gym/NoisyQuadratic-Stationary-v0",))
    return str(found.value)


def test_a_crash_is_named_with_its_run(tmp_path, monkeypatch):
    error = failure(CRASHES, tmp_path, monkeypatch)
    assert "on atn_gym/NoisyQuadratic-Stationary-v0, seed " in error
    assert "KeyError" in error


def test_extra_epochs_are_named(tmp_path, monkeypatch):
    error = failure(TRAINS_MORE, tmp_path, monkeypatch)
    assert "but accounts for 0: charge what it spends in its accounts" in error
