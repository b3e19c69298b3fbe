"""The pages in docs/ name what the code has, with the values the code has."""

import inspect
import re
import sys

import pytest
from page_makers import DOCS, page_maker

import atn_gym
from atn_gym.agents import CONTROLLERS
from atn_gym.agents.registry import controller_arguments
from atn_gym.config import load_config
from atn_gym.envs import registry
from atn_gym.envs.regimes.mixture import HELD_OUT_KINDS, REGIMES
from atn_gym.eval.metrics import adaptation, aggregate, bootstrap, run_metrics
from atn_gym.eval.storage.experiment import REPORT_FILES
from atn_gym.eval.storage.labels import LABELS_FILE
from atn_gym.eval.storage.reading import PARTS_FOLDER
from atn_gym.eval.storage.store import CLAIMS_FOLDER, DAMAGED_FOLDER, MANIFEST_FILE


def test_the_table_of_kinds_is_that_of_the_docstrings():
    text = (DOCS / "regimes.md").read_text(encoding="utf-8")
    made = page_maker("make_regime_table").page(text)
    assert text == made, "regimes.md is out of date: run python docs/make_regime_table.py"


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.__name__)
def test_every_kind_stands_with_its_default_severity(regime):
    page = (DOCS / "regimes.md").read_text(encoding="utf-8")
    for kind, severity in regime.kinds.items():
        assert f"| `{kind}` | {severity:g} |" in page
    assert regime.__name__ in page


def test_held_out_kinds_are_named():
    page = (DOCS / "regimes.md").read_text(encoding="utf-8")
    first, second = sorted(HELD_OUT_KINDS)
    assert f"the kinds `{first}` and `{second}`" in page


def test_tasks_stand_with_their_budget_and_beginning():
    page, _, _ = (DOCS / "tasks.md").read_text(encoding="utf-8").partition("## Left alone")
    for name in registry.task_names():
        base, variant = re.fullmatch("(.*?)(PoorInit|UnknownScale)?", name).groups(default="")
        assert f"`{name}`" in page or variant != "PoorInit"
        task = registry.get_task(base)
        optimizer = {"sgd": "SGD", "adamw": "AdamW"}[task.optimizer]
        rate = f"{task.initial[0]['learning_rate']:g}"
        rows = re.findall(rf"^\| \[?`{base}`.*$", page, re.MULTILINE)
        assert any(f"| {task.num_epochs} | {optimizer} | {rate} |" in row for row in rows)


@pytest.fixture(scope="module")
def run():
    evaluation = atn_gym.evaluate(
        "fixed", "atn_gym/DigitsCnn-DataShift-v0", seeds=1, num_epochs=2, train_size=128
    )
    return evaluation.runs[0]


def defined(page, section):
    """The names in the first cells of the tables of a section."""
    _, _, text = page.partition(f"\n{section}\n")
    rows = re.findall(r"^\| (`.*?) \|", re.split(r"^#{2,3} ", text, flags=re.MULTILINE)[0], re.M)
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


def test_every_metric_of_a_summary_is_defined_and_no_other(run):
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    sections = (
        "### What it is",
        "### Performance",
        "### Stability",
        "### Adaptation",
        "### Compute",
    )
    assert set().union(*(defined(page, section) for section in sections)) == set(run.summary)
    assert all(f"`{part}`" in page for part in run.summary["wall_clock_s"])
    assert defined(page, "### Columns of a trace") == set(run.trace[0])


@pytest.mark.parametrize("module", [run_metrics, adaptation, aggregate, bootstrap])
def test_every_metric_function_stands_in_its_page(module):
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    functions = [
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith(("_", "check_"))
    ]
    assert len(functions) >= 4
    assert [name for name in functions if f"`{name}`" not in page] == []
    assert f"`{module.__name__}`" in page


def test_every_file_of_a_results_folder_is_named():
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    for name in (
        PARTS_FOLDER,
        DAMAGED_FOLDER,
        CLAIMS_FOLDER,
        MANIFEST_FILE,
        LABELS_FILE,
        *REPORT_FILES,
    ):
        assert re.search(rf"`{re.escape(name)}/?`", page)


def controller_pages():
    return page_maker("make_controller_pages").pages()


def test_the_page_of_config_files_is_that_of_the_models():
    assert (DOCS / "config.md").read_text(encoding="utf-8") == page_maker(
        "make_config_page"
    ).page(), "config.md is out of date: run python docs/make_config_page.py"


def test_the_experiment_of_the_config_page_is_read(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    (tmp_path / "my_module.py").write_text(
        "from atn_gym.agents import Fixed\n\n\nclass Halving(Fixed):\n    pass\n"
    )
    text = (DOCS / "config.md").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    config = load_config(tmp_path / "own.yaml")
    assert [len(config.envs), len(config.controllers), len(config.seeds)] == [2, 3, 20]


def test_controller_pages_are_those_of_the_docstrings():
    pages = controller_pages()
    folder = DOCS / "controllers"
    assert {path.name for path in folder.iterdir()} == set(pages)
    for name, text in pages.items():
        assert (folder / name).read_text(encoding="utf-8") == text, (
            f"{name} is out of date: run python docs/make_controller_pages.py"
        )


def test_the_section_on_own_controllers_runs_as_it_stands(capsys):
    page = controller_pages()["README.md"]
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    assert float(capsys.readouterr().out) > 0
    evaluation = atn_gym.evaluate(
        names["Guess"](0.03), "atn_gym/DigitsCnn-Stationary-v0", seeds=2, num_epochs=1
    )
    assert [s["initial_hyperparameters"]["learning_rate"] for s in evaluation.summaries] == (
        pytest.approx([0.03, 0.03])
    )


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_controller_says_when_it_fails_and_what_its_arguments_mean(name):
    page = controller_pages()[f"{name}.md"]
    _, _, failure = page.partition("**When it fails:** ")
    assert len(failure.partition("\n")[0]) > 40
    required = {
        "scheduler": {"scheduler": "StepLR"},
        "with_optimizer": {"method": "fixed"},
        "guarded": {"method": "fixed"},
        "agent": {"path": "ppo_digits"},
        "rl": {"path": "ppo.zip"},
        "yoked": {"method": "fixed"},
    }
    for argument in controller_arguments(name, required.get(name, {})):
        assert f"| `{argument}` |" in page
