"""Without Minari, `atn-gym record` says what to install."""

import sys

import pytest

from atn_gym.cli import main


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    monkeypatch.delitem(sys.modules, "atn_gym.eval.running.recording", raising=False)
    command = ["record", "fixed", "atn_gym/DigitsCnn-Mixture-v0", "--dataset", "atn_gym/fixed-v0"]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'atn_gym[minari]'" in line
