"""The largest complete block of an incomplete experiment, against all blocks."""

import itertools

import numpy as np
import pytest

from atn_gym.eval.report import largest_block as module
from atn_gym.eval.report.largest_block import largest_block


def subsets(number):
    return [s for n in range(1, number + 1) for s in itertools.combinations(range(number), n)]


def worth(controllers, envs, seeds):
    return min(seeds, 2), controllers**2 * envs * seeds, controllers, envs


def best_worth(exists):
    """The most that any complete block is worth, seeds chosen one by one too."""
    return max(
        worth(len(c), len(e), len(s))
        for c, e, s in itertools.product(*map(subsets, exists.shape))
        if exists[np.ix_(c, e, s)].all()
    )


def random_arrays(number, shape, shares=(0.3, 0.6, 0.9)):
    rng = np.random.default_rng(0)
    for i in range(number):
        exists = rng.random(shape) < shares[i % len(shares)]
        exists[0, 0, 0] = True
        yield exists


def test_it_is_the_best_of_all_blocks():
    for shape in ((3, 3, 4), (4, 2, 3), (2, 4, 4), (1, 1, 5), (4, 1, 4)):
        for exists in random_arrays(20, shape):
            block = largest_block(exists)
            assert exists[np.ix_(*block)].all()
            assert worth(*map(len, block)) == best_worth(exists)


def test_of_many_controllers_and_envs_it_is_nearly_the_best(monkeypatch):
    monkeypatch.setattr(module, "_MOST_ENUMERATED", 0)
    found, best = [], []
    for exists in random_arrays(60, (4, 4, 4)):
        block = largest_block(exists)
        assert exists[np.ix_(*block)].all()
        found.append(worth(*map(len, block)))
        best.append(best_worth(exists))
    assert [f[0] for f in found] == [b[0] for b in best]
    assert sum(f == b for f, b in zip(found, best, strict=True)) >= 57


@pytest.mark.parametrize("enumerated", [0, 14])
def test_it_keeps_two_seeds_and_loses_little_to_few_gaps(monkeypatch, enumerated):
    monkeypatch.setattr(module, "_MOST_ENUMERATED", enumerated)
    unpaired = np.zeros((2, 1, 20), dtype=bool)
    unpaired[0, 0, :10] = unpaired[1, 0, 10:] = True
    assert [len(chosen) for chosen in largest_block(unpaired)] == [1, 1, 10]
    gaps = np.ones((12, 30, 10), dtype=bool)
    for i in range(14):
        gaps[i % 12, (7 * i) % 30, i % 3] = False
    assert largest_block(gaps) == (tuple(range(12)), tuple(range(30)), tuple(range(3, 10)))
