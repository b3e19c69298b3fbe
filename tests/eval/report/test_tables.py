"""What the tables of a report say."""

import re

import numpy as np
import pytest
from made_up_runs import ENV, OTHER, add, cells, made_document, tables
from scipy import stats

from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.recovery import recovery_times
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment


def test_headline_is_as_computed_by_hand(known):
    table = tables(known)["All envs"]
    assert [row.cells[0].text for row in table.rows] == ["mine", "fixed", "lookahead_oracle"]
    mine = cells(table, "mine")
    assert mine["compute-adjusted performance"] == "0.900 [0.900, 0.900]"
    assert mine["mean rank"] == "1.00 [1.00, 1.00]"
    assert mine["P(better than fixed)"] == "1.00 [1.00, 1.00]"
    assert mine["interquartile mean of anytime"] == "0.800 [0.800, 0.800]"
    fixed = cells(table, "fixed")
    assert fixed["compute-adjusted performance"].startswith("0.650 [")
    assert fixed["anytime performance"].startswith("0.300 [")
    assert fixed["mean val. loss (nats)"] == "1.500"
    assert fixed["mean rank"] == "2.00 [2.00, 2.00]"
    assert fixed["P(better than fixed)"] == NONE
    assert fixed["worst decile of anytime"] == "0.000"
    safety = tables(known)["Safety over all envs"]
    assert cells(safety, "fixed")["diverged runs"] == "1 / 4"
    assert cells(safety, "mine")["rollbacks / run"] == "1.5"


def test_means_stand_in_the_headline_and_failures_are_not_trimmed_away(root):
    for seed in range(8):
        add(root, "fixed", seed, anytime_performance=0.5)
        add(root, "risky", seed, anytime_performance=-1.0 if seed == 0 else 0.6)
    table = tables(root)["All envs"]
    assert [row.cells[0].text for row in table.rows] == ["fixed", "risky"]
    risky = cells(table, "risky")
    assert risky["anytime performance"].startswith("0.400 [")
    assert risky["interquartile mean of anytime"].startswith("0.600 [")


def test_adaptation_score_is_a_ratio_of_sums_over_envs(root):
    # J on two envs: of blind, of the method and of the reactive oracle.
    for env, performances in ((ENV, (0.1, 0.4, 0.5)), (OTHER, (0.3, 0.2, 0.4))):
        for seed in range(3):
            for name, performance in zip(
                ("blind", "mine", "reactive_oracle"), performances, strict=True
            ):
                add(root, name, seed, env, anytime_performance=performance)
    table = tables(root)["All envs"]
    assert cells(table, "mine")["adaptation score"] == "0.40 [0.40, 0.40]"  # (0.3 - 0.1) / 0.5
    assert cells(table, "blind")["adaptation score"] == "0.00 [0.00, 0.00]"
    assert cells(table, "reactive_oracle")["adaptation score"] == "1.00 [1.00, 1.00]"
    assert [row.is_reference for row in table.rows] == [False, False, True]


def test_collapse_rate_has_the_exact_interval(root):
    for seed in range(10):
        add(root, "fixed", seed, collapsed=seed < 2)
    row = cells(tables(root)["Safety over all envs"], "fixed")
    interval = stats.binomtest(2, 10).proportion_ci(method="exact")
    assert row["collapse rate (%)"] == f"20.0 [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    assert row["collapsed runs"] == "2 / 10"


