"""What a report answers first."""

import pytest
from made_up_runs import add, made_document

from atn_gym.eval.report.document import Answers


def answer(root):
    (found,) = [p for p in made_document(root).sections[0].parts if isinstance(p, Answers)]
    return dict(found.items)


def fill(root, seeds, **performances):
    """J of each seed is that of its controller, give or take 0.01 in turn."""
    for name, performance in performances.items():
        for seed in range(seeds):
            j = performance + (0.01 if (seed + len(name)) % 2 else -0.01)
            add(root, name, seed, anytime_performance=j, compute_adjusted_performance=(j + 1) / 2)


def test_verdicts_name_who_is_better_equivalent_or_not_told_apart(root):
    fill(root, 40, fixed=0.2, mine=0.6, close=0.596, near=0.58)
    found = answer(root)
    assert found["Who is best?"].startswith("mine has the highest score, 0.800 [")
    assert "fixed, which does nothing, has 0.600: 3 are above it, 0 below" in found["Who is best?"]
    margin = found["By how much, and how sure?"]
    assert margin.startswith("The next is close, 0.002 [")
    assert "mine is better than near and fixed; equivalent, within 0.01, to close." in margin


def test_a_difference_within_noise_is_not_called_better(root):
    fill(root, 20, mine=0.6, other=0.3)
    for seed in range(20):
        j = 0.59 + (0.4 if seed % 2 else -0.4)
        add(root, "loud", seed, compute_adjusted_performance=(j + 1) / 2)
    assert "not told apart from loud" in answer(root)["By how much, and how sure?"]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [(1, "A single seed decides nothing."), (4, "A verdict needs 20 seeds; these are 4.")],
)
def test_few_seeds_get_no_verdict(root, seeds, said):
    fill(root, seeds, fixed=0.2, mine=0.6)
    assert answer(root)["By how much, and how sure?"] == said


def test_collapses_and_costs_are_told(root):
    for seed in range(4):
        add(root, "mine", seed, compute_adjusted_performance=0.9, making_runs=0.0, collapsed=False)
        add(root, "risky", seed, compute_adjusted_performance=0.5, collapsed=seed < 3)
        add(root, "dear", seed, flops=10**10, compute_adjusted_performance=0.1, collapsed=False)
    found = answer(root)
    assert "fewest: 0.0 % of mine and dear; most: 75.0 % of risky." in found["Who collapses?"]
    cost = found["What does it cost?"]
    assert "A run of mine is charged 1.00 whole runs" in cost
    assert "the dearest, of dear, " in cost
    assert cost.endswith("mine needs no tuning or training.")
    assert "What does looking win?" not in found, "there are no runs of blind"


def test_references_only_rank_nobody(root):
    add(root, "lookahead_oracle")
    assert answer(root) == {}
