"""The page on how the defaults were chosen: it matches the trials, and so do the defaults."""

import inspect

import pytest
from page_makers import page_maker

from atn_gym.agents import CONTROLLERS, controller_method

RELATIVE = {"step": "step_size", "warm_restarts": "period"}
"""Arguments in epochs, whose default is a share of the budget."""


@pytest.fixture(scope="module")
def pages():
    return page_maker("make_tuning_page")


@pytest.fixture(scope="module")
def trials(pages):
    return pages.trials()


def test_the_page_holds_what_the_trials_say(pages):
    assert pages.main(["--check"]) == 0


def test_defaults_are_those_that_won(pages, trials):
    for name, of_method in trials.groupby("method"):
        _, best = pages.chosen(of_method)
        parameters = inspect.signature(CONTROLLERS[name]).parameters
        for argument, value in best.arguments.items():
            default = parameters[argument].default
            if default is None and RELATIVE.get(name) == argument:
                continue
            assert (list(default) if isinstance(default, tuple) else default) == value, (
                name,
                argument,
            )


def test_the_final_is_made_of_the_best_of_the_screening(pages, trials):
    for _, of_method in trials.groupby("method"):
        screening = of_method[of_method.stage == "screening"]
        final = of_method[of_method.stage == "final"]
        assert final.iloc[0].arguments == screening.iloc[0].arguments
        tried = screening.iloc[1:].nlargest(3, "anytime_performance").arguments.tolist()
        assert all(arguments in tried for arguments in final.arguments.iloc[1:])


def test_what_tuning_took_is_stated(pages, trials):
    for name, of_method in trials.groupby("method"):
        spent = of_method.stage.map(pages.EPOCHS).sum() / 30
        arguments = {"method": "fixed"} if name in ("guarded", "with_optimizer") else {}
        assert controller_method(name, **arguments).making_runs == spent, name
