"""One seed makes a run, whatever trains beside it, before it or after it."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import data_equivalence
from small_envs import follow, make_env, run_episode

from atn_gym.envs import registry
from atn_gym.envs.engines import EpochPlan
from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.envs.vector_env import TuningVectorEnv

KINDS = [
    (name, kind)
    for name in registry.regime_names()
    if name not in ("Stationary", "Mixture")
    for kind in registry.get_regime(name).kinds
]
ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.3, (20, 3)).astype(np.float32)
IDLE = np.zeros(3, np.float32)


make = functools.partial(make_env, num_epochs=4)


def run(env: TuningEnv, seed: int | None, actions: np.ndarray = ACTIONS) -> list[Any]:
    return run_episode(env, seed, actions)


def slot(infos: dict[str, Any], i: int) -> dict[str, Any]:
    """The info of one slot as the single env would give it."""
    info = {}
    for name, values in infos.items():
        if not name.startswith("_") and infos[f"_{name}"][i]:
            if isinstance(values, dict):
                info[name] = slot(values, i)
            else:
                info[name] = values[i] if values.dtype == object else values[i].item()
    return info


def run_vector(pair: str, seeds: list[int], **kwargs: Any) -> list[list[Any]]:
    """Episodes of a vector env, each slot in the form of `run`."""
    small = {"num_epochs": 4, "train_size": 128}
    env: Any = gymnasium.make_vec(
        f"atn_gym/{pair}-v0", num_envs=len(seeds), autoreset_mode="Disabled", **{**small, **kwargs}
    )
    assert isinstance(env.unwrapped, TuningVectorEnv)
    observation, infos = env.reset(seed=seeds)
    slots = range(len(seeds))
    runs: list[list[Any]] = [[(rows(observation, i), slot(infos, i))] for i in slots]
    for action in ACTIONS[:4]:
        observation, rewards, ended, truncated, infos = env.step(np.tile(action, (len(seeds), 1)))
        for i in slots:
            flags = float(rewards[i]), bool(ended[i]), bool(truncated[i])
            runs[i].append((rows(observation, i), *flags, slot(infos, i)))
    return runs


def rows(observation: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: values[i] for name, values in observation.items()}


def equal(first: Any, second: Any) -> bool:
    return data_equivalence(first, second, exact=True)


@pytest.mark.parametrize("regime", ["DataShift", "Mixture"])
def test_same_seed_and_actions_give_the_same_run(regime: str) -> None:
    env = make(f"DigitsCnn-{regime}")
    first = run(env, seed=5)
    other = run(env, seed=6)
    assert not equal(first, other)
    assert equal(run(env, seed=5), first)
    assert equal(run(make(f"DigitsCnn-{regime}"), seed=5), first)


def test_one_seed_fixes_the_episodes_that_follow() -> None:
    env, other = make("DigitsCnnPoorInit-Mixture"), make("DigitsCnnPoorInit-Mixture")
    episodes = [run(env, seed) for seed in (5, None, None)]
    assert equal([run(other, seed) for seed in (5, None, None)], episodes)
    seeds = [episode[0][1]["privileged"]["seed"] for episode in episodes]
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("seeds", [[7], [7, 5, 9], [5, 7, 9], [9, 5, 7]], ids=str)
def test_run_is_the_same_in_any_slot_of_a_vector_env(seeds: list[int]) -> None:
    single = run(make("DigitsCnnPoorInit-DataShift"), seed=7)
    assert equal(run_vector("DigitsCnnPoorInit-DataShift", seeds)[seeds.index(7)], single)


def test_regimes_of_neighbouring_slots_do_not_mix() -> None:
    seeds = list(range(8))
    runs = run_vector("DigitsCnn-Mixture", seeds)
    drawn = [first[1]["privileged"] for first, *_ in runs]
    kinds = {(regime["regime"], regime["kind"]) for regime in drawn}
    assert len(kinds) >= 4
    env = make("DigitsCnn-Mixture")
    assert all(equal(runs[seed], run(env, seed)) for seed in seeds)


@pytest.mark.parametrize(("regime", "kind"), KINDS)
def test_regime_changes_the_run_from_the_shock_on_and_not_before(regime: str, kind: str) -> None:
    shifted = run(make(f"DigitsCnn-{regime}", kind=kind, trigger=2), seed=3)
    twin = run(make(f"DigitsCnn-{regime}", kind=kind, trigger=2, twin=True), seed=3)
    assert shifted[0][1]["privileged"]["shock_epoch"] == 2
    assert twin[0][1]["privileged"]["shock_epoch"] == -1
    assert equal(shifted[0][0], twin[0][0])
    for epoch in (1, 2):
        assert equal(shifted[epoch][:4], twin[epoch][:4])
    for epoch in (3, 4):
        for name in ("observed_train_loss", "observed_val_loss"):
            losses = [r[epoch][0][name][-1] for r in (shifted, twin)]
            assert losses[0] != losses[1]


@pytest.mark.parametrize("index", range(len(HYPERPARAMETERS)), ids=list(HYPERPARAMETERS))
def test_action_on_each_hyperparameter_changes_training(index: int) -> None:
    env = make("DigitsCnn-Stationary")
    changed = np.array([IDLE, IDLE])
    changed[0, index] = 0.5
    losses = [
        [step[4]["privileged"]["val_loss"] for step in run(env, 0, actions)[1:]]
        for actions in (np.array([IDLE, IDLE]), changed)
    ]
    assert losses[0][0] != losses[1][0]
    assert losses[0][1] != losses[1][1]


@pytest.mark.parametrize(("regime", "kind"), KINDS)
def test_regime_is_gone_in_the_next_episode(regime: str, kind: str) -> None:
    env = make(f"DigitsCnn-{regime}", kind=kind, trigger=1)
    run(env, seed=3)
    fresh = make(f"DigitsCnn-{regime}", kind=kind, trigger=1)
    assert equal(run(env, seed=4), run(fresh, seed=4))


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[EpochPlan]:
    """What the engine was told to train on in each epoch of single envs."""
    original, met = CompiledEngine.train, []

    def train(engine: CompiledEngine, runs: Any, plans: Any) -> Any:
        met.extend(plans)
        return original(engine, runs, plans)

    monkeypatch.setattr(CompiledEngine, "train", train)
    return met


def test_actions_change_neither_initial_weights_nor_batches_nor_labels(
    plans: list[EpochPlan],
) -> None:
    env = make("DigitsCnn-DataShift", trigger=2)
    weights = []
    for actions in (ACTIONS, -ACTIONS):
        env.reset(seed=3)
        weights.append(next(env.episodes._trainer._engine.model(0).parameters()).clone())
        follow(env, actions)
    assert torch.equal(*weights)
    for plan, other in zip(plans[:4], plans[4:], strict=True):
        assert torch.equal(plan.order, other.order)
        assert torch.equal(plan.labels, other.labels)
    assert not torch.equal(plans[0].order, plans[1].order)
    assert torch.equal(plans[0].labels, plans[1].labels)
    assert torch.equal(plans[2].labels, plans[3].labels)


def test_seed_changes_initial_weights_batches_and_what_the_regime_draws(
    plans: list[EpochPlan],
) -> None:
    env = make("DigitsCnn-DataShift", num_epochs=1, trigger=0)
    weights = []
    for seed in (3, 4):
        env.reset(seed=seed)
        weights.append(next(env.episodes._trainer._engine.model(0).parameters()).clone())
        env.step(IDLE)
    assert not torch.equal(*weights)
    assert not torch.equal(plans[0].order, plans[1].order)
    assert not torch.equal(plans[0].labels, plans[1].labels)


@pytest.mark.parametrize(
    ("kwargs", "strengths"),
    [
        ({"trigger": 2}, [0, 0, 0.4, 0.4, 0.4, 0.4]),
        ({"profile": "gradual", "duration": 4, "trigger": 1}, [0, 0.1, 0.2, 0.3, 0.4, 0.4]),
        ({"profile": "recurring", "period": 1, "trigger": 1}, [0, 0.4, 0, 0.4, 0, 0.4]),
        ({"profile": "recurring", "period": 2, "trigger": 1}, [0, 0.4, 0.4, 0, 0, 0.4]),
        ({"twin": True}, [0] * 6),
    ],
    ids=["abrupt", "gradual", "recurring 1", "recurring 2", "twin"],
)
def test_profile_shapes_strength_and_data_over_the_run(
    plans: list[EpochPlan], kwargs: dict[str, Any], strengths: list[float]
) -> None:
    kwargs = {"kind": "label_noise", "severity": 0.4, "train_size": 1150, **kwargs}
    env = make("DigitsCnn-DataShift", num_epochs=6, **kwargs)
    steps = run(env, seed=0)[1:]
    assert [s[4]["privileged"]["strength"] for s in steps] == pytest.approx(strengths)
    clean = env.episodes._trainer.dataset.train.labels
    noisy = [float((plan.labels != clean).double().mean()) for plan in plans]
    # Five standard deviations of the share of 1,150 labels.
    np.testing.assert_allclose(noisy, strengths, atol=0.075)
    assert [share == 0 for share in noisy] == [strength == 0 for strength in strengths]


@pytest.mark.parametrize("regime", registry.regime_names())
def test_global_random_generators_are_left_alone(regime: str) -> None:
    def states() -> str:
        legacy = np.random.get_state()  # noqa: NPY002
        return f"{random.getstate()} {legacy} {torch.get_rng_state().tolist()}"

    before = states()
    run(make(f"DigitsCnn-{regime}"), seed=0)
    run(make(f"DigitsCnn-{regime}"), seed=None)
    assert states() == before


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


AMBIENT_SETTINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "dtype": default_dtype,
    "device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("setting", AMBIENT_SETTINGS)
@pytest.mark.parametrize("engine", ["torch", "compiled", "batched"])
@pytest.mark.parametrize(
    ("pair", "kind"),
    [
        ("DigitsCnn-DataShift", "gaussian_noise"),
        ("DigitsCnn-DataShift", "rotation"),
        ("DigitsCnn-CurriculumShift", "difficulty"),
        ("DigitsCnn-LossPerturbation", "training"),
        ("DigitsCnn-LossPerturbation", "gradient"),
    ],
)
def test_what_torch_is_set_to_around_a_run_does_not_matter(
    pair: str, kind: str, engine: str, setting: str
) -> None:
    # Of a size of its own, so that nothing has been loaded or computed before.
    kwargs: Any = {"kind": kind, "trigger": 1, "engine": engine, "checkpoint_rollback": True}
    size = 130 + list(AMBIENT_SETTINGS).index(setting)
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 4)).astype(np.float32)
    with AMBIENT_SETTINGS[setting]():
        env = make(pair, train_size=size, **kwargs)
        found = [*run(env, 3, actions), env.test_metrics()]
        state = env.get_state()
    plain = make(pair, train_size=size, **kwargs)
    assert equal(found, [*run(plain, 3, actions), plain.test_metrics()])
    with AMBIENT_SETTINGS[setting]():
        plain.set_state(state)
        plain.reset()
