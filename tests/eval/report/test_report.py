"""The report of stored runs: what its tables say, what is not read, and what the page is."""

import csv
import itertools
import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from stored_runs import ENV, EPOCHS, OTHER, add, trace

import atn_gym
from atn_gym import cli
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.block_statistics import Standing
from atn_gym.eval.report.document import Figure, Table
from atn_gym.eval.report.figures import _over_seeds, run_figure
from atn_gym.eval.report.index import Comparison
from atn_gym.eval.report.plots import Point, pareto_front
from atn_gym.eval.report.report import make_document, write_report
from atn_gym.eval.report.svg import Axis
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.labels import set_labels
from atn_gym.eval.storage.provenance import git_commit
from atn_gym.eval.storage.runs import run_key
from atn_gym.eval.storage.sealing import seal
from atn_gym.eval.storage.store import ResultStore, StoreError


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """Spares these small files the wait for the disk."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "trial"


@pytest.fixture
def known(root):
    """Three controllers on one env with four seeds."""
    for seed, performance in enumerate([0.0, 0.2, 0.4, 0.6]):
        lost = {"mean_val_loss": float(seed), "test_loss": 10.0 * seed, "diverged": seed == 0}
        add(root, "fixed", seed, anytime_performance=performance, **lost)
        add(root, "mine", seed, anytime_performance=0.8, rollback_count=seed)
        # Better than all others in the headline too, yet it must stand below them.
        oracle = {"flops": 10**10, "compute_adjusted_performance": 0.95}
        add(root, "lookahead_oracle", seed, anytime_performance=0.9, **oracle)
    return root


@pytest.fixture
def scored(known):
    """The same, with both references of the adaptation score; blind is as good as fixed."""
    for seed, performance in enumerate([0.0, 0.2, 0.4, 0.6]):
        add(known, "blind", seed, anytime_performance=performance)
        add(known, "reactive_oracle", seed, anytime_performance=0.9)
    return known


def tables(root):
    document = make_document(read_experiment(root))
    parts = [part for section in document.sections for part in section.parts]
    return {part.title.split(":")[0]: part for part in parts if isinstance(part, Table)}


def cells(table, label):
    (row,) = [row for row in table.rows if row.cells[0].text == label]
    return {
        heading: " ".join(filter(None, [cell.text, cell.detail]))
        for heading, cell in zip(table.headings, row.cells, strict=True)
    }


def test_headline_is_as_computed_by_hand(scored):
    table = tables(scored)["All envs"]
    names = [row.cells[0].text for row in table.rows]
    assert names == ["mine", "blind", "fixed", "lookahead_oracle", "reactive_oracle"]
    mine = cells(table, "mine")
    assert mine["compute-adjusted performance"] == "0.900 [0.900, 0.900]"
    assert mine["adaptation score"].startswith("0.83 [")  # (0.8 - 0.3) / (0.9 - 0.3)
    assert mine["mean rank"] == "1.00 [1.00, 1.00]"
    assert mine["P(better than fixed)"] == "1.00 [1.00, 1.00]"
    assert mine["rollbacks / run"] == "1.5"
    fixed = cells(table, "fixed")
    assert fixed["compute-adjusted performance"].startswith("0.650 [")
    assert fixed["anytime performance"].startswith("0.300 [")
    assert fixed["mean val. loss (nats)"].startswith("1.500 [")
    assert fixed["adaptation score"] == "0.00 [0.00, 0.00]"
    assert fixed["mean rank"] == "2.50 [2.50, 2.50]"
    assert fixed["worst decile"] == "0.000"
    assert fixed["diverged runs"] == "1 / 4"


def test_oracle_is_a_reference_and_not_ranked(scored):
    table = tables(scored)["All envs"]
    assert [row.is_reference for row in table.rows] == [False, False, False, True, True]
    oracle = cells(table, "reactive_oracle")
    assert oracle["adaptation score"] == "1.00 [1.00, 1.00]"
    assert oracle["mean rank"] == oracle["P(better than fixed)"] == NONE
    assert (
        "privileged reference" in cells(tables(scored)["Controllers"], "lookahead_oracle").values()
    )


def test_env_table_pairs_differences_by_seed(known):
    mine = cells(tables(known)["DigitsCnn-DataShift"], "mine")
    assert mine["anytime"] == "0.800 ± 0.000"
    assert mine["anytime against fixed"].startswith("0.500 [")
    fixed = cells(tables(known)["DigitsCnn-DataShift"], "fixed")
    assert fixed["anytime"] == f"0.300 ± {np.std([0, 0.2, 0.4, 0.6], ddof=1):.3f}"
    assert fixed["anytime against fixed"] == NONE
    deviation = np.std([0, 1, 2, 3], ddof=1)
    assert fixed["mean val. loss (nats)"] == f"1.500 ± {deviation:.3f}"
    assert fixed["test loss (nats)"] == f"15.000 ± {10 * deviation:.3f}"


def test_intervals_of_the_headline_hold_their_value_and_have_a_width(root):
    rng = np.random.default_rng(0)
    for seed in range(20):
        add(root, "fixed", seed, anytime_performance=0.3 + 0.1 * rng.normal())
        add(root, "blind", seed, anytime_performance=0.3 + 0.1 * rng.normal())
        add(root, "mine", seed, anytime_performance=0.35 + 0.1 * rng.normal())
        add(root, "reactive_oracle", seed, anytime_performance=0.8)
    row = cells(tables(root)["All envs"], "mine")
    for heading in ("adaptation score", "mean rank", "P(better than fixed)", "worst decile"):
        value, low, high = map(float, re.findall(r"[\d.]+", row[heading]))
        assert low <= value <= high
        assert low < high


@pytest.mark.parametrize(
    ("seeds", "told", "has_interval"),
    [
        (1, "of the single seed; an interval of it would take 20 seeds", False),
        (10, "of the worst seed of the 10; an interval of it would take 20 seeds", False),
        (15, "tenth of the seeds, here 1.5 of 15; an interval of it would take 20", False),
        (20, "of the worst tenth of the seeds, here 2 of 20.", True),
    ],
)
def test_worst_decile_says_how_many_seeds_it_is_about(root, seeds, told, has_interval):
    for seed in range(seeds):
        add(root, seed=seed, anytime_performance=seed / 100)
    found = tables(root)
    for title, heading in (
        ("All envs", "worst decile"),
        ("Stability over all envs", "worst decile of anytime"),
        ("DigitsCnn-DataShift, stability", "worst decile of anytime"),
    ):
        assert told in found[title].note
        assert ("[" in cells(found[title], "fixed")[heading]) == has_interval


def test_an_env_in_which_nothing_can_be_won_has_no_adaptation_score_and_says_so(scored):
    for seed in range(4):
        add(scored, "fixed", seed, env=OTHER, anytime_performance=0.5)
        add(scored, "blind", seed, env=OTHER, anytime_performance=0.5)
        add(scored, "mine", seed, env=OTHER, anytime_performance=0.1)
        add(scored, "reactive_oracle", seed, env=OTHER, anytime_performance=0.4)
        add(scored, "lookahead_oracle", seed, env=OTHER, anytime_performance=0.4)
    found = tables(scored)
    # A ratio of sums: (0.8 - 0.3 + 0.1 - 0.5) / (0.9 - 0.3 + 0.4 - 0.5).
    assert cells(found["All envs"], "mine")["adaptation score"].startswith("0.20")
    assert cells(found["DigitsCnn-Stationary"], "mine")["adaptation score"] == NONE
    assert "reactive_oracle (0.400) is not above blind" in found["DigitsCnn-Stationary"].note
    assert "undefined" not in found["DigitsCnn-DataShift"].note


def test_without_its_references_it_is_said_why_there_is_no_adaptation_score(root):
    add(root)
    add(root, "mine")
    assert "undefined without runs of blind and reactive_oracle" in tables(root)["All envs"].note


def test_tables_take_the_beginnings_of_an_env_apart(root):
    for seed in range(8):
        level = 0.1 + 0.6 * (seed % 2)
        add(root, seed=seed, beginning=seed % 2, anytime_performance=level)
        add(root, "mine", seed, beginning=seed % 2, anytime_performance=level + 0.05)
    found = tables(root)["All envs"]
    assert cells(found, "fixed")["anytime performance"] == "0.400 [0.400, 0.400]"
    assert cells(found, "mine")["P(better than fixed)"] == "1.00 [1.00, 1.00]"


def test_compute_is_relative_to_one_whole_run(known):
    table = tables(known)["Compute, means per run over all envs"]
    assert cells(table, "lookahead_oracle")["flops (whole runs)"] == "10.00"
    assert cells(table, "mine")["flops (whole runs)"] == "1.00"


def test_flops_are_relative_to_a_run_of_the_same_env(root):
    add(root, "fixed")
    add(root, "fixed", env=OTHER, flops=10**10, run_flops=10**10)
    add(root, "mine", flops=3 * 10**9)
    add(root, "mine", env=OTHER, flops=10**10, run_flops=10**10)
    table = tables(root)["Compute, means per run over all envs"]
    assert cells(table, "fixed")["flops (whole runs)"] == "1.00"
    assert cells(table, "mine")["flops (whole runs)"] == "2.00"


@pytest.fixture
def recovering(root):
    times = [(1, True), (3, True), (5, False), (5, False)]
    for seed, (time, recovered) in enumerate(times):
        measured = {"recovery_time": time, "recovered": recovered, "shock_cost": seed / 2}
        add(root, "fixed", seed, **measured, update_magnitude=0.1, adaptation_frequency=0.5)
        add(root, "fixed", seed, env=OTHER, update_magnitude=0.3, adaptation_frequency=1.0)
    return root


def test_recovery_is_over_runs_with_a_shock(recovering):
    row = cells(tables(recovering)["Adaptation over all envs"], "fixed")
    assert row["recovered (% of runs with epochs before a shock)"] == "50"
    assert row["recovery time, restricted mean (epochs, within 5 epochs)"] == "3.5"
    assert row["shock cost (nats / epoch)"] == "0.750"
    assert row["update magnitude (decades / epoch)"] == "0.200"
    assert row["epochs with a change (%)"] == "75"
    assert row["false alarms (% of epochs before the shock)"] == NONE


def test_stability_and_adaptation_stand_for_each_env(recovering):
    found = tables(recovering)
    shocked = cells(found["DigitsCnn-DataShift, adaptation"], "fixed")
    deviation = np.std([0, 0.5, 1, 1.5], ddof=1)
    assert shocked["shock cost (nats / epoch)"] == f"0.750 ± {deviation:.3f}"
    assert shocked["recovered (% of runs with epochs before a shock)"] == "50"
    assert shocked["update magnitude (decades / epoch)"] == "0.100"
    calm = cells(found["DigitsCnn-Stationary, adaptation"], "fixed")
    assert calm["shock cost (nats / epoch)"] == NONE
    assert calm["update magnitude (decades / epoch)"] == "0.300"
    add(recovering, seed=4, collapsed=True)
    found = tables(recovering)
    stability = cells(found["DigitsCnn-DataShift, stability"], "fixed")
    assert stability["collapsed runs"] == "1 / 1"
    assert cells(found["DigitsCnn-Stationary, stability"], "fixed")["collapsed runs"] == NONE


def test_a_run_that_died_early_is_not_cheap(root):
    add(root, "fixed", flops=10**9, run_flops=10**9)
    add(root, "mine", flops=10**8, run_flops=10**8)
    add(root, "searching", flops=5 * 10**9, run_flops=10**9)
    comparison = Comparison(read_experiment(root).runs)
    standing = Standing(comparison, comparison.block())
    cost = dict(zip(standing.block.controllers, standing.relative_cost(), strict=True))
    assert cost == {"fixed": 1, "mine": 1, "searching": 5}


def test_recovery_curve_counts_runs_that_are_back(recovering):
    comparison = Comparison(read_experiment(recovering).runs)
    recovery = Standing(comparison, comparison.block()).recovery()
    np.testing.assert_allclose(recovery.shares(), [[0, 0.25, 0.25, 0.5, 0.5]])


def test_a_shock_at_the_start_does_not_lengthen_the_recovery_of_others(recovering):
    early = {**ENV, "trigger": 0, "kind": "rotation"}
    for seed in range(4):
        add(recovering, "fixed", seed, env=early, shock_epoch=0)
    row = cells(tables(recovering)["Adaptation over all envs"], "fixed")
    assert row["recovery time, restricted mean (epochs, within 5 epochs)"] == "3.5"


def test_the_budget_of_a_run_is_a_whole_one_if_all_diverged(root):
    for seed, epochs in enumerate([2, 4]):
        rows = [{**row, "diverged": row["epoch"] == epochs} for row in trace(epochs)]
        lost = {"diverged": True, "run_flops": epochs * 10**8, "flops": epochs * 10**8}
        add(root, "fixed", seed, rows=rows, **lost)
    found = tables(root)
    budget = cells(found["Tasks, regimes and compute budget of one run"], ENV["id"])
    assert (budget["gradient steps"], budget["GFLOP"]) == ("170", "1.00")
    compute = cells(found["Compute, means per run over all envs"], "fixed")
    assert compute["flops (whole runs)"] == "0.30"


def test_curves_over_seeds_go_through_values_that_a_run_had(root):
    for seed in range(4):
        rate = 1e-3 if seed < 2 else 0.1
        add(root, "fixed", seed, rows=[{**row, "learning_rate": rate} for row in trace()])
    runs = read_experiment(root).runs
    curve = _over_seeds(runs, "learning_rate", EPOCHS)
    for part in (curve.low, curve.middle, curve.high):
        assert set(part) <= {1e-3, 0.1}


def test_setting_names_regime_budget_and_arguments(root):
    add(root, "mine", arguments={"gain": 0.5})
    found = tables(root)
    env = cells(found["Tasks, regimes and compute budget of one run"], ENV["id"])
    assert (env["kind"], env["severity"], env["shock after epoch"]) == ("label_noise", "0.4", "5")
    assert (env["epochs"], env["gradient steps"], env["GFLOP"]) == ("10", "170", "1.00")
    assert cells(found["Controllers"], "mine")["arguments"] == "gain 0.5"


def test_versions_and_machine_are_those_of_the_manifest(root):
    add(root)
    manifest = {"atn_gym": "0.1.0", "packages": {"numpy": "2.0"}, "git_commit": None, "seeds": [0]}
    ResultStore(root).write_manifest(manifest)
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "packages")["value"] == "numpy 2.0"
    assert cells(facts, "commit")["value"] == "unknown"
    (root / "manifest.json").write_text("[")
    assert "versions and machine are unknown" in tables(root)["Seeds, versions and machine"].note


def test_what_earlier_manifests_said_stands_beside_it(root):
    add(root)
    for commit, workers in (("a", 1), ("b", 1), ("b", 2), ("c", 2)):
        ResultStore(root).write_manifest({"git_commit": commit, "workers": workers, "seeds": [0]})
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "commit")["value"] == "c; earlier a; earlier b"
    assert cells(facts, "processes")["value"] == "2; earlier 1"
    (root / "manifest.json").write_text(seal({"workers": 1, "earlier": [3, {"workers": 3}]}))
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "processes")["value"] == "1; earlier 3"


def test_a_single_seed_says_so_in_every_title(root):
    add(root, "fixed")
    add(root, "mine", anytime_performance=0.5)
    write_report(root)
    text = (root / "report.md").read_text()
    assert text.startswith("# trial: 1 env, 2 controllers, a SINGLE seed: no evidence")
    assert cells(tables(root)["All envs"], "mine")["anytime performance"] == "0.500"
    for title in ("All envs", "DigitsCnn-DataShift", "Stability over all envs"):
        assert "a SINGLE seed: no evidence" in tables(root)[title].title


@pytest.mark.parametrize(("seeds", "is_few"), [(2, True), (19, True), (20, False)])
def test_intervals_of_few_seeds_are_said_to_be_too_narrow(root, seeds, is_few):
    for seed in range(seeds):
        add(root, seed=seed)
    note = tables(root)["All envs"].note
    assert (f"which may be too narrow with {seeds} seeds." in note) == is_few


def test_several_seeds_are_counted(known):
    assert make_document(read_experiment(known)).title == "trial: 1 env, 3 controllers, 4 seeds"


@pytest.mark.parametrize(
    ("version", "told"), [("0.2.0", "0.2.0 (1 run)"), (None, "unknown (1 run)")]
)
def test_mixed_versions_are_warned_of(root, version, told):
    add(root, seed=0)
    add(root, seed=1, version=version)
    write_report(root)
    page = (root / "report.html").read_text()
    assert f"runs of different versions of atn_gym: 0.1.0 (1 run), {told}" in page


def test_mixed_commits_are_warned_of(root):
    for seed, commit in enumerate(["abc", "abd", "abd", None]):
        add(root, seed=seed, commit=commit)
    write_report(root)
    page = (root / "report.html").read_text()
    assert "different commits of atn_gym: abc (1 run), abd (2 runs), unknown (1 run)" in page


def test_runs_without_a_commit_are_unknown_and_not_warned_of(root):
    for seed, commit in enumerate(["abc", None]):
        add(root, seed=seed, commit=commit)
    write_report(root)
    page = (root / "report.html").read_text()
    assert "abc (1 run), unknown (1 run)" in page
    assert "different commits" not in page


def test_one_version_is_not_warned_of(known):
    write_report(known)
    assert "different versions" not in (known / "report.html").read_text()


def test_of_a_run_with_and_without_twin_the_former_is_taken(root):
    for twins, cost in ((False, None), (True, 0.25), (False, None)):
        config = {"env": ENV, "controller": {"name": "fixed"}, "seed": 0, "twins": twins}
        add(root, shock_cost=cost, config=config)
    runs = {run.config["twins"]: run for run in read_experiment(root).runs}
    comparison = Comparison(list(runs.values()))
    assert comparison.of_pair("fixed", "DigitsCnn-DataShift") == [runs[True]]
    assert comparison.superseded == [f"{runs[False].key}: {runs[True].key} is the same run"]
    write_report(root)
    assert runs[False].key in (root / "report.html").read_text()


def test_variants_of_a_controller_or_env_are_told_apart(root):
    for gain in (1, 2):
        add(root, "mine", arguments={"gain": gain, "same": 0})
        add(root, "mine", arguments={"gain": gain, "same": 0}, env={**ENV, "kind": "rotation"})
    comparison = Comparison(read_experiment(root).runs)
    assert [c.label for c in comparison.controllers] == ["mine (gain=1)", "mine (gain=2)"]
    assert [e.label for e in comparison.envs] == [
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


def labels(root):
    stored = read_experiment(root)
    return [c.label for c in Comparison(stored.runs, stored.labels).controllers]


def mine(**arguments):
    return run_key({"name": "mine", **arguments})


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


def fail(root, controller, seed, reason="it <b>broke</b>", env=ENV):
    config = {"env": env, "controller": {"name": controller}, "seed": seed}
    ResultStore(root).write_failure(config, reason)


def test_failed_runs_are_listed_until_they_are_made(known):
    for seed in (0, 1, 2):
        fail(known, "worst", seed)
    fail(known, "mine", 3, "late", OTHER)
    fail(known, "mine", 4)
    comparison = make_comparison(known)
    assert [c.label for c in comparison.controllers] == ["fixed", "lookahead_oracle", "mine"]
    assert [e.label for e in comparison.envs] == ["DigitsCnn-DataShift"]
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
    assert not list(known.glob("*/failure.json"))[2:]


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


def make_comparison(root):
    stored = read_experiment(root)
    return Comparison(stored.runs, stored.labels, stored.failures)


def test_an_experiment_in_which_all_failed_says_why(root, capsys):
    fail(root, "worst", 0)
    fail(root, "worst", 1)
    assert cli.main(["report", str(root)]) == 2
    assert "holds no complete run: all 2 runs failed: it <b>broke</b>" in capsys.readouterr().err


def test_a_damaged_failure_is_named(root):
    add(root)
    fail(root, "worst", 0)
    (path,) = root.glob("*/failure.json")
    path.write_text("[]")
    assert skipped(root) == {path.parent.name: "failure.json holds no mapping"}
    path.write_text("{}")
    (reason,) = skipped(root).values()
    assert reason.startswith("failure.json or what belongs to it was changed")


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
    assert "labels.json is damaged and written anew" in caplog.text
    assert labels(root) == ["first"]


def test_env_labels_stay_apart_across_versions(root):
    add(root)
    add(root, env={**ENV, "id": "atn_gym/DigitsCnn-DataShift-v1"})
    labels = [e.label for e in Comparison(read_experiment(root).runs).envs]
    assert labels == ["atn_gym/DigitsCnn-DataShift-v0", "atn_gym/DigitsCnn-DataShift-v1"]


def block_without(root, absent):
    """The block of 4 controllers, 3 envs and 4 seeds from which some runs are missing."""
    envs = [{**ENV, "id": f"atn_gym/Env-{name}-v0"} for name in "abc"]
    for controller in ("fixed", "p", "q", "r"):
        for env in envs:
            for seed in range(4):
                if not absent(controller, env["id"][12], seed):
                    add(root, controller, seed, env)
    comparison = Comparison(read_experiment(root).runs)
    block = comparison.block()
    return block, comparison.left_out(block)


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


def test_runs_without_any_in_common_still_make_a_report(root):
    add(root, "fixed", 0)
    add(root, "mine", 1, env=OTHER)
    write_report(root)
    text = (root / "report.md").read_text()
    assert "- DigitsCnn-Stationary, all seeds: fixed\n" in text
    assert "They leave out" in text


def test_controllers_with_seeds_of_their_own_stand_unpaired_in_the_table_of_the_env(root):
    for seed in range(4):
        add(root, "fixed", seed, anytime_performance=seed / 10)
        add(root, "mine", 10 + seed, anytime_performance=0.5 + seed / 10)
    found = tables(root)
    alone = [row.cells[0].text for row in found["All envs"].rows]
    assert "4 runs a controller" in found["All envs"].title
    for title in ("", ", stability", ", adaptation"):
        table = found[f"DigitsCnn-DataShift{title}"]
        assert table.title.endswith(": 4 seeds")
        assert {row.cells[0].text: row.cells[0].detail for row in table.rows} == {
            "fixed": "" if alone == ["fixed"] else "unpaired",
            "mine": "" if alone == ["mine"] else "unpaired",
        }
        assert "stands by itself, not paired with the others: its row is of seeds " in table.note
    table = found["DigitsCnn-DataShift"]
    values = {row.cells[0].text: row.cells[2] for row in table.rows}
    deviation = np.std([0, 0.1, 0.2, 0.3], ddof=1)
    assert (values["fixed"].text, values["mine"].text) == ("0.150", "0.650")
    assert {cell.detail for cell in values.values()} == {f"± {deviation:.3f}"}
    assert {row.cells[3].text for row in table.rows} == {NONE}


def test_tables_of_an_env_name_the_seeds_that_they_leave_out(root):
    for seed in range(4):
        add(root, "fixed", seed)
        if seed < 2:
            add(root, "mine", seed)
    for table in (t for title, t in tables(root).items() if title.startswith("DigitsCnn")):
        assert table.title.endswith(": 2 seeds")
        assert "Left out, because not all have them: seeds 2, 3." in table.note


def test_missing_runs_are_named(known):
    add(known, "mine", 0, env=OTHER)
    write_report(known)
    text = (known / "report.md").read_text()
    assert "- DigitsCnn-Stationary, seed 1, 2, 3: mine\n" in text
    assert "- DigitsCnn-Stationary, all seeds: fixed, lookahead\\_oracle\n" in text
    assert "leave out envs DigitsCnn-Stationary" in text


@pytest.mark.parametrize("controller", ["fixed", "mine", "lookahead_oracle"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_any_controller_can_be_alone(root, controller, seeds):
    for seed in range(seeds):
        add(root, controller, seed, env=OTHER)
    write_report(root)
    assert f"{controller}" in (root / "report.html").read_text()


def test_diverged_runs_are_drawn_with_the_loss_of_divergence(root):
    for seed in range(3):
        rows = [*trace(3), {**trace(4)[3], "val_loss": math.nan, "diverged": True}]
        add(root, "fixed", seed, rows=rows, diverged=True, final_val_loss=11.5)
    comparison = Comparison(read_experiment(root).runs)
    svg = run_figure(comparison, "DigitsCnn-DataShift", ["fixed"]).svg
    loss = ElementTree.fromstring(svg).find(".//path[@class='curve contender']").get("d")
    heights = [float(point.split(",")[1]) for point in loss[1:].split()]
    assert len(heights) == EPOCHS
    assert len(set(heights[3:])) == 1
    assert heights[3] < min(heights[:3])


def test_figures_are_drawings_with_the_shock_and_every_controller(known):
    document = make_document(read_experiment(known))
    figures = [p for s in document.sections for p in s.parts if isinstance(p, Figure)]
    drawings = {f.title.split(":")[0]: ElementTree.fromstring(f.svg) for f in figures}
    assert set(drawings) == {
        "Performance over all envs",
        "Performance profiles",
        "Performance against compute",
        "DigitsCnn-DataShift over epochs",
    }
    over_epochs = drawings["DigitsCnn-DataShift over epochs"]
    texts = {element.text for element in over_epochs.iter("text")}
    assert {"mine", "validation loss (nats)", "learning rate", "1 \N{MINUS SIGN} momentum"} <= texts
    assert len(over_epochs.findall("path[@class='shock']")) == 2 * 3


def test_legends_name_only_what_is_drawn(root, known):
    def notes(folder):
        document = make_document(read_experiment(folder))
        figures = [p for s in document.sections for p in s.parts if isinstance(p, Figure)]
        return [f.note for f in figures if f.title != "Performance over all envs"]

    assert all("Purple" in note for note in notes(known))
    alone = root.with_name("alone")
    add(alone, "mine")
    assert not any("Purple" in note or "Grey" in note for note in notes(alone))


def test_pareto_front_leaves_out_what_is_beaten():
    points = [
        Point(n, x, y, False) for n, x, y in [("a", 1, 1), ("b", 1, 2), ("c", 3, 2), ("d", 4, 3)]
    ]
    assert [point.label for point in pareto_front(points)] == ["b", "d"]


@pytest.mark.parametrize(
    ("low", "high", "is_log", "ticks"),
    [
        (0, 30, False, [0, 10, 20, 30]),
        (-0.3, 0.35, False, [-0.2, 0, 0.2]),
        (1e-5, 0.2, True, [1e-5, 1e-3, 1e-1]),
        (0.8, 30, True, [1, 10]),
        (0.2, 0.9, True, [0.2, 0.5]),
        (0.03, 0.08, True, [0.04, 0.06, 0.08]),
        (1.1e-6, 1.9e-6, True, [1.5e-6]),
        (0.9, 1.7, True, [1, 1.5]),
        (0.9, 11, True, [1, 10]),
    ],
)
def test_ticks_are_round_and_few(low, high, is_log, ticks):
    assert Axis("", low, high, is_log).ticks(4 if high == 30 and not is_log else 3) == ticks


class Page(HTMLParser):
    """Records the tags of a page, and checks that they are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.text, self._open = set(), [], [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]
        values = dict(attributes)
        self.links += [v for k, v in attributes if k in ("href", "src", "xlink:href", "data")]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in ("meta", "wbr"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_page_needs_no_other_file_and_no_script(known):
    write_report(known)
    text = (known / "report.html").read_text()
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert {link[0] for link in page.links} == {"#"}
    assert {link[1:] for link in page.links} == set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"https?:|url\(|@import", text)


