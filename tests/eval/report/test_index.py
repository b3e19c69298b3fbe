"""What runs are called, which stand in for which, and which can be pooled."""

import csv

import numpy as np
import pytest
from made_up_runs import (
    ENV,
    OTHER,
    Page,
    add,
    cells,
    fail,
    labels,
    make_comparison,
    mine,
    skipped,
    tables,
)

from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import set_labels


def test_of_a_run_with_and_without_twin_the_former_is_taken(root):
    for twins, cost in ((False, None), (True, 0.25), (False, None)):
        config = {"env": ENV, "controller": {"name": "fixed"}, "seed": 0, "twins": twins}
        add(root, shock_cost=cost, config=config)
    runs = {run.config["twins"]: run for run in read_experiment(root).runs}
    index = ResultIndex(list(runs.values()))
    assert index.of_pair("fixed", "DigitsCnn-DataShift") == [runs[True]]
    assert index.superseded == [f"{runs[False].key}: {runs[True].key} is the same run"]
    write_report(root)
    assert runs[False].key in (root / "report.html").read_text()


def test_variants_of_a_controller_or_env_are_told_apart(root):
    for gain in (1, 2):
        add(root, "mine", arguments={"gain": gain, "same": 0})
        add(root, "mine", arguments={"gain": gain, "same": 0}, env={**ENV, "kind": "rotation"})
    index = ResultIndex(read_experiment(root).runs)
    assert [c.label for c in index.controllers] == ["mine (gain=1)", "mine (gain=2)"]
    assert [e.label for e in index.envs] == [
        "DigitsCnn-DataShift (kind=label_noise)",
        "DigitsCnn-DataShift (kind=rotation)",
    ]


def test_numbers_written_in_two_ways_make_one_variant(root):
    for seed, gain in enumerate([2, 2.0]):
        add(root, "mine", seed, arguments={"gain": gain, "bound": 1})
        add(root, "mine", seed, arguments={"gain": gain, "bound": 3})
    assert [c.label for c in make_comparison(root).controllers] == [
        "mine (bound=1)",
        "mine (bound=3)",
    ]
    assert len(make_comparison(root).runs) == 4


def test_labels_stand_in_every_report_and_are_merged(known):
    add(known, "mine", arguments={"path": "b.zip"}, anytime_performance=0.9)
    set_labels(known, {mine(): "first"})
    set_labels(known, {mine(path="b.zip"): "se<c>ond"})
    set_labels(known, {mine(path="c.zip"): None})
    assert labels(known) == ["first", "fixed", "lookahead_oracle", "se<c>ond"]
    write_report(known)
    with (known / "summary.csv").open(newline="") as file:
        assert {row["controller"] for row in csv.DictReader(file)} == set(labels(known))
    assert "se&lt;c&gt;ond" in (known / "report.html").read_text()
    assert "| first |" in (known / "report.md").read_text()
    assert cells(tables(known)["Controllers"], "se<c>ond")["arguments"] == "mine, path b.zip"


def test_failed_runs_are_listed_until_they_are_made(known):
    for seed in (0, 1, 2):
        fail(known, "worst", seed)
    fail(known, "mine", 3, "late", OTHER)
    fail(known, "mine", 4)
    index = make_comparison(known)
    assert [c.label for c in index.controllers] == ["fixed", "lookahead_oracle", "mine"]
    assert [e.label for e in index.envs] == ["DigitsCnn-DataShift"]
    write_report(known)
    page = (known / "report.html").read_text()
    for line in (
        "DigitsCnn-DataShift, worst, seed 0, 1, 2: it <b>broke</b>",
        "DigitsCnn-Stationary, mine, seed 3: late",
        "DigitsCnn-DataShift, mine, seed 4: it <b>broke</b>",
    ):
        assert line in "".join(Page(page).text)
        assert line.replace("<", "\\<").replace(">", "\\>") in (known / "report.md").read_text()
    assert "<b>broke" not in page
    assert skipped(known) == {}
    for seed in (0, 1, 2):
        add(known, "worst", seed)
    fail(known, "mine", 4, "again")
    assert make_comparison(known).failed == [
        "DigitsCnn-DataShift, mine, seed 4: again",
        "DigitsCnn-Stationary, mine, seed 3: late",
    ]


