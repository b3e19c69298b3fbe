"""What figures draw."""

import math
import re

import numpy as np
import pytest
from made_up_runs import ENV, EPOCHS, add, figures, trace

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.dot_plots import Quantity, dots
from atn_gym.eval.report.drawing import CONTROLLER, limits
from atn_gym.eval.report.figures import _over_seeds, pareto_front, run_figure
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.render import save
from atn_gym.eval.report.svg import to_svg
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.runs import trace_matrices


def artists(figure, label):
    """What belongs to a controller, by kind."""
    found = [a for axes in figure.axes for a in (axes, *axes.get_children())]
    return [a for a in found if a.get_gid() == CONTROLLER + label]


def lines(figure, label, axes=0):
    found = [line for line in figure.axes[axes].lines if line.get_gid() == CONTROLLER + label]
    return [np.asarray(line.get_ydata(), float) for line in found]


def drawn(root, env="DigitsCnn-DataShift", order=("fixed",)):
    return run_figure(ResultIndex(read_experiment(root).runs), env, list(order))


def test_curves_over_seeds_go_through_values_that_a_run_had(root):
    for seed in range(4):
        rate = 1e-3 if seed < 2 else 0.1
        add(root, "fixed", seed, rows=[{**row, "learning_rate": rate} for row in trace()])
    runs = read_experiment(root).runs
    rates = trace_matrices(runs, ["learning_rate"], EPOCHS)["learning_rate"]
    curve = _over_seeds(runs, "learning_rate", rates)
    for part in (curve.low, curve.middle, curve.high):
        assert set(part) <= {1e-3, 0.1}


def test_initial_values_far_apart_are_drawn_as_lines_of_their_own(root):
    poor = {**ENV, "id": "atn_gym/DigitsCnnPoorInit-DataShift-v0"}
    for seed in range(6):
        rate = 1e-4 if seed % 2 else 1.0
        add(
            root,
            "fixed",
            seed,
            env=poor,
            rows=[{**row, "learning_rate": rate} for row in trace()],
            beginning=seed % 2,
            initial_hyperparameters={"learning_rate": rate},
        )
    figure = drawn(root, "DigitsCnnPoorInit-DataShift")
    high, low = lines(figure.drawing, "fixed", axes=1)
    assert np.ptp(high) == np.ptp(low) == 0
    assert low[0] - high[0] > 0.5, "they are at the ends of the scale"
    assert "Blue: from learning rate 1. Green: from learning rate 0.0001" in figure.note


def test_diverged_runs_are_drawn_with_the_loss_of_divergence(root):
    for seed in range(3):
        rows = [*trace(3), {**trace(4)[3], "val_loss": math.nan, "diverged": True}]
        add(root, "fixed", seed, rows=rows, diverged=True, final_val_loss=11.5)
    (heights,) = lines(drawn(root).drawing, "fixed")
    assert len(heights) == EPOCHS
    assert len(set(heights[3:])) == 1
    assert heights[3] < min(heights[:3]), "the axis runs down"


def test_a_figure_of_many_seeds_is_drawn_from_some_and_says_so(root, monkeypatch):
    monkeypatch.setattr("atn_gym.eval.report.figures._MOST_DRAWN", 3)
    for seed in range(4):
        add(root, "fixed", seed)
    figure = drawn(root)
    assert "4 seeds" in figure.title
    assert figure.note.endswith("Drawn from the first 3 seeds.")


def test_figures_are_drawings_with_the_shock_and_every_controller(known):
    found = figures(known)
    assert set(found) == {
        "Performance over all envs",
        "Performance profiles",
        "Performance against compute",
        "DigitsCnn-DataShift over epochs",
    }
    drawing = found["DigitsCnn-DataShift over epochs"].drawing
    titles = [axes.get_title() for axes in drawing.axes]
    assert titles == ["validation loss (nats)", "learning rate", "1 \N{MINUS SIGN} momentum"]
    shocks = [line for axes in drawing.axes for line in axes.lines if line.get_gid() is None]
    assert [set(line.get_xdata()) for line in shocks] == [{5}] * 3
    for figure in found.values():
        assert artists(figure.drawing, "mine")
        assert artists(figure.drawing, "lookahead_oracle")


