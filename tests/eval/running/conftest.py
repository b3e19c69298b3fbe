"""The small sweep, undisturbed."""

import pytest
import yaml
from sweeps import EXPERIMENT, SWEEP, contents, run


@pytest.fixture(scope="package")
def sweep(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP))
    return path


@pytest.fixture(scope="package")
def undisturbed(sweep, tmp_path_factory):
    results = tmp_path_factory.mktemp("undisturbed")
    assert run(sweep, results) == 0
    return contents(results)


@pytest.fixture
def config_file(tmp_path):
    """A small experiment, whose results lie beside its config."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, "results": str(tmp_path / "results")}))
    return path