def test_beginnings_stand_apart_and_count_the_same(root):
    poor = {**ENV, "id": "atn_gym/DigitsCnnPoorInit-DataShift-v0"}
    for seed in range(5):
        low = seed % 2 == 0
        add(
            root,
            "fixed",
            seed,
            poor,
            beginning=0 if low else 1,
            initial_hyperparameters={"learning_rate": 1e-4 if low else 0.1},
            anytime_performance=0.0 if low else 0.6 + seed / 100,
            collapsed=low,
        )
    found = tables(root)
    row = cells(found["DigitsCnnPoorInit-DataShift, by initial values"], "fixed")
    low, high = "learning rate 0.0001", "learning rate 0.1"
    assert row[f"{low}: anytime performance (3 seeds)"] == "0.000 [0.000, 0.000]"
    assert row[f"{high}: anytime performance (2 seeds)"].startswith("0.620 [")
    assert row[f"{low}: collapse rate (%)"].startswith("100 [")
    assert row[f"{high}: collapse rate (%)"].startswith("0 [")
    # Three runs at 0 and two at 0.62: each beginning has half of the weight.
    assert cells(found["All envs"], "fixed")["anytime performance"].startswith("0.310 [")
    assert cells(found["DigitsCnnPoorInit-DataShift"], "fixed")["anytime performance"].startswith(
        "0.310 ± "
    )


def test_an_env_with_one_beginning_has_no_table_of_beginnings(known):
    assert not [title for title in tables(known) if "initial values" in title]


def test_rows_are_sorted_by_a_number_that_is_shown(root):
    # The order of the means is not that of the interquartile means.
    for seed in range(8):
        add(root, "fixed", seed, anytime_performance=-1.0 if seed == 0 else 0.8)
        add(root, "mine", seed, anytime_performance=0.7)
    found = tables(root)
    for title in ("All envs", "DigitsCnn-DataShift"):
        column = found[title].headings.index("compute-adjusted performance")
        shown = [float(row.cells[column].text) for row in found[title].rows]
        assert shown == sorted(shown, reverse=True)
        assert [row.cells[0].text for row in found[title].rows] == ["mine", "fixed"]


def test_oracle_is_a_reference_and_not_ranked(known):
    table = tables(known)["All envs"]
    assert [row.is_reference for row in table.rows] == [False, False, True]
    oracle = cells(table, "lookahead_oracle")
    assert oracle["mean rank"] == oracle["P(better than fixed)"] == NONE
    assert (
        "privileged reference" in cells(tables(known)["Controllers"], "lookahead_oracle").values()
    )


def test_env_table_pairs_differences_by_seed(known):
    difference = "anytime performance less that of fixed"
    mine = cells(tables(known)["DigitsCnn-DataShift"], "mine")
    assert mine["anytime performance"] == "0.800 ± 0.000"
    assert mine[difference].startswith("0.500 [")
    fixed = cells(tables(known)["DigitsCnn-DataShift"], "fixed")
    assert fixed["anytime performance"] == f"0.300 ± {np.std([0, 0.2, 0.4, 0.6], ddof=1):.3f}"
    assert fixed[difference] == NONE
    deviation = np.std([0, 1, 2, 3], ddof=1)
    assert fixed["mean val. loss (nats)"] == f"1.500 ± {deviation:.3f}"
    assert fixed["test loss (nats)"] == f"15.000 ± {10 * deviation:.3f}"


def test_intervals_of_the_headline_hold_their_value_and_have_a_width(root):
    rng = np.random.default_rng(0)
    for seed in range(20):
        add(root, "fixed", seed, anytime_performance=0.3 + 0.1 * rng.normal())
        add(root, "mine", seed, anytime_performance=0.35 + 0.1 * rng.normal())
        add(root, "reactive_oracle", seed, anytime_performance=0.8)
        add(root, "blind", seed, anytime_performance=0.3 + 0.1 * rng.normal())
    row = cells(tables(root)["All envs"], "mine")
    for heading in (
        "adaptation score",
        "mean rank",
        "P(better than fixed)",
        "worst decile of anytime",
    ):
        value, low, high = map(float, re.findall(r"[\d.]+", row[heading]))
        assert low <= value <= high
        assert low < high


