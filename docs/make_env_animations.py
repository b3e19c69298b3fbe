"""Draws a run of each task as an animation: docs/pictures/run_*.gif.

Every task whose data is on disk gets one: a run of `heuristic` under the default DataShift.

python docs/make_env_animations.py
python docs/make_env_animations.py DigitsCnn
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import gymnasium
from env_pages import animation, families
from PIL import Image

import atn_gym  # noqa: F401 - registers the envs
from atn_gym.agents import ControllerPolicy, controller_factory
from atn_gym.errors import DataUnavailable

SEED, CONTROLLER = 10_000, "heuristic"
_WIDTH, _COLOURS = 600, 128
_FRAME, _PAUSE = 250, 4_000
"""Milliseconds of a frame, and of the last one."""


def frames(env_id: str) -> list[Image.Image]:
    """Pictures of a run after every epoch.

    Raises:
        DataUnavailable: If the data set is neither on disk nor downloadable.
    """
    env = gymnasium.make(env_id, render_mode="rgb_array", trigger=0.4)
    policy = ControllerPolicy.for_env(controller_factory(CONTROLLER), env)
    observation, _ = env.reset(seed=SEED)
    pictures, state, done = [env.render()], None, False
    while not done:
        action, state = policy.predict(observation, state=state)
        observation, _, done, _, _ = env.step(action)
        pictures.append(env.render())
    return [Image.fromarray(picture) for picture in pictures]


def save(pictures: list[Image.Image], path: Path) -> None:
    """Writes an animation that is small: few colours, which all frames share.

    It begins with the whole run, which is what a printed page shows.
    """
    size = _WIDTH, round(_WIDTH * pictures[0].height / pictures[0].width)
    small = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    palette = small[-1].quantize(_COLOURS, dither=Image.Dither.NONE)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    durations = [_PAUSE] + [_FRAME] * (len(indexed) - 1)
    whole, others = indexed[-1], indexed[:-1]
    whole.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def main() -> None:
    """Draws the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=list(families()))
    for task in parser.parse_args().tasks:
        try:
            pictures = frames(f"atn_gym/{task}-DataShift-v0")
        except DataUnavailable as error:
            logging.warning("no animation of %s: %s", task, error)
            continue
        save(pictures, animation(task))
        print(animation(task).name, animation(task).stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    main()