def test_details_stand_below_their_values_where_many_columns_have_one(known):
    write_report(known)
    page = (known / "report.html").read_text()
    found = re.findall(r"<table(?: class=\"(\w+)\")?><caption>([^:<]+)", page)
    styles = {title: style for style, title in found}
    assert styles["All envs"] == "stacked"
    assert styles["DigitsCnn-DataShift"] == "stacked"
    assert styles["DigitsCnn-DataShift, stability"] == ""
    assert styles["Controllers"] == "text"


EVIL = "<script>alert('1')</script>|`$x$`\n# x"


def test_names_arguments_paths_and_errors_are_escaped(tmp_path):
    root = tmp_path / "<b>trial</b>"
    env = {**ENV, "id": 'm:atn_gym/" onload="<script>-v0', "kind": EVIL}
    add(root, f"m:{EVIL}", arguments={"note": EVIL}, env=env, version=EVIL)
    add(root, f"m:{EVIL}", seed=1, env=env, arguments={"note": "x"})
    (root / "<script>alert(2)<").mkdir()
    folder = root / "0123456789abcdef"
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    (folder / "config.yaml").write_text("<script>: [")
    ResultStore(root).write_manifest({"processor": EVIL, EVIL: EVIL})
    write_report(root)
    page = Page((root / "report.html").read_text())
    assert "script" not in page.tags
    assert "b" not in page.tags
    shown = "".join(page.text)
    assert "<script>alert('1')</script>" in shown
    assert "<script>alert(2)<: is no run" in shown
    lines = (root / "report.md").read_text().splitlines()
    assert not any("<script>" in line.replace("\\<", "") for line in lines)
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line))


