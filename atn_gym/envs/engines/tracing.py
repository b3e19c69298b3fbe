"""Functions of tensors turned into lists of operations, which run without Python."""

from __future__ import annotations

import contextlib
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from atn_gym.envs.torch_settings import usual_torch_settings

Function = Callable[..., tuple[Tensor, ...]]

_aten = torch.ops.aten
_scripting = threading.Lock()


@usual_torch_settings()
def traced(function: Function, *arguments: Tensor) -> Function:
    """Traces a function for tensors of the shapes given, and leaves out what changes nothing.

    On a CPU, what it returns runs without Python, so that threads do not wait for each other, but
    for the gradients of convolutions, which torch does not let run so.
    """
    # Loads torch's compiler, which takes seconds: only where it is needed.
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.nn.attention import SDPBackend, sdpa_kernel

    # Fused attention cannot be mapped over weights.
    with sdpa_kernel(SDPBackend.MATH):
        module: Any = make_fx(lambda *tensors: function(*tensors))(*arguments)
    graph = module.graph
    for node in list(graph.nodes):
        if _changes_nothing(node):
            _replace(graph, node, node.args[0])
    for node in list(graph.nodes):
        if _is_transposed_product(node):
            _turn(graph, node)
    graph.eliminate_dead_code()
    on_cpu = arguments[0].device.type == "cpu"
    scriptable = on_cpu and not any(map(_has_list_of_bools, graph.nodes))
    for node in () if scriptable else graph.nodes:
        node.target = _called_directly(node.target)
    module.recompile()
    if not scriptable:
        called: Function = module.forward
        return called
    with scripting():
        scripted: Function = torch.jit.trace(module, arguments, check_trace=False)
    return scripted


@contextlib.contextmanager
def scripting() -> Iterator[None]:
    """Lets `torch.jit` be used, one thread at a time, without its warning.

    torch.compile, which the warning names in its place, adds up in another order.
    """
    with _scripting, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _has_list_of_bools(node: Any) -> bool:
    """Whether an operation has an argument that `torch.jit` cannot trace."""
    return any(isinstance(a, list) and a and isinstance(a[0], bool) for a in node.args)


def _called_directly(target: Any) -> Any:
    """The function of torch that calls an operation in a third of the time, where there is one."""
    packet = getattr(target, "overloadpacket", None)
    if packet is not None:
        for place in (torch, torch._C._nn, torch.Tensor):
            found = getattr(place, packet.__name__, None)
            if isinstance(found, (types.BuiltinFunctionType, types.MethodDescriptorType)):
                return found
    return target


def _replace(graph: Any, node: Any, other: Any) -> None:
    node.replace_all_uses_with(other)
    graph.erase_node(node)


def _changes_nothing(node: Any) -> bool:
    """Whether an operation returns its first argument as it is: half of all do."""
    if node.target is _aten.mul.Scalar:
        return bool(node.args[1] == 1)
    if node.target in (_aten.alias.default, _aten.detach.default):
        return True
    views = _aten.view.default, _aten.expand.default, _aten._unsafe_view.default
    if node.target not in views:
        return False
    return bool(node.meta["val"].shape == node.args[0].meta["val"].shape)


def _is_transposed_product(node: Any) -> bool:
    """Whether an operation transposes a product of matrices that nothing else reads."""
    return (
        node.target is _aten.transpose.int
        and set(node.args[1:]) == {1, 2}
        and node.args[0].target is _aten.bmm.default
        and len(node.args[0].users) == 1
    )


def _turn(graph: Any, node: Any) -> None:
    """Replaces the transpose of A B by B^T A^T: gradients then lie as weights do, uncopied."""
    first, second = node.args[0].args
    with graph.inserting_before(node):
        turned = [_transposed(graph, factor) for factor in (second, first)]
        product = graph.call_function(_aten.bmm.default, tuple(turned))
    for user in list(node.users):
        if user.target is _aten.clone.default:
            _replace(graph, user, product)
    _replace(graph, node, product)


def _transposed(graph: Any, node: Any) -> Any:
    if node.target is _aten.transpose.int and set(node.args[1:]) == {1, 2}:
        return node.args[0]
    return graph.call_function(_aten.transpose.int, (node, 1, 2))
