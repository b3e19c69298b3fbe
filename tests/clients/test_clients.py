"""Libraries outside of the development install drive the envs; see CONTRIBUTING.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import atn_gym  # noqa: F401
from atn_gym.envs.wrappers import FlatObservation, VectorFlatObservation

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("default")]

ID = "atn_gym/DigitsCnn-Mixture-v0"
SMALL: dict[str, Any] = {"num_epochs": 3, "train_size": 128}


def torchrl_env(**kwargs: Any) -> Any:
    envs = pytest.importorskip("torchrl.envs", reason="TorchRL is not installed")
    return envs.GymEnv(ID, device="cpu", **SMALL, **kwargs)


@pytest.mark.parametrize("rollback", [False, True])
def test_torchrl_finds_the_specs_sound(rollback: bool) -> None:
    env = torchrl_env(checkpoint_rollback=rollback)
    from torchrl.envs.utils import check_env_specs

    check_env_specs(env)
    steps = env.rollout(3)
    assert steps.batch_size == (3,)
    assert steps["next", "observed_val_loss"].shape == (3, 10)
    assert steps["next", "terminated"].flatten().tolist() == [False, False, True]


def test_torchrl_collects_with_ppo_and_learns_from_it() -> None:
    flat = FlatObservation(gymnasium.make(ID, **SMALL))  # type: ignore[arg-type]
    envs = pytest.importorskip("torchrl.envs", reason="TorchRL is not installed")
    import torch
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.modules import (
        MLP,
        NormalParamExtractor,
        ProbabilisticActor,
        TanhNormal,
        ValueOperator,
    )
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    env = envs.GymWrapper(flat, device="cpu")
    inputs, outputs = flat.observation_space.shape[0], flat.action_space.shape[0]
    actor = ProbabilisticActor(
        TensorDictModule(
            torch.nn.Sequential(
                MLP(in_features=inputs, out_features=2 * outputs, num_cells=[16]),
                NormalParamExtractor(),
            ),
            in_keys=["observation"],
            out_keys=["loc", "scale"],
        ),
        in_keys=["loc", "scale"],
        distribution_class=TanhNormal,
        return_log_prob=True,
    )
    critic = ValueOperator(MLP(in_features=inputs, out_features=1, num_cells=[16]))
    loss_of, advantage = ClipPPOLoss(actor, critic), GAE(gamma=0.9, lmbda=0.9, value_network=critic)
    optimizer = torch.optim.Adam(loss_of.parameters(), 1e-3)
    collector = Collector(env, actor, frames_per_batch=12, total_frames=24)
    batches = 0
    for data in collector:
        advantage(data)
        losses = loss_of(data)
        loss = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
        assert int(data["next", "done"].sum()) == 4
        batches += 1
    assert batches == 2


def test_torchrl_steps_a_native_vector_env() -> None:
    envs = pytest.importorskip("torchrl.envs", reason="TorchRL is not installed")
    vector: Any = gymnasium.make_vec(ID, num_envs=2, autoreset_mode="Disabled", **SMALL)
    env = envs.GymWrapper(VectorFlatObservation(vector), device="cpu")
    steps = env.rollout(3, break_when_any_done=False)
    assert steps.batch_size == (2, 3)
    assert steps["next", "reward"].isfinite().all()


def test_rllib_trains_ppo_for_two_iterations() -> None:
    pytest.importorskip("ray.rllib", reason="RLlib is not installed")
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.tune.registry import register_env

    def make(config: dict[str, Any]) -> Any:

        return FlatObservation(gymnasium.make(ID, **config))

    register_env("flat_mixture", make)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        config = (
            PPOConfig()
            .environment("flat_mixture", env_config=SMALL)
            .env_runners(num_env_runners=0)
            .training(train_batch_size_per_learner=12, minibatch_size=6, num_epochs=1)
        )
        algorithm = config.build_algo()
        results = [algorithm.train() for _ in range(2)]
        algorithm.stop()
    finally:
        ray.shutdown()
    assert [r["training_iteration"] for r in results] == [1, 2]
    for result in results:
        assert result["env_runners"]["episode_len_mean"] == 3
        assert -1 <= result["env_runners"]["episode_return_mean"] / 3 <= 1


def test_minari_records_infos_and_gives_the_run_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari", reason="Minari is not installed")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    collector = minari.DataCollector(gymnasium.make(ID, **SMALL), record_infos=True)
    expected = []
    for seed in range(2):
        _, info = collector.reset(seed=seed)
        infos, ended = [info], False
        while not ended:
            *_, ended, _, info = collector.step(np.zeros(3, np.float32))
            infos.append(info)
        expected.append(infos)
    dataset = collector.create_dataset("atn_gym/mixture-v0")
    again = minari.load_dataset("atn_gym/mixture-v0")
    assert dataset.total_episodes == again.total_episodes == 2
    for episode, infos in zip(again.iterate_episodes(), expected, strict=True):
        for name in ("seed", "regime", "kind", "val_loss"):
            recorded = episode.infos["privileged"][name]
            np.testing.assert_allclose(recorded, [i["privileged"][name] for i in infos])
        np.testing.assert_allclose(episode.infos["flops"], [i["flops"] for i in infos])
