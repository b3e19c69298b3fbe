"""Examples in docstrings run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import atn_gym
from atn_gym.errors import DependencyUnavailable

ROOT = Path(atn_gym.__file__).parent
MODULES = [
    "atn_gym." + ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted(ROOT.rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    try:
        module = importlib.import_module(name)
    except (DependencyUnavailable, ModuleNotFoundError) as error:
        pytest.skip(f"{name} needs an extra: {error}")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
