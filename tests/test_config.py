import io
import sys

import pytest
import yaml
from sweeps import EXPERIMENT

from atn_gym import cli
from atn_gym.config import load_config
from atn_gym.config_file import SHIPPED
from atn_gym.errors import InvalidArgument


def test_all_errors_of_a_config_are_listed_at_once(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "experiment: wrong\n"
        "envs:\n"
        "  - {id: atn_gym/DigitsCnn-DataShift-v0, severty: 0.5}\n"
        "  - atn_gym/DigitsCn-DataShift-v0\n"
        "controllers:\n"
        "  - fixd\n"
        "  - {name: step, gama: 3}\n"
    )
    with pytest.raises(InvalidArgument) as caught:
        load_config(file)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 4
    assert all("did you mean" in line for line in lines)


def test_all_wrong_fields_are_listed_and_a_misspelt_one_is_not_also_missing(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("experimnt: x\nenvs: []\ncontrollers: [fixed]\nseeds: -1\n")
    with pytest.raises(InvalidArgument) as caught:
        load_config(file)
    message = str(caught.value)
    assert len(message.splitlines()) == 4
    assert "did you mean 'experiment'" in message
    assert "is missing" not in message


def test_a_single_error_stays_on_the_line_of_the_file(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("experiment: x\nenvs: [atn_gym/DigitsCnn-DataShift-v0]\n")
    with pytest.raises(InvalidArgument, match=r"wrong.yaml: the key 'controllers' is missing$"):
        load_config(file)


def test_seeds_have_the_default_of_evaluate(tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text("experiment: x\nenvs: [atn_gym/DigitsCnn-DataShift-v0]\ncontrollers: [fixed]\n")
    assert load_config(file).seeds == list(range(10))


def test_a_stream_of_plain_letters_shows_a_substitute():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    cli.show_all(stream)
    print("0.5 ± 0.1", file=stream, flush=True)
    assert stream.buffer.getvalue() == b"0.5 ? 0.1\n"


@pytest.mark.parametrize(("controller", "searched"), [("fixed", []), ("lying_here:Mine", ["last"])])
def test_a_folder_is_searched_last_and_only_for_modules_that_a_config_names(
    controller, searched, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    (tmp_path / "lying_here.py").write_text(
        "from atn_gym.agents import Fixed\n\nclass Mine(Fixed):\n    pass\n"
    )
    file = tmp_path / "own.yaml"
    file.write_text(
        f"experiment: x\nenvs: [atn_gym/DigitsCnn-DataShift-v0]\ncontrollers: ['{controller}']\n"
    )
    load_config(file, modules=tmp_path)
    assert sys.path == before + [str(tmp_path) for _ in searched]


EXPERIMENTS = [path for path in SHIPPED.glob("*.yaml") if not path.stem.startswith("train_")]


@pytest.mark.parametrize("path", sorted(EXPERIMENTS), ids=lambda path: path.stem)
def test_every_shipped_experiment_is_valid(path):
    config = load_config(path)
    # Configs may share a folder, that of the one whose name theirs begin with.
    assert config.experiment in (path.stem, path.stem.rpartition("_")[0])
    assert (SHIPPED / f"{config.experiment}.yaml").is_file()
    assert load_config(path.stem) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controlers": []}, "unknown key 'controlers'; did you mean 'controllers'"),
        ({"seeds": "many"}, "seeds must be a number from 1 to 100,000, or a list .* got 'many'"),
        ({"seeds": 0}, "seeds must be a number from 1 to"),
        ({"seeds": [1, 1]}, "seeds must be a number from 1 to 100,000, or a list of different"),
        ({"seeds": True}, "seeds must be a number from 1 to"),
        ({"experiment": "../up"}, "experiment: String should match"),
        ({"envs": []}, "envs: List should have at least 1 item"),
        ({"envs": ["atn_gym/DigitsCnn-DataShft-v0"]}, "did you mean 'atn_gym/DigitsCnn-DataShift"),
        ({"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "sevrity": 1}]}, "mean 'severity'"),
        (
            {"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "severity": 3}]},
            r"in \[0, 1\], got 3",
        ),
        ({"envs": ["no_such_module:x"]}, "No module named 'no_such_module'"),
        (
            {"envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "task": "MnistCnn"}]},
            "'task' is part of the env id",
        ),
        ({"controllers": ["fixd"]}, "unknown controller 'fixd'; did you mean 'fixed'"),
        ({"controllers": [{"name": "reduce_lr_on_plateau", "factor": 3}]}, "Factor should be"),
        ({"controllers": [{"patience": 3}]}, "the key 'controllers.0.name' is missing"),
        (
            {"seeds": [2**63]},
            r"different integers from 0 to 2\*\*63 - 1, got \[9223372036854775808",
        ),
        ({"controllers": [{"name": "fixed", "lable": "x"}]}, "unknown key 'lable' .* mean 'label'"),
        (
            {"controllers": [{"name": "cosine", "label": "heuristic"}]},
            "label of 'cosine' must not be the name of another controller, got 'heuristic'",
        ),
        (
            {"envs": [EXPERIMENT["envs"][0], {**EXPERIMENT["envs"][0], "severity": 1.0}]},
            "envs must differ in id or arguments, got 'atn_gym/DigitsCnn-DataShift-v0' and",
        ),
        (
            {"controllers": ["step", "fixed", {"name": "step", "gamma": 0.573, "label": "mine"}]},
            "controllers must differ in name or arguments, got 'step' and 'mine'",
        ),
    ],
)
def test_wrong_values_are_named(tmp_path, changes, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, **changes}))
    with pytest.raises(InvalidArgument, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- a", "must hold a mapping"),
        ("a: [", "not valid YAML.*line [12]"),
        ("seeds: 1\nb: {c: 1, c: 2}", "not valid YAML: the key 'c' is given twice.*line 2"),
    ],
)
def test_files_that_hold_no_experiment_are_named(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        load_config(path)


def test_missing_config_points_at_a_shipped_one(capsys):
    assert cli.main(["run", "--config", "digits_dta_shift"]) == 2
    assert "did you mean 'digits_data_shift'" in capsys.readouterr().err
