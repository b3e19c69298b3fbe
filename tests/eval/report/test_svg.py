"""Tests of what a page holds of a figure: the same lines, in fewer letters."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atn_gym.eval.report.curve_plots import Curve, Entry, strips
from atn_gym.eval.report.render import page_svg
from atn_gym.eval.report.svg import to_svg
from atn_gym.eval.report.svg_path import is_lines, moved, steps, tenths

COORDINATE = st.integers(-3000, 3000).map(lambda tenth: tenth / 10)
SUBPATH = st.tuples(
    st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=8), st.booleans()
)


def written(subpaths):
    """A path as matplotlib writes it."""
    lines = []
    for points, is_closed in subpaths:
        lines += [f"{'L' if i else 'M'} {x:.6f} {y:.6f}" for i, (x, y) in enumerate(points)]
        lines += ["z"] if is_closed else []
    return "\n".join(lines) + "\n"


def drawn(path):
    """Segments between points, in tenths, read as SVG reads them."""
    x, y, rest = steps(path)
    pen = begin = x, y
    segments = []
    for command, numbers in re.findall(r"([mlz])([^mlz]*)", rest):
        values = [round(10 * float(v)) for v in re.findall(r"-?(?:\d+\.\d+|\.\d+|\d+)", numbers)]
        for dx, dy in zip(values[::2], values[1::2], strict=True):
            to = pen[0] + dx, pen[1] + dy
            if command == "l":
                segments.append((pen, to))
            pen = to
        if command == "m":
            begin = pen
        elif command == "z":
            segments.append((pen, begin))
            pen = begin
    return segments


def inked(segments):
    """Points along segments of tenths, none between those of no length."""
    found = set()
    for (x, y), (to_x, to_y) in segments:
        steps_between = max(np.gcd(to_x - x, to_y - y), 1)
        for share in range(steps_between + 1):
            found.add(
                (
                    x + (to_x - x) * share // steps_between,
                    y + (to_y - y) * share // steps_between,
                )
            )
    return found


@given(st.lists(SUBPATH, min_size=1, max_size=3))
def test_steps_draw_the_lines_of_the_path(subpaths):
    wanted = []
    for points, is_closed in subpaths:
        at = [(round(10 * x), round(10 * y)) for x, y in points]
        at += at[:1] if is_closed else []
        wanted += [pair for pair in itertools.pairwise(at) if pair[0] != pair[1]]
    found = [pair for pair in drawn(written(subpaths)) if pair[0] != pair[1]]
    assert inked(found) == inked(wanted)


def test_a_point_on_a_straight_line_is_left_out():
    assert steps("M 0 1.5 \nL 10 1.5 \nL 20 1.5 \nL 20 3 \n") == (0, 15, "l 20 0 0 1.5")
    assert steps("M 0 0 \nL 10 0 \nL 4 0 \n")[2] == "l 10 0-6 0", "one that goes back is not"


def test_a_path_is_the_same_elsewhere():
    path = "M 3.14159 2.71828 \nL 1.41421 1.73205 \nL 5 8 \nz\n"
    assert steps(moved(path, 100.0, -50.0))[2] == steps(path)[2]
    assert is_lines(path)
    assert not is_lines("M 0 0 C 1 1 2 2 3 3")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (5, ".5"), (-5, "-.5"), (120, "12"), (-123, "-12.3")]
)
def test_tenths(value, text):
    assert tenths(value) == text


def test_what_every_row_repeats_is_written_once():
    generator = np.random.default_rng(0)
    x = np.arange(1.0, 31)

    def entry(label):
        value = np.exp(generator.normal(size=30))
        return Entry(label, ((Curve(x, value, value / 2, value * 2),),))

    rows = [entry(f"method_{i}") for i in range(12)]
    figure = strips(rows, entry("fixed"), ("epoch", 0, 30), ["loss"], 12.0)
    svg = to_svg(figure, 0, "", {row.label: i for i, row in enumerate(rows)})
    assert len(svg) < len(page_svg(figure)) / 3
    baseline = re.findall(r'href="#(f0-p\d+)"', svg)
    assert sorted(map(baseline.count, set(baseline))) == [11, 11], "its line and its band"
    assert svg.count('class="c5"') == svg.count('class="c6"') > 2
