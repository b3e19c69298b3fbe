"""Columns of tables as NumPy sees them: every kind of value, and none."""

import math

import numpy as np
import pytest

from atn_gym.eval.storage import arrow

TABLE = arrow.table_of(
    {
        "truth": [True, None, False],
        "whole": [3, None, 2**53],
        "real": [0.1, math.nan, None],
        "text": ["a", None, "b"],
        "nothing": [None, None, None],
        "listed": [[1, 2], None, [3]],
    },
    {},
)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("truth", [1, math.nan, 0]),
        ("whole", [3, math.nan, 2**53]),
        ("real", [0.1, math.nan, math.nan]),
        *((name, [math.nan] * 3) for name in ("text", "nothing", "listed", "absent")),
    ],
)
def test_a_column_as_numbers_has_nan_where_there_is_none(name, numbers):
    found = arrow.floats(TABLE, name)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, numbers)


def test_a_value_is_known_where_it_is_there_though_it_is_nan():
    assert arrow.known(TABLE, "real").tolist() == [True, True, False]
    assert arrow.known(TABLE, "text").tolist() == [True, False, True]
    assert arrow.known(TABLE, "absent").tolist() == [False] * 3


def test_only_true_false_and_nothing_are_truth():
    names = [*TABLE.column_names, "absent"]
    truths = [name for name in names if arrow.is_truth(TABLE, name)]
    assert truths == ["truth", "nothing", "absent"]


def test_lists_stand_on_end_with_the_length_of_each():
    for read in (arrow.lists, arrow.flattened):
        lengths, values = read(TABLE, "listed")
        assert (lengths.tolist(), values.tolist()) == ([2, 0, 1], [1, 2, 3])
    for name in ("nothing", "absent"):
        lengths, values = arrow.lists(TABLE, name)
        assert (lengths.tolist(), values.tolist()) == ([0, 0, 0], [])


def test_values_are_as_they_are_with_none_where_numbers_have_no_nan():
    assert arrow.values(TABLE, "truth").tolist() == [True, None, False]
    assert arrow.values(TABLE, "text").tolist() == ["a", None, "b"]
    np.testing.assert_array_equal(arrow.values(TABLE, "whole"), [3, math.nan, 2**53])


def test_an_integer_too_large_for_64_bits_is_a_float_unless_the_column_has_a_type():
    table = arrow.table_of({"flops": [2**70, None]}, {})
    np.testing.assert_array_equal(arrow.floats(table, "flops"), [2.0**70, math.nan])
    with pytest.raises(OverflowError):
        arrow.table_of({"seed": [2**70]}, {"seed": "int64"})
