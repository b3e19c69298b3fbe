import pytest

from atn_gym import cli, doctor
from atn_gym.envs.engines import choice


def findings():
    return {finding.what: finding for finding in doctor.examine()}


def test_it_says_what_is_installed_and_which_engine_trains(capsys):
    assert cli.main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "engine of DigitsCnn   compiled" in output
    assert output.splitlines()[-1].endswith("need attention.") or "Nothing needs" in output
    assert findings()["torch"].remedy is None


def test_missing_data_come_with_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("ATN_GYM_DATA", str(tmp_path))
    found = findings()["data of MnistCnn"]
    assert str(tmp_path) in found.found
    assert "ATN_GYM_DATA" in found.remedy
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch()
    assert findings()["data of MnistCnn"].remedy is None


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(choice, "_import_failure", lambda: "needs numba, which does not import (x)")
    found = findings()
    assert found["engine of DigitsCnn"].found == "torch"
    assert "needs numba" in found["engine of DigitsCnn"].remedy
    assert "compiled kernels" not in found


@pytest.mark.parametrize("package", ["numba", "pyarrow"])
def test_a_missing_package_is_named(monkeypatch, package):
    version = doctor.package_version
    monkeypatch.setattr(
        doctor, "package_version", lambda name: None if name == package else version(name)
    )
    assert findings()[package].remedy is not None
