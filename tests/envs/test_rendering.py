"""What a person sees of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import small_envs
from gymnasium.error import ResetNeeded
from gymnasium.wrappers import RecordVideo
from matplotlib import pyplot

from atn_gym.errors import EpisodeStateError

DATA_SHIFT = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4, "trigger": 2}
ACTION = np.array([-0.5, 0, 0.5], np.float32)
RED = np.array([214, 39, 40])
"""Colour of the line that marks the shock."""


def make(render_mode: str | None, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(DATA_SHIFT, render_mode=render_mode, **{**SMALL, **kwargs})


def red_pixels(frame: Any) -> int:
    return int((np.abs(frame.astype(int) - RED).max(axis=-1) < 10).sum())


def test_rgb_array_is_an_image_of_the_stated_size() -> None:
    env = make("rgb_array")
    env.reset(seed=0)
    blank: Any = env.render()
    env.step(ACTION)
    frame: Any = env.render()
    for image in (blank, frame):
        assert image.shape == (720, 640, 3)
        assert image.dtype == np.uint8
    assert (blank != frame).any()


def test_chart_marks_the_shock_once_it_has_come() -> None:
    env = make("rgb_array")
    env.reset(seed=0)
    red, shocks = [], []
    for _ in range(4):
        env.step(ACTION)
        red.append(red_pixels(env.render()))
        shocks.append(env.unwrapped.episodes.trace(0).shock_epoch)  # type: ignore[attr-defined]
    assert shocks == [None, None, 2, 2]
    assert red[:2] == [0, 0]
    assert min(red[2:]) > 300


def test_chart_of_a_twin_marks_no_shock() -> None:
    env = make("rgb_array", twin=True)
    env.reset(seed=0)
    for _ in range(4):
        env.step(ACTION)
    assert red_pixels(env.render()) == 0


def test_trace_of_a_run_holds_what_was_observed() -> None:
    env = make(None)
    _, info = env.reset(seed=0)
    infos, observations = [info], []
    for _ in range(3):
        observation, *_, info = env.step(ACTION)
        infos.append(info)
        observations.append(observation)
    trace = env.unwrapped.episodes.trace(0)  # type: ignore[attr-defined]
    assert (trace.epoch, trace.num_epochs) == (3, 4)
    assert trace.title == "DigitsCnn-DataShift (relabelling)"
    for name, values in trace.signals.items():
        np.testing.assert_allclose(values, [o[name][-1] for o in observations], rtol=1e-6)
    for name, values in trace.hyperparameters.items():
        assert values.tolist() == [i["hyperparameter_values"][name] for i in infos]


def test_ansi_is_a_line_of_the_newest_epoch() -> None:
    env = make("ansi")
    env.reset(seed=0)
    first: Any = env.render()
    assert first.startswith("DigitsCnn-DataShift (relabelling) epoch 0/4")
    assert "learning_rate 0.05" in first
    assert "val_loss" not in first
    for _ in range(3):
        observation, *_ = env.step(ACTION)
    line: Any = env.render()
    assert line.startswith("DigitsCnn-DataShift (relabelling) epoch 3/4")
    assert line.endswith("\n")
    assert line.count("\n") == 1
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert f"observed_{name} {observation[f'observed_{name}'][-1]:.4f}" in line
    assert f"learning_rate {0.05 * 10**-1.5:.3g}" in line
    assert "momentum 0.9" in line
    assert "shock after epoch 2" in line
    assert "diverged" not in line


def test_ansi_names_no_shock_before_it_comes() -> None:
    env = make("ansi")
    env.reset(seed=0)
    env.step(ACTION)
    line: Any = env.render()
    assert "shock" not in line


def test_diverged_run_says_so() -> None:
    shift = {"kind": "weight_decay", "severity": 1.0, "trigger": 0, "train_size": 1150}
    env = gymnasium.make(
        "atn_gym/DigitsCnn-OptimizerSensitivityShift-v0", render_mode="ansi", num_epochs=4, **shift
    )
    env.reset(seed=0, options={"hyperparameters": {"learning_rate": 1.0, "weight_decay": 0.1}})
    _, _, ended, _, _ = env.step(np.zeros(3, np.float32))
    assert ended
    line: Any = env.render()
    assert "diverged" in line


def test_human_mode_draws_one_window_and_closes_it() -> None:
    pyplot.close("all")
    env = make("human")
    env.reset(seed=0)
    window = pyplot.get_fignums()
    assert len(window) == 1
    env.step(ACTION)
    env.reset(seed=1)
    env.step(ACTION)
    assert pyplot.get_fignums() == window
    drawn = np.asarray(pyplot.figure(window[0]).canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
    assert (drawn != 255).any()
    env.close()
    assert pyplot.get_fignums() == []
    env.close()


def test_other_modes_open_no_window() -> None:
    pyplot.close("all")
    for mode in ("rgb_array", "ansi", None):
        env = make(mode)
        env.reset(seed=0)
        env.step(ACTION)
        if mode is not None:
            env.render()
        env.close()
    assert pyplot.get_fignums() == []


def test_render_without_a_mode_warns_with_the_remedy() -> None:
    env = make(None)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        env.render()


def test_render_before_reset_is_refused() -> None:
    env = make("rgb_array")
    with pytest.raises(ResetNeeded):
        env.render()
    with pytest.raises(EpisodeStateError, match=r"call reset\(\) first"):
        env.unwrapped.render()


def test_video_of_an_episode_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    env = RecordVideo(make("rgb_array", num_epochs=2, trigger=1), str(folder), disable_logger=True)
    env.reset(seed=0)
    env.step(ACTION)
    env.step(ACTION)
    env.close()
    (video,) = folder.glob("*.mp4")
    assert video.stat().st_size > 1000


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_vector_env_renders_what_the_single_envs_render(mode: str) -> None:
    vector: Any = gymnasium.make_vec(DATA_SHIFT, num_envs=2, render_mode=mode, **SMALL)
    vector.reset(seed=0)
    vector.step(np.tile(ACTION, (2, 1)))
    frames = vector.render()
    assert isinstance(frames, tuple)
    assert len(frames) == 2
    for i, frame in enumerate(frames):
        single = make(mode)
        single.reset(seed=i)
        single.step(ACTION)
        np.testing.assert_array_equal(frame, single.render())


def test_human_mode_shows_every_epoch_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of Jupyter displays what the inline backend would not."""
    shown: list[Any] = []
    display = ModuleType("IPython.display")
    vars(display).update(
        clear_output=lambda wait: shown.append("cleared"), display=shown.append, Image=bytes
    )
    ipython = ModuleType("IPython")
    vars(ipython).update(display=display, get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    env = make("human")
    env.reset(seed=0)
    env.step(ACTION)
    assert shown[::2] == ["cleared"] * 2
    assert all(picture.startswith(b"\x89PNG") for picture in shown[1::2])
    assert shown[1] != shown[3]
