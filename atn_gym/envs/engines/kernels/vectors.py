"""Vectors of float32 for numba: values of 4, 8 or 16 lanes that live in registers.

numba vectorises loops as it sees fit and spills what it sums. Here a kernel says what is
held in a register and what is read. Every function that is an intrinsic becomes one or a
few instructions; an argument `lanes` is a tuple that gives their number by its length.

No index is checked. Additions are never reordered, so the same build gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""A flat array of float32."""
Integers = NDArray[np.int64]
SmallIntegers = NDArray[np.int32]
Lanes = tuple[int, ...]

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
Code = tuple[Any, Any]


class Vector(types.Type):
    """A vector of float32.

    Args:
        lanes: Number of floats.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"float32x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOAT, kind.lanes))


def pointer(context: Any, builder: Any, kind: Any, array: Any, *indices: Any) -> Any:
    """Code for the address of an array's element, at the sum of some indices."""
    place = context.make_array(kind)(context, builder, array).data
    for index in indices:
        place = builder.gep(place, [index])
    return place


def read(builder: Any, place: Any, lanes: int) -> Any:
    """Code for the vector at an address."""
    vector = ir.VectorType(_FLOAT, lanes)
    return builder.load(builder.bitcast(place, vector.as_pointer()), align=4, typ=vector)


def write(builder: Any, place: Any, vector: Any) -> None:
    """Code that writes a vector to an address."""
    builder.store(vector, builder.bitcast(place, vector.type.as_pointer()), align=4)


def spread_lanes(builder: Any, scalar: Any, lanes: int) -> Any:
    """Code for a vector with a scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, _INT32(0))
    order = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, undefined, order)


@intrinsic
def item(typing: Any, array: Any, index: Any) -> Code:
    """The element at an index of a flat array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(pointer(context, builder, signature.args[0], args[0], args[1]))

    return array.dtype(array, types.intp), code


@intrinsic
def put(typing: Any, array: Any, index: Any, value: Any) -> Code:
    """Writes an element of a flat array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], pointer(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), code


@intrinsic
def fill(typing: Any, value: Any, lanes: Any) -> Code:
    """A vector with a number in every lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return spread_lanes(builder, args[0], signature.return_type.lanes)

    return Vector(len(lanes))(types.float32, lanes), code


@intrinsic
def load(typing: Any, array: Any, index: Any, lanes: Any) -> Code:
    """The floats that begin at an index."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, builder, signature.args[0], args[0], args[1])
        return read(builder, place, signature.return_type.lanes)

    return Vector(len(lanes))(array, types.intp, lanes), code


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Code:
    """Writes a vector from an index on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write(builder, pointer(context, builder, signature.args[0], args[0], args[1]), args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def store_integers(typing: Any, array: Any, index: Any, vector: Any) -> Code:
    """Writes a vector of whole numbers into an int32 array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, builder, signature.args[0], args[0], args[1])
        kind = ir.VectorType(_INT32, signature.args[2].lanes)
        write(builder, place, builder.fptosi(args[2], kind))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def broadcast(typing: Any, array: Any, index: Any, lanes: Any) -> Code:
    """A vector with one element of an array in every lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, builder, signature.args[0], args[0], args[1])
        return spread_lanes(builder, builder.load(place), signature.return_type.lanes)

    return Vector(len(lanes))(array, types.intp, lanes), code


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Code:
    """The sum of two vectors."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args)

    return a(a, a), code


@intrinsic
def choose(typing: Any, a: Any, b: Any, x: Any, y: Any) -> Code:
    """By lane: x where a > b or a is NaN, else y."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, x, y = args
        larger = builder.fcmp_ordered(">", a, b)
        return builder.select(builder.or_(larger, builder.fcmp_unordered("uno", a, a)), x, y)

    return a(a, a, a, a), code


@intrinsic
def gate(typing: Any, a: Any, x: Any) -> Code:
    """By lane: 0 where a <= 0, else x; so x where a is NaN. ReLU gates a by itself."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(args[0].type, [0.0] * signature.args[0].lanes)
        return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[1])

    return a(a, a), code