def skipped(root):
    return {entry.name: entry.reason for entry in read_experiment(root).skipped}


def damaged(root, change):
    """A run of seed 9 that is changed after it was stored; the name of its folder."""
    before = set(root.iterdir()) if root.exists() else set()
    add(root, seed=9)
    (folder,) = set(root.iterdir()) - before
    change(folder)
    return folder.name


def test_foreign_files_are_named_and_own_ones_are_not(root):
    add(root)
    ResultStore(root).write_manifest({"seeds": [0]})
    write_report(root)
    (root / ".hidden").write_text("")
    (root / "notes.txt").write_text("")
    (root / "checkpoints").mkdir()
    assert skipped(root) == dict.fromkeys(
        ["checkpoints", "notes.txt"], "is no run of an experiment"
    )


def test_empty_missing_and_wrong_folders_are_explained(tmp_path, capsys):
    def message(folder):
        assert cli.main(["report", str(folder)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    (tmp_path / "empty").mkdir()
    assert "holds no complete run: make some with `atn-gym run`" in message(tmp_path / "empty")
    assert "No such file or directory" in message(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    assert "Not a directory" in message(tmp_path / "file")
    add(tmp_path / "results" / "trial")
    ResultStore(tmp_path / "results" / "trial").write_manifest({})
    wanted = tmp_path / "results" / "trial"
    assert f"name the folder of one experiment, such as {wanted}" in message(tmp_path / "results")
    name = damaged(tmp_path / "broken", lambda folder: (folder / "summary.json").write_text("{"))
    assert f"{name}: summary.json cannot be read" in message(tmp_path / "broken")


def test_command_says_what_it_wrote_and_skipped(known, tmp_path, capsys):
    (known / "notes.txt").write_text("")
    out = tmp_path / "new" / "out"
    assert cli.main(["report", str(known), "--out", str(out)]) == 0
    output = capsys.readouterr()
    assert "12 runs: " in output.out
    assert "skipped: notes.txt" in output.err
    assert sorted(path.name for path in out.iterdir()) == [
        "report.html",
        "report.md",
        "summary.csv",
    ]
    assert not (known / "report.html").exists()


def test_tables_of_one_env_say_nothing_of_a_mean_over_envs(known):
    for title, table in tables(known).items():
        assert "over envs" not in table.note or title == "All envs"
    for controller in ("fixed", "mine", "lookahead_oracle"):
        for seed in range(4):
            add(known, controller, seed, env=OTHER)
    note = tables(known)["Stability over all envs"].note
    assert "averaged over envs" in note
    assert "the mean over envs of" in note


def test_arguments_that_are_not_given_are_not_told(root):
    add(root, env={**ENV, "split": None, "train_size": None})
    add(root, env={**OTHER, "split": "test", "train_size": None})
    write_report(root)
    assert "split test" in (root / "report.md").read_text()
    assert "null" not in (root / "report.md").read_text()


def test_summary_has_a_row_for_every_run(known):
    write_report(known)
    with (known / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    (row,) = [r for r in rows if r["controller"] == "mine" and r["seed"] == "2"]
    assert row["env"] == "DigitsCnn-DataShift"
    assert row["config.env.severity"] == "0.4"
    assert json.loads(row["config.env.hyperparameters"]) == ["learning_rate", "momentum"]
    assert float(row["anytime_performance"]) == 0.8
    assert (known / row["run"] / "summary.json").exists()
    assert rows[0]["rollback_count"] == "", "fixed has none"


def test_failed_write_leaves_the_earlier_report(known, monkeypatch):
    write_report(known)
    before = (known / "report.html").read_text()
    add(known, "mine", 7)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(StoreError, match=r"No space left on device.*--out"):
        write_report(known)
    assert (known / "report.html").read_text() == before
    assert list(known.glob(".*")) == []


def test_a_report_made_twice_is_the_same(known):
    write_report(known)
    before = [(known / n).read_text() for n in ("report.html", "report.md", "summary.csv")]
    write_report(known)
    assert before == [(known / n).read_text() for n in ("report.html", "report.md", "summary.csv")]


def test_what_the_runner_stores_can_be_reported(tmp_path):
    env = {"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 3, "train_size": 128}
    config = {
        "experiment": "small",
        "envs": [env],
        "controllers": ["fixed", "cosine"],
        "seeds": 2,
        "results": str(tmp_path),
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", str(tmp_path / "small.yaml")]) == 0
    written = write_report(tmp_path / "small")
    assert (written.num_runs, written.skipped) == (4, [])
    row = cells(tables(tmp_path / "small")["Compute, means per run over all envs"], "cosine")
    assert (row["gradient steps"], row["flops (whole runs)"]) == ("6", "1.00")
    assert NONE not in row.values()
    row = cells(tables(tmp_path / "small")["Adaptation over all envs"], "cosine")
    assert NONE not in row.values()
    facts = tables(tmp_path / "small")["Seeds, versions and machine"]
    assert cells(facts, "atn_gym of the runs")["value"] == f"{atn_gym.__version__} (4 runs)"
    assert cells(facts, "commit of the runs")["value"] == f"{git_commit() or 'unknown'} (4 runs)"
