"""Every code block of the pages in docs/ runs as it stands."""

import argparse
import doctest
import json
import re
import shlex
import sys
import tomllib

import gymnasium
import matplotlib
import pytest
import yaml
from matplotlib import pyplot as plt
from page_makers import DOCS

from atn_gym import cli, config_file
from atn_gym.config import ControllerConfig, load_config
from atn_gym.leaderboard.submission import read_submission
from atn_gym.training.config import load_training_config

ROOT = DOCS.parent
MADE = ("_build", "api", "envs", "project")
PAGES = [
    page.relative_to(DOCS).as_posix()
    for page in sorted(DOCS.rglob("*.md"))
    if page.relative_to(DOCS).parts[0] not in MADE
]
LANGUAGES = {"python", "pycon", "yaml", "console"}
ENVS = {"optimal": "NoisyQuadratic-Stationary", "greedy_optimal": "NoisyQuadratic-Stationary"}


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def cells(page):
    return [cell.strip() for cell in blocks(page, r"\{code-cell\}")]


def pages_with(language):
    return [page for page in PAGES if blocks(page, language)]


def test_every_block_has_a_language_that_is_run():
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        fences = re.findall(r"^```(.*)$", text, re.MULTILINE)[::2]
        assert {fence for fence in fences if not fence.startswith("{")} <= LANGUAGES, page


@pytest.fixture(autouse=True)
def folder_with_a_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    (tmp_path / "my_module.py").write_text(
        blocks("evaluate.md", "python")[0].partition("\nhalving")[0]
    )


def names_that_controller_pages_use(name):
    """What a page on one controller takes for granted, in small."""
    text = (DOCS / "controllers" / f"{name}.md").read_text(encoding="utf-8")
    needed = "".join(re.findall(r"^Configs and .* make the env with (.*)", text, re.MULTILINE))
    env = gymnasium.make(
        f"atn_gym/{ENVS.get(name, 'DigitsCnn-Stationary')}-v0",
        num_epochs=3,
        **({} if name in ENVS else {"train_size": 128}),
        **dict(re.findall(r'`(\w+)="(\w+)"`', needed)),
    )
    observation, info = env.reset(seed=10_000)
    if name == "rl":
        from stable_baselines3 import PPO

        from atn_gym.training import TuningVecEnv

        PPO("MlpPolicy", TuningVecEnv(env.spec.id, 2), n_steps=2, batch_size=4).save("ppo")
    return {
        "env": env,
        "observation": observation,
        "params": info["hyperparameter_values"],
        "val_loss": 2.0,
    }


@pytest.fixture
def stored_results(tmp_path):
    """A small folder of results by the name that pages give it."""
    env = {"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 2, "train_size": 128}
    config = {"experiment": "digits_data_shift", "envs": [env], "controllers": ["fixed"]}
    (tmp_path / "small.yaml").write_text(json.dumps(config))
    assert cli.main(["run", "--config", "small.yaml", "--seeds", "1"]) == 0


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page, clean_registries, request):
    if "load_results" in "".join(blocks(page, "python")):
        request.getfixturevalue("stored_results")
    folder, _, file = page.rpartition("/")
    own = folder == "controllers" and file != "README.md"
    names = names_that_controller_pages_use(file[:-3]) if own else {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if cells(page)])
def test_cells_of_notebooks_run_and_draw(page):
    matplotlib.use("Agg")
    names, drawn = {"__name__": "__main__"}, []
    try:
        for cell in cells(page):
            exec(compile(cell, page, "exec"), names)
        drawn = plt.get_fignums()
    finally:
        plt.close("all")
    assert len(drawn) == 1, page


@pytest.mark.parametrize("page", pages_with("pycon"))
def test_sessions_run(page):
    finder, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    text = "\n".join(blocks(page, "pycon"))
    runner.run(finder.get_doctest(text, {}, page, page, 0))
    assert runner.failures == 0
    assert runner.tries > 5


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_yaml_blocks_are_read(page, tmp_path):
    for block in blocks(page, "yaml"):
        file = tmp_path / "block.yaml"
        file.write_text(block)
        content = yaml.safe_load(block)
        if "algorithm" in content:
            assert load_training_config(file).n_timesteps > 0
        elif "experiment" in content:
            assert len(load_config(file).controllers) == len(content["controllers"])
        elif "method" in content:
            assert read_submission(file).method == content["method"]
        else:
            for entry in content["controllers"]:
                given = {"name": entry} if isinstance(entry, str) else entry
                found = ControllerConfig(**given)
                assert set(given) - {"name", "label"} <= set(found.arguments)


class Parsed(Exception):
    pass


def parsed(arguments, monkeypatch):
    """What the command line understands, without doing it."""
    original = argparse.ArgumentParser.parse_args

    def stop(self, *given):
        raise Parsed(original(self, *given))

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(Parsed) as found:
            cli.main(arguments)
    return found.value.args[0]


def check_command(words, page, monkeypatch):
    """Checks that a command of a page exists and takes what the page passes."""
    while "=" in words[0]:
        words = words[1:]
    program, *arguments = words
    if program == "python" and arguments[0] == "run_benchmark.py":
        program, arguments = "atn-gym", ["run", *arguments[1:]]
    if program == "atn-gym":
        found = vars(parsed(arguments, monkeypatch))
        own = [yaml.safe_load(block).get("experiment") for block in blocks(page, "yaml")]
        for name in filter(None, (found.get("config"), found.get("until_decided"))):
            assert name.removesuffix(".yaml") in own or config_file.read_yaml(name)
    elif program == "python":
        script = arguments[0]
        if script == "-m":
            script = arguments[1].replace(".", "/") + ".py"
        source = (ROOT / script).read_text(encoding="utf-8")
        assert [a for a in arguments[1:] if a.startswith("--") and a not in source] == []
    elif program == "pip":
        (extra,) = re.findall(r"^install \.(?:\[(\w+)\])?$", " ".join(arguments)) or ["none"]
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert not extra or extra in extras["optional-dependencies"]
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert program in {"python3", "source"}, words


@pytest.mark.parametrize("page", pages_with("console"))
def test_commands_exist_and_take_their_arguments(page, monkeypatch):
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                check_command(words, page, monkeypatch)
