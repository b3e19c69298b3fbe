"""What holds of run keys for all configs."""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from atn_gym.eval.storage.keys import keys_of_seeds, run_key

seeds = st.integers(0, 2**63 - 1)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
configs = st.dictionaries(st.text(), values, max_size=5)


@given(configs, seeds)
@example({"seed": 3, "a": [1, {"z": None, "b": "ü"}], "zz": 1.5}, 2**63 - 1)
def test_the_key_of_a_seed_is_that_of_the_whole_config(config, seed):
    key = run_key({**config, "seed": seed})
    assert keys_of_seeds(config)(seed) == key
    assert re.fullmatch("[0-9a-f]{16}", key)


@given(configs)
def test_the_order_of_fields_is_of_no_account(config):
    assert run_key(dict(reversed(config.items()))) == run_key(config)


@given(configs, seeds, seeds)
def test_another_seed_is_another_run(config, first, second):
    assume(first != second)
    key = keys_of_seeds(config)
    assert key(first) != key(second)


@given(configs, st.text(), scalars, scalars)
def test_another_value_is_another_run(config, name, first, second):
    # 1, 1.0 and True are equal in Python, and are written otherwise.
    assume(type(first) is not type(second) or first != second)
    assert run_key({**config, name: first}) != run_key({**config, name: second})
