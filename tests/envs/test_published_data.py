"""Data that is not the published one: named, and its results kept apart."""

import shutil

import pytest

from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.envs.data import data_digest, data_directory, load_digits, load_mnist
from atn_gym.envs.data.published import PUBLISHED
from atn_gym.eval.running.run_config import run_configs

pytestmark = pytest.mark.mnist
LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture
def altered(tmp_path):
    """MNIST with one label changed."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    original = data_directory() / "MNIST" / "raw"
    for name in PUBLISHED["MNIST"]:
        (folder / name).symlink_to(original / name)
    content = bytearray((original / LABELS).read_bytes())
    content[-1] = (content[-1] + 1) % 10
    (folder / LABELS).unlink()
    (folder / LABELS).write_bytes(content)
    return tmp_path


def config(**arguments):
    env = EnvConfig.model_validate({"id": "atn_gym/MnistCnn-Stationary-v0", **arguments})
    (found,) = run_configs(env, ControllerConfig(name="fixed"), [0], False)
    return found


def test_altered_data_makes_other_runs(altered, tmp_path):
    published = config()
    assert data_digest(load_mnist) is None
    assert "data_digest" not in published["env"]
    other = config(data_dir=str(altered))
    assert len(other["env"].pop("data_digest")) == 16
    assert other == published
    moved = tmp_path / "moved"
    shutil.copytree(data_directory() / "MNIST", moved / "MNIST", copy_function=link)
    assert config(data_dir=str(moved)) == published


def link(source, target):
    target = type(data_directory())(target)
    target.symlink_to(source)


def test_altered_data_is_named_when_it_is_loaded(altered, caplog):
    load_mnist(altered)
    assert "is not the published data: its results are stored apart" in caplog.text


def test_nothing_is_known_of_data_that_is_absent_or_of_others(tmp_path):
    assert data_digest(load_mnist, tmp_path) is None
    assert data_digest(load_digits) is None
