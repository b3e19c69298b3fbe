import numpy as np
import pytest
from stored_runs import ENV, OTHER, add

from atn_gym.errors import InvalidArgument
from atn_gym.eval.report.verdicts import compare_stored
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import set_labels


def store(root, controller, level, seeds=range(40), envs=(ENV, OTHER), **arguments):
    for env in envs:
        noise = np.random.default_rng(len(controller)).normal(0, 0.002, max(seeds) + 1)
        for seed in seeds:
            value = level + (0.3 if env is OTHER else 0.0) + float(noise[seed])
            add(root, controller, seed, env, arguments=arguments, anytime_performance=value)


def test_a_verdict_is_of_all_envs(tmp_path):
    store(tmp_path, "fixed", 0.3)
    store(tmp_path, "step", 0.1)
    store(tmp_path, "cosine", 0.3)
    found = compare_stored(tmp_path, "fixed", "step")
    assert (found.first, found.second, found.verdict) == ("fixed", "step", "better")
    assert found.num_seeds == 40
    assert abs(found.difference.value - 0.2) < 0.02
    assert compare_stored(tmp_path, "step", "fixed").verdict == "worse"
    assert compare_stored(tmp_path, "cosine", "fixed").verdict == "equivalent"
    assert compare_stored(tmp_path, "fixed", "step", margin=0.5).verdict == "equivalent"


def test_only_paired_runs_are_compared(tmp_path):
    store(tmp_path, "fixed", 0.3, seeds=range(30))
    store(tmp_path, "step", 0.1, seeds=range(10, 60))
    assert compare_stored(tmp_path, "fixed", "step").num_seeds == 20
    assert compare_stored(tmp_path, "fixed", "step", seeds=range(10, 25)).verdict == "undecided"


def test_controllers_go_by_the_names_that_a_report_shows(tmp_path):
    store(tmp_path, "step", 0.3)
    store(tmp_path, "step", 0.1, gamma=0.9)
    controller = {"name": "step", "gamma": 0.9}
    set_labels(tmp_path, {run_key(controller): "quick"})
    assert compare_stored(tmp_path, "step", "quick").verdict == "better"
    with pytest.raises(InvalidArgument, match=r"must name two controllers, got .quick. twice"):
        compare_stored(tmp_path, "quick", "quick")


def test_variants_of_a_name_go_by_their_labels_and_the_name_stands_for_none_of_them(tmp_path):
    store(tmp_path, "fixed", 0.2)
    store(tmp_path, "step", 0.3, gamma=0.1)
    store(tmp_path, "step", 0.1, gamma=0.9)
    assert compare_stored(tmp_path, "step (gamma=0.1)", "fixed").verdict == "better"
    found = compare_stored(tmp_path, "step (gamma=0.9)", "fixed")
    assert (found.first, found.verdict) == ("step (gamma=0.9)", "worse")
    with pytest.raises(InvalidArgument, match=r"'step' must name one controller, but it names"):
        compare_stored(tmp_path, "step", "fixed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fixed", "nobody"), r"unknown controller 'nobody'"),
        (("fixed", "fixed"), r"must name two controllers"),
        (("fixed", "step", "loss"), r"unknown metric .* 'loss'"),
        (("fixed", "step", "test_accuracy"), r"undefined in some runs"),
        (("fixed", "cosine"), r"no env and seed in common"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, message):
    store(tmp_path, "fixed", 0.3)
    store(tmp_path, "step", 0.1)
    store(tmp_path, "cosine", 0.1, seeds=range(50, 60))
    first, second, *metric = arguments
    with pytest.raises(InvalidArgument, match=message):
        compare_stored(tmp_path, first, second, **({"metric": metric[0]} if metric else {}))
