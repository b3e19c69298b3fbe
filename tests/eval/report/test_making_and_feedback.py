"""What making a method cost, and what its feedback is worth."""

import numpy as np
import pytest
from made_up_runs import add, cells, figures, make_comparison, tables

from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.making import DEPLOYMENTS, break_even, cost_of_a_run, making_runs
from atn_gym.eval.report.report import write_report

FLOPS = 10**6
"""Of a whole run of these made-up ones."""


@pytest.fixture
def made(root):
    """J is 0 for fixed, 0.2 for a tuned method and for one that searches, -0.2 for a bad one."""
    for seed in range(3):
        add(root, "fixed", seed, anytime_performance=0.0, making_runs=0.0)
        add(root, "tuned", seed, anytime_performance=0.2, making_runs=1000.0)
        add(root, "bad", seed, anytime_performance=-0.2, making_runs=10.0)
        add(root, "own", seed, anytime_performance=0.1, making_runs=None)
    return root


def statistics(root):
    index = make_comparison(root)
    found = BlockStatistics(index, index.block())
    return found, dict(zip(found.block.controllers, range(9), strict=False))


def test_making_is_shared_by_the_runs_that_a_method_is_made_for(made):
    found, place = statistics(made)
    assert making_runs(found)[[place["fixed"], place["tuned"]]].tolist() == [0, 1000]
    assert np.isnan(making_runs(found)[place["own"]])
    costs = [cost_of_a_run(found, n)[place["tuned"]] for n in (1, 10, 1e6)]
    assert costs == pytest.approx([1001, 101, 1.001])


def test_from_the_break_even_on_making_has_paid(made):
    """(1.2 / 2) / (1 + 1000 / N) = 1 / 2 at N = 5000."""
    found, place = statistics(made)
    pays = break_even(found)
    assert pays[place["tuned"]] == 5000
    worth = 0.6 / cost_of_a_run(found, 5000)[place["tuned"]]
    assert worth == pytest.approx(0.5)
    assert np.isposinf(pays[place["bad"]])
    assert np.isnan(pays[[place["fixed"], place["own"]]]).all()


def test_the_table_says_what_making_took_and_when_it_pays(made):
    table = tables(made)["Charged in the run, means per run over all envs"]
    tuned, bad, own = (cells(table, name) for name in ("tuned", "bad", "own"))
    assert (tuned["making (whole runs)"], tuned["break-even (runs)"]) == ("1,000", "5,000")
    assert bad["break-even (runs)"] == "never"
    assert own["making (whole runs)"] == own["break-even (runs)"] == "\N{EN DASH}"
    headline = tables(made)["All envs"]
    assert "leaves out what making the method cost" in headline.note


def test_the_figure_of_compute_marks_each_number_of_runs(made):
    drawing = figures(made)["Performance against compute"].drawing
    cost = drawing.axes[1]
    marks = [len(line.get_xdata()) for line in cost.lines if line.get_marker() == "|"]
    # For the two methods whose making is known.
    assert marks == [len(DEPLOYMENTS)] * 2
    assert DEPLOYMENTS == (1, 10, 100, 1e3, 1e4, 1e5, 1e6)


def test_the_value_of_feedback_is_the_paired_difference_to_the_yoked_control(root):
    for seed in range(4):
        add(root, "heuristic", seed, anytime_performance=0.1 * seed + 0.05)
        add(root, "step", seed, anytime_performance=0.1 * seed)
        add(root, "pid", seed, anytime_performance=0.3)
        control = 0.1 * seed
        add(root, "yoked", seed, anytime_performance=control, arguments={"method": "heuristic"})
        add(root, "yoked", seed, anytime_performance=control, arguments={"method": "step"})
    adaptation = tables(root)["Adaptation over all envs"]
    assert cells(adaptation, "heuristic")["value of feedback"] == "0.050 [0.050, 0.050]"
    assert cells(adaptation, "step")["value of feedback"] == "0.000 [0.000, 0.000]"
    assert cells(adaptation, "pid")["value of feedback"] == "\N{EN DASH}"
    roles = {row.cells[0].text: row.cells[1].text for row in tables(root)["Controllers"].rows}
    assert [role for label, role in roles.items() if "yoked" in label] == ["control"] * 2


def test_an_unpaired_controller_has_an_empty_cell_below_the_value_of_feedback(root):
    for seed in range(3):
        add(root, "heuristic", seed, anytime_performance=0.2)
        add(root, "yoked", seed, arguments={"method": "heuristic"})
        add(root, "mine", 10 + seed)
    write_report(root)
    adaptation = tables(root)["DigitsCnn-DataShift, adaptation"]
    assert cells(adaptation, "mine")["value of feedback"] == "\N{EN DASH}"
    assert cells(adaptation, "heuristic")["value of feedback"] != "\N{EN DASH}"


def test_without_a_control_there_is_no_such_column(made):
    assert "value of feedback" not in tables(made)["Adaptation over all envs"].headings
