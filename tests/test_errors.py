"""Near names: suggested if near, and only then."""

import pytest

from atn_gym.agents.registry import controller_method
from atn_gym.config import load_config
from atn_gym.errors import InvalidArgument, did_you_mean

NAMES = ["scheduler", "reduce_lr_on_plateau", "cosine", "one_cycle"]


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("redcue_lr", "reduce_lr_on_plateau"),
        ("reduce_lr", "reduce_lr_on_plateau"),
        ("shedular", "scheduler"),
        ("cosinus", "cosine"),
        ("onecycle", "one_cycle"),
    ],
)
def test_a_near_name_is_suggested(name, suggested):
    assert did_you_mean(name, NAMES).startswith(f"did you mean {suggested!r}?")


@pytest.mark.parametrize("name", ["xyz", "lr", "", "rescue", "plateau"])
def test_no_name_is_suggested_for_one_that_is_like_none(name):
    assert did_you_mean(name, NAMES).startswith("Valid: ")


def test_of_many_names_only_near_ones_or_examples_are_listed():
    many = [f"{place:02d}{name}" for place in range(10) for name in NAMES]
    assert did_you_mean("03cosin", many).startswith("did you mean '03cosine'? 40 are valid")
    assert did_you_mean("xyz", many) == f"40 are valid, such as {', '.join(many[:5])}"
    assert (
        did_you_mean("heuristc", ["heuristic", *many]) == "did you mean 'heuristic'? 41 are valid"
    )


def test_the_shipped_names_that_misled_are_not_suggested():
    with pytest.raises(InvalidArgument, match="did you mean 'reduce_lr_on_plateau'"):
        controller_method("redcue_lr")
    with pytest.raises(InvalidArgument) as caught:
        load_config("missing.yaml")
    assert str(caught.value) == "config file missing.yaml does not exist"
