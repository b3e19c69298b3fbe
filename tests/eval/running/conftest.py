"""The small sweep, undisturbed."""

import pytest
import yaml
from sweeps import SWEEP, contents, run


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