@pytest.mark.parametrize(
    ("seeds", "said", "has_interval"),
    [
        (1, "of the single seed; its interval needs 20 seeds", False),
        (10, "of the worst seed of the 10; its interval needs 20 seeds", False),
        (15, "tenth of the seeds, here 1.5 of 15; its interval needs 20", False),
        (20, "of the worst tenth of the seeds, here 2 of 20.", True),
    ],
)
def test_worst_decile_says_how_many_seeds_it_is_about(root, seeds, said, has_interval):
    for seed in range(seeds):
        add(root, seed=seed, anytime_performance=seed / 100)
    found = tables(root)
    for title, heading in (
        ("All envs", "worst decile of anytime"),
        ("Safety over all envs", "worst decile of anytime"),
        ("DigitsCnn-DataShift, safety", "worst decile of anytime"),
    ):
        assert said in found[title].note
        assert ("[" in cells(found[title], "fixed")[heading]) == has_interval


def test_it_says_why_there_is_no_adaptation_score(root):
    add(root)
    add(root, "blind", anytime_performance=0.5)
    table = tables(root)["All envs"]
    assert "undefined without runs of reactive_oracle" in table.note
    assert cells(table, "fixed")["adaptation score"] == NONE
    add(root, "reactive_oracle", anytime_performance=0.4)
    table = tables(root)["All envs"]
    assert "nothing can be won by looking" in table.note
    assert cells(table, "fixed")["adaptation score"] == NONE


def test_compute_is_relative_to_one_whole_run(known):
    table = tables(known)["Charged in the run, means per run over all envs"]
    assert cells(table, "lookahead_oracle")["flops (whole runs)"] == "10.00"
    assert cells(table, "mine")["flops (whole runs)"] == "1.00"


def test_flops_are_relative_to_a_run_of_the_same_env(root):
    add(root, "fixed")
    add(root, "fixed", env=OTHER, flops=10**10, run_flops=10**10)
    add(root, "mine", flops=3 * 10**9)
    add(root, "mine", env=OTHER, flops=10**10, run_flops=10**10)
    table = tables(root)["Charged in the run, means per run over all envs"]
    assert cells(table, "fixed")["flops (whole runs)"] == "1.00"
    assert cells(table, "mine")["flops (whole runs)"] == "2.00"


def test_recovery_is_over_runs_with_a_shock(recovering):
    row = cells(tables(recovering)["Adaptation over all envs"], "fixed")
    assert row["recovered (% of runs with epochs before a shock)"] == "50"
    assert row["recovery time, restricted mean (epochs, within 5 epochs)"] == "3.5"
    assert row["shock cost (nats / epoch)"] == "0.750"
    assert row["update magnitude (decades / epoch)"] == "0.200"
    assert row["epochs with a change (%)"] == "75"
    assert row["false alarms (% of epochs before the shock)"] == NONE


def test_safety_and_adaptation_stand_for_each_env(recovering):
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
    safety = cells(found["DigitsCnn-DataShift, safety"], "fixed")
    assert safety["collapsed runs"] == "1 / 1"
    assert cells(found["DigitsCnn-Stationary, safety"], "fixed")["collapsed runs"] == NONE


def test_a_run_that_died_early_is_not_cheap(root):
    add(root, "fixed", flops=10**9, run_flops=10**9)
    add(root, "mine", flops=10**8, run_flops=10**8)
    add(root, "searching", flops=5 * 10**9, run_flops=10**9)
    index = ResultIndex(read_experiment(root).runs)
    statistics = BlockStatistics(index, index.block())
    cost = dict(zip(statistics.block.controllers, statistics.relative_cost(), strict=True))
    assert cost == {"fixed": 1, "mine": 1, "searching": 5}


def test_recovery_curve_counts_runs_that_are_back(recovering):
    index = ResultIndex(read_experiment(recovering).runs)
    recovery = recovery_times(index.block())
    np.testing.assert_allclose(recovery.shares(), [[0, 0.25, 0.25, 0.5, 0.5]])


