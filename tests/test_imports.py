from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import atn_gym

ENTRY_POINT = re.compile(r"atn_gym(\.\w+)+:\w+")
PACKAGE = Path(atn_gym.__file__).parent
# Modules by layer, lowest first; a prefix stands for all modules below it that are not named.
LAYERS = (
    ("atn_gym.arrays", "atn_gym.errors", "atn_gym.files", "atn_gym.plain_values"),
    (
        "atn_gym.envs.arguments",
        "atn_gym.envs.chance",
        "atn_gym.envs.data",
        "atn_gym.envs.extra_optimizers",
        "atn_gym.envs.flops",
        "atn_gym.envs.gain",
        "atn_gym.envs.gradient_signals",
        "atn_gym.envs.hypergradient",
        "atn_gym.envs.hyperparameters",
        "atn_gym.envs.metering",
        "atn_gym.envs.mlp",
        "atn_gym.envs.modular_addition",
        "atn_gym.envs.networks",
        "atn_gym.envs.optimizers",
        "atn_gym.envs.process_lock",
        "atn_gym.envs.quadratic",
        "atn_gym.envs.randomness",
        "atn_gym.envs.residual_network",
        "atn_gym.envs.rewards",
        "atn_gym.envs.torch_settings",
    ),
    ("atn_gym.envs.tasks",),
    ("atn_gym.envs.engines", "atn_gym.envs.regimes"),
    ("atn_gym.envs.registry",),
    ("atn_gym.envs.params", "atn_gym.envs.rendering"),
    ("atn_gym.envs.episodes",),
    ("atn_gym.envs",),
    ("atn_gym.envs.wrappers",),
    ("atn_gym", "atn_gym.registration"),
    ("atn_gym.agents",),
    ("atn_gym.config",),
    ("atn_gym.eval.metrics",),
    ("atn_gym.eval.storage",),
    ("atn_gym.eval.running",),
    ("atn_gym.eval.report",),
    ("atn_gym.eval",),
    ("atn_gym.loops", "atn_gym.training"),
    ("atn_gym.doctor", "atn_gym.leaderboard"),
    ("atn_gym.cli",),
)
TASKS = ("Mnist", "Fashion", "Digits")
REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
    "Mixture",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def for_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def is_lazy_attribute(node: ast.AST) -> bool:
    """What a package hands on when it is asked for is nothing that it depends on."""
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def imports(node: ast.AST) -> Iterator[str]:
    """Modules that a piece of code imports when it runs, or names as "module:attribute"."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in MODULES else str(node.module)
    elif isinstance(node, ast.Constant) and ENTRY_POINT.fullmatch(str(node.value)):
        yield str(node.value).partition(":")[0]
    elif not for_type_checking(node) and not is_lazy_attribute(node):
        for child in ast.iter_child_nodes(node):
            yield from imports(child)


def type_imports(tree: ast.Module) -> Iterator[str]:
    """Modules imported for types only, but for the types of lazy attributes."""
    if not any(map(is_lazy_attribute, tree.body)):
        for node in filter(for_type_checking, ast.walk(tree)):
            for child in ast.iter_child_nodes(node):
                yield from imports(child)


TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
IMPORTS = {name: set(imports(tree)) for name, tree in TREES.items()}
DEPENDENCIES = {
    name: (IMPORTS[name] | set(type_imports(tree))) & MODULES.keys() - {name}
    for name, tree in TREES.items()
}


def layer(module: str) -> int:
    prefixes = {prefix: level for level, names in enumerate(LAYERS) for prefix in names}
    while module not in prefixes:
        module = module.rpartition(".")[0]
    return prefixes[module]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_layer_and_those_below_alone(module):
    assert not {m for m in DEPENDENCIES[module] if layer(m) > layer(module)}


def test_no_modules_import_each_other_in_a_circle():
    order = graphlib.TopologicalSorter(DEPENDENCIES).static_order()
    assert set(order) == set(MODULES)


def test_every_module_that_a_layer_names_exists():
    assert {name for names in LAYERS for name in names} <= MODULES.keys()


def test_entry_points_and_imports_for_types_are_seen():
    assert "atn_gym.envs.tuning_env" in DEPENDENCIES["atn_gym.registration"]
    assert "atn_gym.envs.tasks" in DEPENDENCIES["atn_gym.envs.engines.choice"]


@pytest.mark.parametrize(
    "library",
    [
        "torchvision",
        "sklearn",
        "optuna",
        "sb3_contrib",
        "distributed",
        "schedulefree",
        "prodigyopt",
        "dadaptation",
        "pyarrow",
        "minari",
    ],
)
def test_a_heavy_library_is_imported_in_one_module_only(library):
    users = [m for m in MODULES if library in {name.split(".")[0] for name in IMPORTS[m]}]
    assert len(users) == 1


def test_matplotlib_is_imported_where_figures_are_drawn_only():
    users = {m for m in MODULES if "matplotlib" in {name.split(".")[0] for name in IMPORTS[m]}}
    drawn = ("curve_plots", "dot_plots", "drawing", "figures", "render")
    of_report = {f"atn_gym.eval.report.{m}" for m in drawn}
    assert users == {"atn_gym.envs.rendering"} | of_report


def test_numba_is_imported_in_the_kernels_alone():
    users = [m for m in MODULES if {"numba", "llvmlite"} & {n.split(".")[0] for n in IMPORTS[m]}]
    assert users
    assert all(m.startswith("atn_gym.envs.engines.kernels.") for m in users)


def test_stable_baselines_is_imported_to_load_models_and_in_the_training_only():
    users = [m for m in MODULES if "stable_baselines3" in {n.split(".")[0] for n in IMPORTS[m]}]
    assert len(users) > 5
    rooms = ("atn_gym.agents.algorithms", "atn_gym.training.")
    assert all(m.startswith(rooms) for m in users)


def test_running_and_report_do_not_import_each_other():
    rooms = ("atn_gym.eval.running", "atn_gym.eval.report")
    for room, other in (rooms, rooms[::-1]):
        users = [m for m in MODULES if m.startswith(room)]
        assert len(users) > 5
        assert not [m for m in users if any(name.startswith(other) for name in IMPORTS[m])]


def test_the_metrics_import_numpy_and_scipy_only():
    modules = [m for m in MODULES if m.startswith("atn_gym.eval.metrics.")]
    assert len(modules) >= 5
    for module in modules:
        imported = {name for name in IMPORTS[module] if not name.startswith("atn_gym.eval.metrics")}
        own = {"atn_gym.arrays", "atn_gym.envs.chance", "atn_gym.errors"}
        roots = {name.split(".")[0] for name in imported - own}
        assert roots - sys.stdlib_module_names <= {"numpy", "scipy"}


def printed(code):
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_registers_the_whole_grid_without_torch():
    code = (
        "import json, sys, atn_gym, gymnasium; heavy = {'torch', 'torchvision', 'sklearn', "
        "'numba', 'matplotlib', 'optuna', 'pandas', 'pyarrow', 'stable_baselines3'} "
        "& sys.modules.keys(); print(json.dumps([sorted(heavy), list(gymnasium.registry)]))"
    )
    heavy, registered = json.loads(printed(code))
    assert heavy == []
    assert set(registered) >= {
        f"atn_gym/{task}Cnn{init}-{regime}-v0"
        for task in TASKS
        for init in ("", "PoorInit")
        for regime in REGIMES
    }


def test_training_does_not_load_the_compiler_of_torch():
    code = (
        "import gymnasium, atn_gym, sys\n"
        "env = gymnasium.make('atn_gym/DigitsCnn-DataShift-v0', trigger=0)\n"
        "env.reset(seed=0)\n"
        "env.step(env.action_space.sample())\n"
        "print(env.unwrapped.episodes.params.resolved().engine, 'torch._dynamo' in sys.modules)"
    )
    assert printed(code).split() == ["compiled", "False"]
