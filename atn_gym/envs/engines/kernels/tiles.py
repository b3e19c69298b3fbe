"""Tiles for numba: as many vectors at once as a kernel sums in registers.

A tile is a tuple of vectors, `offsets` a tuple of as many integers: member i of the tile
belongs to what a flat array holds at `base + offsets[i]`. No index is checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from atn_gym.envs.engines.kernels.vectors import Code, Vector, pointer, read, spread_lanes, write

Tile = Any


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fmuladd.v{a.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def _members(builder: Any, aggregate: Any, count: int) -> list[Any]:
    return [builder.extract_value(aggregate, i) for i in range(count)]


@intrinsic
def load_tile(typing: Any, array: Any, base: Any, offsets: Any, lanes: Any) -> Code:
    """The vectors at all offsets."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = signature.return_type
        vectors = [
            read(builder, pointer(context, builder, signature.args[0], *args[:2], o), len(lanes))
            for o in _members(builder, args[2], len(tile))
        ]
        return context.make_tuple(builder, tile, vectors)

    tile = types.UniTuple(Vector(len(lanes)), len(offsets))
    return tile(array, types.intp, types.UniTuple(types.intp, len(offsets)), lanes), code


@intrinsic
def store_tile(typing: Any, array: Any, base: Any, offsets: Any, tile: Any) -> Code:
    """Writes a tile."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = len(signature.args[3])
        vectors, places = _members(builder, args[3], count), _members(builder, args[2], count)
        for vector, offset in zip(vectors, places, strict=True):
            write(
                builder,
                pointer(context, builder, signature.args[0], *args[:2], offset),
                vector,
            )
        return context.get_dummy_value()

    return types.void(array, types.intp, types.UniTuple(types.intp, len(tile)), tile), code


def _multiply_add(spread: bool) -> Any:
    """Code for tile[i] + vector * what the array holds at offset i."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, vector, array, base, offsets = args
        kind, lanes = signature.args[0], signature.args[1].lanes
        sums = []
        for i in range(len(kind)):
            offset = builder.extract_value(offsets, i)
            place = pointer(context, builder, signature.args[2], array, base, offset)
            factor = (
                spread_lanes(builder, builder.load(place), lanes)
                if spread
                else read(builder, place, lanes)
            )
            sums.append(_fma(builder, vector, factor, builder.extract_value(tile, i)))
        return context.make_tuple(builder, kind, sums)

    return code


@intrinsic
def add_scaled(typing: Any, tile: Any, vector: Any, array: Any, base: Any, offsets: Any) -> Code:
    """Adds to each member of a tile the vector times the float at the member's offset."""
    places = types.UniTuple(types.intp, len(tile))
    return tile(tile, vector, array, types.intp, places), _multiply_add(spread=True)


@intrinsic
def add_product(typing: Any, tile: Any, vector: Any, array: Any, base: Any, offsets: Any) -> Code:
    """Adds to each member of a tile the vector times the vector at the member's offset."""
    places = types.UniTuple(types.intp, len(tile))
    return tile(tile, vector, array, types.intp, places), _multiply_add(spread=False)


@intrinsic
def accumulate(typing: Any, array: Any, base: Any, offsets: Any, vector: Any, tile: Any) -> Code:
    """Adds to the floats at each offset the vector times the member of the tile."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, base, offsets, vector, tile = args
        for i in range(len(signature.args[4])):
            offset = builder.extract_value(offsets, i)
            place = pointer(context, builder, signature.args[0], array, base, offset)
            before = read(builder, place, signature.args[3].lanes)
            after = _fma(builder, vector, builder.extract_value(tile, i), before)
            write(builder, place, after)
        return context.get_dummy_value()

    places = types.UniTuple(types.intp, len(tile))
    return types.void(array, types.intp, places, vector, tile), code
