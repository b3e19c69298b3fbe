"""Kernels kept on disk: damaged ones are compiled anew, and a compiler switched off is named."""

import importlib.util
import os
import random
import subprocess
import sys
import threading
import time

import pytest

from atn_gym.envs.engines.kernels import building

SOURCE = "def add(a, b):\n    return a * 3 + b\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Compiles a small function as a new process does, or loads what was kept."""
    monkeypatch.setattr(building, "_folders", set())
    path = tmp_path / "small_kernel.py"
    path.write_text(SOURCE)

    def run(before=lambda: None):
        spec = importlib.util.spec_from_file_location("small_kernel", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function = building.compiled(module.add, "small")
        building.build(before, lambda: function(1, 2))
        assert function(2, 3) == 9
        return function

    return run


def kept(tmp_path):
    return sorted(p for p in tmp_path.rglob("*.nb[ic]"))


def test_what_was_kept_is_loaded(load, capsys):
    load()
    assert "compiling the training kernels" in capsys.readouterr().err
    assert load().stats.cache_hits
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("has_checksum", [True, False])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_kernels_are_compiled_anew(kind, has_checksum, load, tmp_path, capsys):
    load()
    draws = random.Random(0)
    for damage in ("cut", "empty", "flip") if has_checksum else ("cut", "empty"):
        (path,) = [p for p in kept(tmp_path) if p.suffix == f".{kind}"]
        content = path.read_bytes()
        place = draws.randrange(len(content))
        flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
        path.write_bytes(
            {"cut": content[: len(content) // 2], "empty": b"", "flip": flipped}[damage]
        )
        if not has_checksum:
            path.with_name(f"{path.name}.sha256").unlink()
        capsys.readouterr()
        assert not load().stats.cache_hits
        assert "is damaged and compiled anew" in capsys.readouterr().err
        assert load().stats.cache_hits


def test_whoever_comes_second_waits_and_loads_what_the_first_compiled(load, tmp_path, capsys):
    has_begun = threading.Event()

    def begin():
        has_begun.set()
        time.sleep(0.5)

    first = threading.Thread(target=load, args=(begin,))
    first.start()
    has_begun.wait()
    second = load()
    first.join()
    assert second.stats.cache_hits
    assert all(building._is_whole(path) for path in kept(tmp_path))
    assert "damaged" not in capsys.readouterr().err


def test_without_a_compiler_the_torch_engine_trains_and_one_sentence_says_so():
    program = (
        "import atn_gym, gymnasium as gym\n"
        "for seed in (0, 1):\n"
        "    env = gym.make('atn_gym/DigitsCnn-Stationary-v0', num_epochs=1, train_size=64)\n"
        "    env.reset(seed=seed)\n"
        "    env.step(env.action_space.sample())\n"
        "print(env.unwrapped.episodes.params.resolved().engine)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "torch\n"
    assert done.stderr.count("NUMBA_DISABLE_JIT switches off: runs train without it") == 1
    assert len(done.stderr.splitlines()) == 1
