"""What may become of a Dask cluster and its workers: no run is lost and no wait is silent."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from dask_processes import Cluster
from sweeps import run, start

import atn_gym
from atn_gym.eval.running import cluster as cluster_module

pytestmark = pytest.mark.storm

MODULE = """
import os

from atn_gym.agents import Fixed


class Mine(Fixed):
    pass


class Deadly(Fixed):
    def propose(self, current_params):
        os._exit(3)
"""


@pytest.fixture
def dask():
    with contextlib.closing(Cluster()) as cluster:
        yield cluster


@pytest.fixture
def config(tmp_path):
    def write(*controllers, seeds=4, num_epochs=3):
        values = {
            "experiment": "situation",
            "envs": [{"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": num_epochs}],
            "controllers": list(controllers) or ["fixed"],
            "seeds": seeds,
        }
        path = tmp_path / "situation.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def impatient(monkeypatch):
    """Gives up in seconds what takes minutes."""
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 5)
    monkeypatch.setattr(cluster_module, "_SAID_AFTER_S", 2.0)
    monkeypatch.setattr(cluster_module, "_GIVEN_UP_AFTER_S", 12.0)


def copy_of_the_package(folder, module, old, new):
    """A folder to import the package from, one of whose modules differs."""
    shutil.copytree(
        Path(atn_gym.__file__).parent, folder / "atn_gym", ignore=shutil.ignore_patterns("__pyc*")
    )
    path = folder / "atn_gym" / module
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return str(folder)


def test_a_cluster_without_workers_is_named_and_given_up(
    dask, config, impatient, tmp_path, capsys, caplog
):
    assert run(config(), tmp_path, "--dask", dask.address) == 2
    assert "has no worker that takes jobs: waiting" in caplog.text
    assert f"start it with `dask worker {dask.address}`" in caplog.text
    assert "has had no worker that takes jobs for 12 s" in capsys.readouterr().err


def test_a_cluster_without_workers_is_named_within_thirty_seconds(dask, config, tmp_path):
    began = time.monotonic()
    process = start(config(), tmp_path, "--dask", dask.address)
    try:
        line = next(line for line in process.stdout if "no worker" in line)
    finally:
        process.kill()
        process.communicate()
    assert "has no worker that takes jobs: waiting" in line
    # The start of the command is not the cluster's.
    assert time.monotonic() - began < 30 + 30


def test_a_worker_that_joins_late_makes_the_runs(dask, config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 2)
    threading.Timer(4, dask.add_worker).start()
    assert run(config(), tmp_path, "--dask", dask.address) == 0
    assert "4 runs complete, 0 failed" in capsys.readouterr().out


def begun(root):
    """Waits until jobs are given out, and a little longer."""
    deadline = time.monotonic() + 120
    while not list(root.rglob(".claims/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(root.rglob(".claims/*"))
    time.sleep(2)


def in_background(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_workers_that_are_all_killed_are_named_and_given_up(
    dask, config, impatient, tmp_path, capsys, caplog
):
    worker = dask.add_worker()

    def strike():
        begun(tmp_path)
        dask.kill(worker)

    thread = in_background(strike)
    path = config(seeds=40, num_epochs=60)
    assert run(path, tmp_path, "--dask", dask.address) == 2
    thread.join()
    assert "has no worker that takes jobs: waiting" in caplog.text
    assert "has had no worker that takes jobs for 12 s" in capsys.readouterr().err


def test_another_worker_goes_on_where_all_were_killed(dask, config, tmp_path, capsys):
    worker = dask.add_worker()

    def strike():
        begun(tmp_path)
        dask.kill(worker)
        dask.add_worker()

    thread = in_background(strike)
    assert run(config(seeds=8, num_epochs=60), tmp_path, "--dask", dask.address) == 0
    thread.join()
    assert "8 runs complete, 0 failed" in capsys.readouterr().out


def test_a_scheduler_that_is_restarted_is_named(dask, config, tmp_path, capsys):
    dask.add_worker()

    def strike():
        begun(tmp_path)
        dask.restart()

    thread = in_background(strike)
    assert run(config(seeds=40, num_epochs=60), tmp_path, "--dask", dask.address) == 2
    thread.join()
    assert "the Dask scheduler at" in capsys.readouterr().err


def test_a_controller_that_ends_its_workers_is_named(dask, config, tmp_path, capsys, monkeypatch):
    (tmp_path / "situation_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for _ in range(2):
        dask.add_worker(PYTHONPATH=path)
    configured = config("fixed", "situation_own:Deadly", seeds=1)
    assert run(configured, tmp_path, "--dask", dask.address) == 1
    printed = capsys.readouterr()
    assert "1 runs complete, 1 failed" in printed.out
    assert "alone ended with exit status 3" in printed.err


def test_a_worker_needs_no_folder_of_results(dask, config, tmp_path, capsys):
    results = tmp_path / "results"
    results.mkdir()
    hidden = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {results} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*hidden, "true"], check=False).returncode:
        pytest.skip("needs the right to mount")
    dask.add_worker(within=hidden)
    assert run(config(), results, "--dask", dask.address) == 0
    assert "4 runs complete, 0 failed" in capsys.readouterr().out
    assert list(results.rglob("parts/*"))


@pytest.mark.parametrize(
    ("module", "old", "new", "reason"),
    [
        ("envs/flops.py", '"""', '# other\n"""', "has other code of atn_gym"),
        ("__init__.py", '__version__ = "', '__version__ = "9', "has atn_gym 9"),
        ("eval/running/jobs.py", "import functools", "import nothing_like_it", "nothing_like_it"),
    ],
)
def test_a_worker_with_another_package_is_refused(
    module, old, new, reason, dask, config, tmp_path, capsys
):
    other = copy_of_the_package(tmp_path / "other", module, old, new)
    dask.add_worker(PYTHONPATH=other, cwd=tmp_path)
    assert run(config(), tmp_path / "results", "--dask", dask.address) == 2
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.rglob("parts/*"))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (MODULE + "# other\n", "would make other runs of 'situation_own:Mine'"),
        (None, "'situation_own:Mine' must be importable"),
    ],
)
def test_a_worker_with_another_controller_is_refused(
    module, reason, dask, config, tmp_path, capsys, monkeypatch
):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder, text in ((mine, MODULE), (other, module)):
        folder.mkdir()
        if text is not None:
            (folder / "situation_own.py").write_text(text)
    monkeypatch.syspath_prepend(str(mine))
    monkeypatch.delitem(sys.modules, "situation_own", raising=False)
    package = Path(atn_gym.__file__).parent.parent
    dask.add_worker(PYTHONPATH=os.pathsep.join([str(other), str(package)]), cwd=other)
    assert run(config("situation_own:Mine"), tmp_path / "results", "--dask", dask.address) == 2
    assert reason in capsys.readouterr().err


def test_workers_that_are_paused_for_want_of_memory_are_named(
    dask, config, impatient, tmp_path, capsys, caplog
):
    dask.add_worker(
        "--memory-limit", "50MB", "--no-nanny", DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE="0.01"
    )
    assert run(config(), tmp_path, "--dask", dask.address) == 2
    assert "has no worker that takes jobs: waiting" in caplog.text
    assert "has had no worker that takes jobs" in capsys.readouterr().err


def test_two_commands_on_one_cluster_and_folder_share_the_work(dask, config, tmp_path):
    for _ in range(2):
        dask.add_worker()
    path = config(seeds=8)
    both = [start(path, tmp_path, "--dask", dask.address) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert all("8 runs complete, 0 failed" in output for output in outputs)


def test_a_command_that_is_killed_leaves_a_cluster_that_serves_the_next(dask, config, tmp_path):
    dask.add_worker()
    path = config(seeds=8, num_epochs=60)
    first = start(path, tmp_path, "--dask", dask.address)
    begun(tmp_path)
    first.kill()
    first.communicate()
    second = start(path, tmp_path, "--dask", dask.address)
    output, _ = second.communicate(timeout=240)
    assert second.returncode == 0, output
    assert "8 runs complete, 0 failed" in output
