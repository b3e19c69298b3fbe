"""What figures draw."""

import math
from xml.etree import ElementTree

import pytest
from made_up_runs import EPOCHS, add, made_document, trace

from atn_gym.eval.report.document import Figure
from atn_gym.eval.report.figures import _over_seeds, run_figure
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.plots import Point, pareto_front
from atn_gym.eval.report.svg import Axis
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.runs import trace_matrices


def test_curves_over_seeds_go_through_values_that_a_run_had(root):
    for seed in range(4):
        rate = 1e-3 if seed < 2 else 0.1
        add(root, "fixed", seed, rows=[{**row, "learning_rate": rate} for row in trace()])
    runs = read_experiment(root).runs
    rates = trace_matrices(runs, ["learning_rate"], EPOCHS)["learning_rate"]
    curve = _over_seeds(runs, "learning_rate", rates)
    for part in (curve.low, curve.middle, curve.high):
        assert set(part) <= {1e-3, 0.1}


def test_diverged_runs_are_drawn_with_the_loss_of_divergence(root):
    for seed in range(3):
        rows = [*trace(3), {**trace(4)[3], "val_loss": math.nan, "diverged": True}]
        add(root, "fixed", seed, rows=rows, diverged=True, final_val_loss=11.5)
    index = ResultIndex(read_experiment(root).runs)
    svg = run_figure(index, "DigitsCnn-DataShift", ["fixed"]).svg
    loss = ElementTree.fromstring(svg).find(".//path[@class='curve contender']").get("d")
    heights = [float(point.split(",")[1]) for point in loss[1:].split()]
    assert len(heights) == EPOCHS
    assert len(set(heights[3:])) == 1
    assert heights[3] < min(heights[:3])


def test_a_figure_of_many_seeds_is_drawn_from_some_and_says_so(root, monkeypatch):
    monkeypatch.setattr("atn_gym.eval.report.figures._MOST_DRAWN", 3)
    for seed in range(4):
        add(root, "fixed", seed)
    figure = run_figure(ResultIndex(read_experiment(root).runs), "DigitsCnn-DataShift", ["fixed"])
    assert "4 seeds" in figure.title
    assert figure.note.endswith("Drawn from the first 3 seeds.")


def test_figures_are_drawings_with_the_shock_and_every_controller(known):
    document = made_document(known)
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
        document = made_document(folder)
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
