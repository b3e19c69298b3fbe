"""The batched engine trains the task, network and regime of docs/extend.md as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from atn_gym.envs import registry

PAGE = Path(__file__).parents[2] / "docs" / "extend.md"
EPOCHS = 10


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs the blocks of the page, and forgets what they register."""
    for name in ("_TASKS", "_REGIMES"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    ids = set(gymnasium.registry)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    code = "".join(blocks).partition("import numpy")[0]
    exec(compile("import atn_gym.envs.data\n" + code, str(PAGE), "exec", dont_inherit=True), {})
    from atn_gym import registration

    registration.register_env("DigitsLinear", "Dimming")
    yield
    for env_id in set(gymnasium.registry) - ids:
        del gymnasium.registry[env_id]


def losses(task: str, engine: str) -> Any:
    """Validation losses of five runs, (epochs, runs)."""
    envs: Any = gymnasium.make_vec(
        f"atn_gym/{task}-Dimming-v0",
        num_envs=5,
        engine=engine,
        severity=0.5,
        trigger=3,
        autoreset_mode="Disabled",
    )
    envs.reset(seed=10_000)
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (EPOCHS, 5, 3)).astype(np.float32)
    return np.array([envs.step(action)[4]["privileged"]["val_loss"] for action in actions])


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("task", ["DigitsLinear", "Blobs"])
def test_the_batched_engine_trains_them_as_the_torch_engine_does(task: str) -> None:
    found, expected = (losses(task, engine) for engine in ("batched", "torch"))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)
    assert (expected[2] < expected[0]).all()
