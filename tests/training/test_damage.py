"""Files of a training that were damaged: named, gone back from, and never taken for the agent."""

import importlib
import itertools
import json
import random
import shutil
import sys
import zipfile

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atn_gym import cli
from atn_gym.agents.algorithms import load_model
from atn_gym.agents.model_card import read_card
from atn_gym.errors import DependencyUnavailable, InvalidArgument
from atn_gym.training.checkpoint import checkpoints, newest_whole
from atn_gym.training.config import TrainingConfig
from atn_gym.training.log import LOG, STEPS, read_log
from atn_gym.training.train import train

VALUES = {
    "experiment": "damaged",
    "algorithm": "SAC",
    "envs": [{"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 3, "train_size": 128}],
    "n_envs": 2,
    "n_timesteps": 64,
    "hyperparameters": {"learning_starts": 8, "buffer_size": 100, "batch_size": 8},
    "eval_freq": 64,
    "checkpoint_freq": 16,
}


class Interruption(Exception):
    pass


def interrupt(steps):
    if steps >= 40:
        raise Interruption


def training(**changes):
    return TrainingConfig.model_validate({**VALUES, **changes})


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(Interruption):
        train(training(), folder, interrupt)
    assert len(checkpoints(folder / "checkpoints")) == 2
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return weights(train(training(), tmp_path_factory.mktemp("undisturbed")))


@pytest.fixture
def folder(interrupted, tmp_path):
    return shutil.copytree(interrupted, tmp_path / "training")


def weights(path):
    return load_model("SAC", str(path)).policy.state_dict()


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def cut(content, draws):
    return content[: draws.randrange(len(content))]


def flip(content, draws):
    place = draws.randrange(len(content))
    changed = bytes([content[place] ^ 1 << draws.randrange(8)])
    return content[:place] + changed + content[place + 1 :]


def test_no_checkpoint_of_two_hundred_damaged_ones_is_gone_on_from(interrupted, tmp_path, caplog):
    draws = random.Random(0)
    whole = checkpoints(interrupted / "checkpoints")[-1]
    files = sorted(path.name for path in whole.iterdir())
    assert files == ["checksums.json", "model.zip", "replay_buffer.pkl", "state.pickle"]
    for i, (change, name) in zip(
        range(200), itertools.cycle(itertools.product([cut, flip], files))
    ):
        copy = shutil.copytree(whole, tmp_path / str(i) / whole.name)
        assert newest_whole(copy.parent) == copy
        (copy / name).write_bytes(change((copy / name).read_bytes(), draws))
        assert newest_whole(copy.parent) is None, (i, change.__name__, name)
        shutil.rmtree(copy.parent)
    assert len(caplog.records) == 200


def test_a_training_goes_on_from_the_checkpoint_before_a_damaged_one(folder, undisturbed, caplog):
    before, newest = checkpoints(folder / "checkpoints")
    (newest / "state.pickle").write_bytes(b"")
    assert newest_whole(folder / "checkpoints") == before
    assert f"checkpoint {newest} is damaged (state.pickle was changed" in caplog.text
    assert "training resumes from the one before" in caplog.text
    assert equal(weights(train(training(), folder)), undisturbed)


def test_a_training_without_a_whole_checkpoint_begins_anew(folder, undisturbed):
    for checkpoint in checkpoints(folder / "checkpoints"):
        (checkpoint / "model.zip").unlink()
    assert equal(weights(train(training(), folder)), undisturbed)


@pytest.mark.parametrize("damage", [b"", None])
def test_a_damaged_model_is_never_announced(damage, folder, undisturbed, caplog):
    path = train(training(), folder)
    content = path.read_bytes()
    path.write_bytes(flip(content, random.Random(1)) if damage is None else damage)
    assert train(training(), folder) == path
    assert "model.zip is damaged and made again" in caplog.text
    assert equal(weights(path), undisturbed)
    read_card(path)


PPO = {
    "algorithm": "PPO",
    "n_timesteps": 96,
    "hyperparameters": {"n_steps": 8, "batch_size": 16},
}


def test_the_log_of_a_resumed_training_is_that_of_an_undisturbed_one(tmp_path):
    with pytest.raises(Interruption):
        train(training(**PPO), tmp_path / "resumed", interrupt)
    train(training(**PPO), tmp_path / "resumed")
    train(training(**PPO), tmp_path / "undisturbed")

    def rows(name):
        found = read_log(tmp_path / name / LOG)
        return [{k: v for k, v in row.items() if k not in ("time/fps", "time/time_elapsed")}
                for row in found]  # fmt: skip

    resumed = rows("resumed")
    assert [sorted(row) for row in resumed] == [sorted(row) for row in rows("undisturbed")]
    trained = [row["train/loss"] for row in resumed if "train/loss" in row]
    assert trained == [row["train/loss"] for row in rows("undisturbed") if "train/loss" in row]
    events = EventAccumulator(str(tmp_path / "resumed" / "tensorboard"))
    events.Reload()
    steps = [event.step for event in events.Scalars("rollout/ep_rew_mean")]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    "line", [b"1", b"[1]", b"null", b"\xff\xfe", b'{"a": "b"}', b"{}", b"[" * 9999]
)
def test_lines_of_a_log_that_are_no_rows_are_left_out(line, tmp_path):
    row = json.dumps({STEPS: 8}).encode()
    (tmp_path / LOG).write_bytes(row + b"\n" + line + b"\n" + row + b"\n")
    assert read_log(tmp_path / LOG) == [{STEPS: 8}] * 2


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyUnavailable, match=r"needs tensorboard .*pip install"):
        train(training(), tmp_path)


def test_a_missing_stable_baselines3_is_named_wherever_training_is_imported(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    for name in [name for name in sys.modules if name.startswith("atn_gym.training")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DependencyUnavailable, match=r"pip install 'atn_gym\[rl\]'"):
        importlib.import_module("atn_gym.training")
    for command in (
        ["train", "--config", "train_ppo_digits"],
        ["export", "a.zip", "a.safetensors"],
    ):
        assert cli.main(command) == 2
        assert "pip install 'atn_gym[rl]'" in capsys.readouterr().err


def test_an_archive_that_expands_without_limit_is_refused(tmp_path, capsys):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(
        "data", "w", force_zip64=True
    ) as entry:  # fmt: skip
        for _ in range(1100):
            entry.write(bytes(2**20))
    assert bomb.stat().st_size < 2 * 2**20
    with pytest.raises(InvalidArgument, match="expands to 11"):
        read_card(bomb)
    config = tmp_path / "bomb.yaml"
    controller = {"name": "rl", "path": str(bomb), "normalize": False}
    values = {"experiment": "x", "envs": VALUES["envs"], "controllers": [controller]}
    config.write_text(yaml.safe_dump(values))
    assert cli.main(["run", "--config", str(config), "--results", str(tmp_path)]) == 2
    assert "expands to" in capsys.readouterr().err
