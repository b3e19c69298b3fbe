"""The pages in docs/ name what the code has, with the values the code has."""

from pathlib import Path

import pytest

from atn_gym import registration
from atn_gym.envs.regimes.mixture import HELD_OUT_KINDS, REGIMES
from atn_gym.envs.tasks import DIGITS_CNN, MNIST_CNN

DOCS = Path(__file__).parent.parent / "docs"


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


@pytest.mark.parametrize(("name", "task"), [("MnistCnn", MNIST_CNN), ("DigitsCnn", DIGITS_CNN)])
def test_tasks_stand_with_their_budget_and_learning_rate(name, task):
    page, _, _ = (DOCS / "tasks.md").read_text(encoding="utf-8").partition("## Left alone")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    assert f"| {task.num_epochs} | {task.initial[0]['learning_rate']:g} |" in row
    assert all(f"`{name}" in page for name in registration.task_names() if "Poor" not in name)
