"""Which stored runs a report shows: the current source of a controller, and what is asked for."""

import pytest
from stored_runs import OTHER, add

from atn_gym import cli
from atn_gym.errors import InvalidArgument
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import contender_key, set_labels
from atn_gym.eval.storage.selection import Selection, select

OLD, NEW = ({"source_digest": of, "content_digest": None} for of in ("old", "new"))


@pytest.fixture
def root(tmp_path):
    """Two versions of one controller, of which the later command had the second; and another."""
    root = tmp_path / "trial"
    for seed in range(2):
        add(root, "own:Mine", seed, arguments=OLD)
        add(root, "own:Mine", seed, arguments=NEW)
        add(root, "fixed", seed, env=OTHER)
    make_current(root, NEW)
    return root


def make_current(root, versions):
    controller = {"name": "own:Mine", **versions}
    set_labels(root, {}, {contender_key(controller): run_key(controller)})


def shown(root, **wanted):
    stored = select(read_experiment(root), Selection(**wanted))
    digests = {run.config["controller"].get("source_digest") for run in stored.runs}
    return digests, stored.stale, len(stored.runs)


def test_only_the_current_source_is_shown_and_the_stale_one_is_named(root):
    digests, stale, count = shown(root)
    assert digests == {"new", None}
    assert count == 4
    assert stale == ["own:Mine of version old: its files have changed since"]
    assert shown(root, earlier_sources=True) == ({"old", "new", None}, [], 6)


def test_an_edit_that_is_undone_makes_the_first_source_current_again(root):
    make_current(root, OLD)
    digests, (stale,), _ = shown(root)
    assert digests == {"old", None}
    assert "version new" in stale


def test_a_current_source_without_a_complete_run_hides_none(root):
    make_current(root, {**NEW, "source_digest": "newer"})
    assert shown(root)[0] == {"old", "new", None}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"controllers": ["own:Mine"]}, 2),
        ({"controllers": ["fixed"]}, 2),
        ({"envs": ["DigitsCnn-Stationary"]}, 2),
        ({"envs": ["atn_gym/DigitsCnn-DataShift-v0"]}, 2),
        ({"seeds": [1]}, 2),
        ({"seeds": [1], "controllers": ["own:Mine"]}, 1),
    ],
)
def test_controllers_envs_and_seeds_may_be_chosen(root, wanted, count):
    assert shown(root, **wanted)[2] == count


def test_a_label_is_chosen_rather_than_all_that_share_the_name(root):
    for seed in range(3):
        add(root, "fixed", seed, arguments={"own": 1})
    assert shown(root, controllers=["fixed"])[2] == 5
    set_labels(root, {run_key({"name": "fixed", "own": 1}): "other"})
    assert shown(root, controllers=["fixed"])[2] == 2
    assert shown(root, controllers=["other"])[2] == 3


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"controllers": ["fixd"]}, "unknown controller 'fixd'; did you mean 'fixed'"),
        ({"envs": ["DigitsCnn-Stationry"]}, "unknown env .* did you mean 'DigitsCnn-Stationary'"),
        ({"seeds": [7]}, "unknown seed 7; .*Valid: 0, 1"),
        (
            {"controllers": ["own:Mine"], "envs": ["DigitsCnn-Stationary"]},
            "no complete run is of the controllers, envs and seeds",
        ),
    ],
)
def test_what_is_not_there_is_named(root, wanted, message):
    with pytest.raises(InvalidArgument, match=message):
        shown(root, **wanted)


def test_the_command_takes_a_selection_and_names_stale_controllers(root, capsys):
    assert cli.main(["report", str(root), "--controllers", "own:Mine", "--seeds", "0"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("1 runs: ")
    assert "own:Mine of version old" in output.err
    assert "--earlier-sources" in output.err
    assert "own:Mine of version old" in (root / "report.md").read_text()
