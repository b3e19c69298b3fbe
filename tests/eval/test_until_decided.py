import pytest
import yaml

from atn_gym.cli import main
from atn_gym.config import ExperimentConfig, load_config
from atn_gym.errors import InvalidArgument
from atn_gym.eval.storage.store import ResultStore
from atn_gym.eval.until_decided import until_decided

EXPERIMENT = {
    "experiment": "pair",
    "envs": [{"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 2}],
    "controllers": ["fixed", "random_online"],
    "seeds": 20,
}


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "pair.yaml"
    file.write_text(yaml.safe_dump(EXPERIMENT))
    return file


def test_it_stops_at_a_verdict_and_keeps_its_runs(config, tmp_path, capfd):
    folder = str(tmp_path / "results" / "pair")
    command = ["compare", folder, "fixed", "random_online", "--until-decided", str(config)]
    assert main([*command, "--batch", "10", "--margin", "0.5", "--at-most", "30"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith("fixed and random_online are equivalent: ")
    assert line.endswith(" 20 seeds")
    assert main(["compare", folder, "fixed", "random_online", "--margin", "0.5"]) == 0
    assert capfd.readouterr().out.strip() == line


def test_it_adds_seeds_up_to_a_limit(config, tmp_path):
    store = ResultStore(tmp_path / "pair")
    batches = until_decided(
        load_config(config), store, "fixed", "random_online", batch=4, at_most=26, margin=1e-9
    )
    found = list(batches)
    assert [comparison.num_seeds for comparison in found] == [20, 24, 26]
    widths = [comparison.difference.high - comparison.difference.low for comparison in found]
    assert widths[-1] < widths[0]


def test_a_controller_must_be_in_the_config(config, tmp_path):
    with pytest.raises(InvalidArgument, match=r"unknown controller of experiment pair 'nobody'"):
        next(until_decided(load_config(config), ResultStore(tmp_path), "fixed", "nobody"))


def test_variants_go_by_the_labels_of_a_report(tmp_path):
    steps = [{"name": "step", "gamma": gamma} for gamma in (0.3, 0.9)]
    config = ExperimentConfig(**{**EXPERIMENT, "controllers": ["fixed", *steps], "seeds": 2})
    store = ResultStore(tmp_path / "pair")
    (found,) = until_decided(config, store, "step (gamma=0.9)", "fixed", at_most=2)
    assert (found.first, found.second) == ("step", "fixed")
    with pytest.raises(InvalidArgument, match=r"'step' must name one controller of experiment"):
        next(until_decided(config, store, "step", "fixed"))


def test_envs_come_from_the_config(config, tmp_path, capsys):
    command = ["compare", str(tmp_path), "fixed", "random_online", "--until-decided", str(config)]
    assert main([*command, "--seeds", "1"]) == 2
    assert "leave out --envs and --seeds" in capsys.readouterr().err
