"""The page of the agent is written from stored sweeps: here a small one, never run."""

import pytest
from page_makers import page_maker
from stored_runs import OTHER, add

PERFORMANCE = {
    "fixed": 0.1,
    "blind": 0.2,
    "range_test": 0.3,
    "ppo_adaptive": 0.5,
    "ppo_adaptive_adamw": 0.55,  # the agent itself, with another optimizer: no other contender
    "reactive_oracle": 0.6,
}


@pytest.fixture(scope="module")
def pages():
    return page_maker("agent_page")


@pytest.fixture
def results(tmp_path, pages):
    for controller, mean in PERFORMANCE.items():
        for seed, offset in enumerate((-0.1, 0.1)):
            add(
                tmp_path,
                controller,
                seed,
                OTHER,
                anytime_performance=mean + offset,
                collapsed=False,
            )
    return pages.Results.read(tmp_path)


def test_the_agent_stands_beside_its_references(pages, results):
    (first, _) = pages.worth_table(results, "ppo_adaptive").rows
    texts = [cell.text for cell in first.cells]
    assert texts[1:6] == ["0.500", "0.200", "range_test 0.300", "0.600", "0.75"]


def test_harm_is_the_difference_to_fixed(pages, results):
    (only,) = pages.harm_table(results, "ppo_adaptive").rows
    assert only.cells[2].text == "0.400"
    assert only.cells[3].text == "0 of 2"


def test_the_verdict_names_the_best_other_contender(pages, results):
    said = pages.verdict_sentence(results, "ppo_adaptive")
    assert "**0.75 [" in said
    assert "above the best other contender, `range_test`, by 0.200 [0.200, 0.200]" in said


def test_the_verdict_says_so_where_another_is_better(pages, results):
    said = pages.verdict_sentence(results, "range_test")
    assert "below the best other contender, `ppo_adaptive_adamw`, by 0.250 [0.250, 0.250]" in said
