"""What holds of the largest complete block, whichever runs there are."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from atn_gym.eval.report.largest_block import largest_block

existing = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=5))
many = arrays(np.bool_, st.tuples(st.integers(8, 9), st.integers(7, 9), st.integers(1, 3)))


def weight(block):
    """What a block counts for, see `largest_block`."""
    controllers, envs, seeds = map(len, block)
    return min(seeds, 2), controllers**2 * envs * seeds, controllers, envs


@given(existing | many)
def test_a_block_is_complete_and_nothing_can_be_added_to_it(exists):
    assume(exists.any())
    block = largest_block(exists)
    assert exists[np.ix_(*block)].all()
    assert all(part == tuple(sorted(set(part))) for part in block)
    for axis, size in enumerate(exists.shape):
        for i in set(range(size)) - set(block[axis]):
            larger = [*block]
            larger[axis] = (*block[axis], i)
            assert not exists[np.ix_(*larger)].all()


@given(existing, st.randoms(use_true_random=False))
def test_the_order_of_controllers_envs_and_seeds_is_of_no_account(exists, random):
    assume(exists.any())
    orders = [random.sample(range(size), size) for size in exists.shape]
    assert weight(largest_block(exists[np.ix_(*orders)])) == weight(largest_block(exists))


@given(existing)
def test_two_seeds_are_found_wherever_some_run_has_them(exists):
    assume(exists.any())
    *_, seeds = largest_block(exists)
    assert len(seeds) >= min(2, exists.sum(axis=-1).max())