def test_reasons_that_differ_in_their_seeds_alone_make_one_line(known):
    for seed in (4, 5):
        fail(known, "worst", seed, f"it broke at epoch 2 of the run with seed {seed}")
        fail(known, "other", seed, "it broke at epoch 0 of the runs with seeds 4, 5")
    fail(known, "worst", 6, "it broke at epoch 3 of the run with seed 6")
    assert make_comparison(known).failed == [
        "DigitsCnn-DataShift, other, seed 4, 5: it broke at epoch 0 of the runs",
        "DigitsCnn-DataShift, worst, seed 4, 5: it broke at epoch 2 of the run",
        "DigitsCnn-DataShift, worst, seed 6: it broke at epoch 3 of the run",
    ]


def test_equal_labels_are_told_apart(root):
    add(root, "mine", arguments={"gain": 1})
    add(root, "mine", arguments={"gain": 2})
    add(root, "other")
    add(root, "fixed")
    both = {mine(gain=1): "fixed", mine(gain=2): "x", run_key({"name": "other"}): "x"}
    set_labels(root, both)
    assert labels(root) == [
        "fixed (gain=1, name=mine)",
        "fixed (gain=null, name=fixed)",
        "x (gain=2, name=mine)",
        "x (gain=null, name=other)",
    ]


def test_a_label_that_reads_like_another_controller_is_left_out(root):
    add(root, "mine", arguments={"gain": 1})
    add(root, "mine", arguments={"gain": 2})
    add(root, "other")
    set_labels(root, {run_key({"name": "other"}): "mine (gain=1)"})
    assert labels(root) == ["mine (gain=1)", "mine (gain=2)", "other"]


@pytest.mark.parametrize("text", ["{", '{"0123456789abcdef": 1}'])
def test_damaged_labels_are_named_and_written_anew(root, caplog, text):
    add(root, "mine")
    (root / "labels.json").write_text(text)
    assert list(skipped(root)) == ["labels.json"]
    assert labels(root) == ["mine"]
    set_labels(root, {mine(): "first"})
    assert "labels.json is damaged and written again" in caplog.text
    assert labels(root) == ["first"]


def test_env_labels_stay_apart_across_versions(root):
    add(root)
    add(root, env={**ENV, "id": "atn_gym/DigitsCnn-DataShift-v1"})
    labels = [e.label for e in ResultIndex(read_experiment(root).runs).envs]
    assert labels == ["atn_gym/DigitsCnn-DataShift-v0", "atn_gym/DigitsCnn-DataShift-v1"]


def block_without(root, absent):
    """The block of 4 controllers, 3 envs and 4 seeds from which some runs are missing."""
    envs = [{**ENV, "id": f"atn_gym/Env-{name}-v0"} for name in "abc"]
    for controller in ("fixed", "p", "q", "r"):
        for env in envs:
            for seed in range(4):
                if not absent(controller, env["id"][12], seed):
                    add(root, controller, seed, env)
    index = ResultIndex(read_experiment(root).runs)
    block = index.block()
    return block, index.left_out(block)


@pytest.mark.parametrize(
    ("absent", "left_out"),
    [
        (lambda controller, env, seed: False, []),
        (lambda controller, env, seed: (controller, env, seed) == ("p", "a", 2), ["seeds 2"]),
        (lambda controller, env, seed: env == "c" and controller in "pqr", ["envs Env-c"]),
        (lambda controller, env, seed: controller == "p" and env != "a", ["controllers p"]),
        (lambda controller, env, seed: controller == "p" and env == "b", ["envs Env-b"]),
        (lambda controller, env, seed: controller != "p" and seed > 1, ["seeds 2, 3"]),
    ],
)
def test_pooled_runs_are_complete_and_the_rest_is_named(root, absent, left_out):
    block, found = block_without(root, absent)
    assert found == left_out
    assert np.isfinite(block.values("flops")).all()
