import sys

import pytest

from atn_gym.config import load_config
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