def test_a_shock_at_the_start_does_not_lengthen_the_recovery_of_others(recovering):
    early = {**ENV, "trigger": 0, "kind": "rotation"}
    for seed in range(4):
        add(recovering, "fixed", seed, env=early, shock_epoch=0)
    row = cells(tables(recovering)["Adaptation over all envs"], "fixed")
    assert row["recovery time, restricted mean (epochs, within 5 epochs)"] == "3.5"


def test_a_single_seed_says_so_in_every_title(root):
    add(root, "fixed")
    add(root, "mine", anytime_performance=0.5)
    write_report(root)
    text = (root / "report.md").read_text()
    assert text.startswith("# trial: 1 env, 2 controllers, a SINGLE seed: no evidence")
    assert cells(tables(root)["All envs"], "mine")["anytime performance"] == "0.500"
    for title in ("All envs", "DigitsCnn-DataShift", "Safety over all envs"):
        assert "a SINGLE seed: no evidence" in tables(root)[title].title


@pytest.mark.parametrize(("seeds", "is_few"), [(2, True), (19, True), (20, False)])
def test_intervals_of_few_seeds_are_said_to_be_too_narrow(root, seeds, is_few):
    for seed in range(seeds):
        add(root, seed=seed)
    note = tables(root)["All envs"].note
    assert (f"which may be too narrow with {seeds} seeds." in note) == is_few


def test_several_seeds_are_counted(known):
    assert made_document(known).title == "trial: 1 env, 3 controllers, 4 seeds"


def test_controllers_with_seeds_of_their_own_stand_unpaired_in_the_table_of_the_env(root):
    for seed in range(4):
        add(root, "fixed", seed, anytime_performance=seed / 10)
        add(root, "mine", 10 + seed, anytime_performance=0.5 + seed / 10)
    found = tables(root)
    alone = [row.cells[0].text for row in found["All envs"].rows]
    assert "4 runs per controller" in found["All envs"].title
    for title in ("", ", safety", ", adaptation"):
        table = found[f"DigitsCnn-DataShift{title}"]
        assert table.title.endswith(": 4 seeds")
        assert {row.cells[0].text: row.cells[0].detail for row in table.rows} == {
            "fixed": "" if alone == ["fixed"] else "unpaired",
            "mine": "" if alone == ["mine"] else "unpaired",
        }
        assert "is not paired with the others: its row is of seeds " in table.note
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
        assert "Left out, because not all controllers have them: seeds 2, 3." in table.note


@pytest.mark.parametrize("controller", ["fixed", "mine", "lookahead_oracle"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_any_controller_can_be_alone(root, controller, seeds):
    for seed in range(seeds):
        add(root, controller, seed, env=OTHER)
    write_report(root)
    assert f"{controller}" in (root / "report.html").read_text()


def test_where_the_best_schedule_is_known_it_scores_one_and_regret_is_shown(root):
    assert "regret" not in tables_of_two_envs(root / "none", known=())["All envs"].headings
    shown = tables_of_two_envs(root / "both", known=(ENV, OTHER))["All envs"]
    assert cells(shown, "mine")["regret"] == "0.400"  # (0.5 + 0.3) / 2
    assert cells(shown, "mine")["adaptation score"].startswith("0.20 [")  # 0.2 / (0.8 + 0.2)
    mixed = tables_of_two_envs(root / "one", known=(ENV,))["All envs"]
    assert cells(mixed, "mine")["adaptation score"].startswith("0.22 [")  # 0.2 / (0.8 + 0.1)


def tables_of_two_envs(root, known):
    """J of blind, of the method and of the reactive oracle, where the best has 0.9 and 0.5."""
    for env, performances, best in ((ENV, (0.1, 0.4, 0.5), 0.9), (OTHER, (0.3, 0.2, 0.4), 0.5)):
        for seed in range(3):
            for name, performance in zip(
                ("blind", "mine", "reactive_oracle"), performances, strict=True
            ):
                regret = best - performance if env in known else None
                add(root, name, seed, env, anytime_performance=performance, regret=regret)
    return tables(root)