def test_legends_name_only_what_is_drawn(root, known):
    def notes(folder):
        found = figures(folder).items()
        return [f.note for title, f in found if title != "Performance over all envs"]

    assert all("Purple" in note for note in notes(known))
    alone = root.with_name("alone")
    add(alone, "mine")
    assert not any("Purple" in note or "Grey" in note for note in notes(alone))


def test_pareto_front_leaves_out_what_is_beaten():
    costs, values = np.array([1.0, 1, 3, 4, 0]), np.array([1.0, 2, 2, 3, 9])
    assert pareto_front(costs, values, np.array([True] * 4 + [False])) == {1, 3}


def test_a_reference_that_would_stretch_an_axis_is_marked_at_its_edge_with_its_value():
    values = np.array([0.5, 0.6, -7.25])
    quantity = Quantity("score", values)
    figure = dots(["a", "b", "oracle"], np.array([False, False, True]), [quantity], 4.0)
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert (low, high) == pytest.approx((0.494, 0.606))
    mark, text, name = artists(figure, "oracle")
    assert (mark.get_marker(), list(mark.get_xdata())) == ("<", [low])
    assert text.get_text() == "\N{MINUS SIGN}7.250"
    assert name.get_text() == "oracle"


def test_where_all_cost_the_same_the_figure_shows_how_long_they_take(root):
    for name, seconds in (("slow", 9.0), ("fast", 3.0)):
        add(root, name, wall_clock_s={"total": seconds})
    axes = figures(root)["Performance against compute"].drawing.axes
    assert axes[2].get_xlabel() == "wall-clock seconds of a run (log)"
    drawn = {line.get_gid(): line.get_xdata()[0] for line in axes[2].lines if line.get_gid()}
    assert drawn == {CONTROLLER + "slow": 9, CONTROLLER + "fast": 3}


def test_equal_costs_still_have_an_axis():
    assert limits(np.ones(3), is_log=True) == pytest.approx((1 / 1.15, 1.15))
    assert limits(np.ones(3), is_log=False) == pytest.approx((0.95, 1.05))


@pytest.mark.parametrize("label", ["$x$", "a_b^c", "<b>&\"'", "\u4e2d\u6587", "a\ud800b"])
def test_labels_are_drawn_as_they_are(label):
    figure = dots([label], np.array([False]), [Quantity("score", np.array([0.5]))], 4.0)
    svg = to_svg(figure, 3, "what is seen", {printable(label): 7})
    assert 'class="c7"' in svg
    assert "<b>" not in svg
    if label == "$x$":
        assert ">$x$</text>" in svg


def test_a_page_colours_figures_and_keeps_their_ids_apart(known):
    figure = figures(known)["Performance profiles"].drawing
    first, second = (to_svg(figure, number, "", {}) for number in (1, 2))
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg in (first, second):
        assert {"var(--contender)", "var(--ink)", "var(--muted)"} <= set(
            re.findall(r"var\([\w-]+\)", svg)
        )
        assert not re.search(r"#[0-9a-f]{6}\b", svg)
        used = re.findall(r'(?:url\(|href=")#([^)"]+)', svg)
        assert set(used) == set(re.findall(r'id="([^"]+)"', svg))


def test_saved_figures_are_whole_and_the_same_twice(known, tmp_path):
    figure = figures(known)["Performance over all envs"].drawing
    for name in ("a.svg", "a.pdf"):
        save(figure, tmp_path / name)
        before = (tmp_path / name).read_bytes()
        save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert b"<text" not in (tmp_path / "a.svg").read_bytes(), "letters are paths"
