"""Paths of lines in few letters: by steps from point to point, in tenths of a point."""

from __future__ import annotations

import itertools
import re

_TOKEN = re.compile(r"([ML]) (\S+) (\S+)|z")
_OTHER = re.compile(r"[^MLz\d.\s+\-e]")
Step = tuple[int, int]


def is_lines(path: str) -> bool:
    """Whether a path has lines only, no curves."""
    return bool(path) and not _OTHER.search(path)


def moved(path: str, x: float, y: float) -> str:
    """A path of lines elsewhere."""

    def token(found: re.Match[str]) -> str:
        if not found[1]:
            return "z"
        return f"{found[1]} {float(found[2]) + x:.6f} {float(found[3]) + y:.6f}"

    return _TOKEN.sub(token, path)


def steps(path: str) -> tuple[int, int, str]:
    """Where a path of lines begins, in tenths, and the rest of it, which is the same anywhere.

    A tenth of a point is finer than a screen. A point on the straight line between its neighbours
    is left out.
    """
    begin: tuple[float, float] | None = None
    subpaths: list[tuple[list[Step], bool]] = []
    for found in _TOKEN.finditer(path):
        if found[1]:
            x, y = float(found[2]), float(found[3])
            begin = begin or (x, y)
            if found[1] == "M":
                subpaths.append(([], False))
            subpaths[-1][0].append((round(10 * (x - begin[0])), round(10 * (y - begin[1]))))
        else:
            subpaths[-1] = subpaths[-1][0], True
    written, pen = "", (0, 0)
    for points, is_closed in subpaths:
        if points[0] != pen or written:
            written += "m" + _pair(points[0][0] - pen[0], points[0][1] - pen[1])
        if is_closed and len(points) > 1 and points[-1] == points[0]:
            points.pop()
        lines = "".join(_pair(*step) for step in _straightened(points))
        written += ("l" + lines if lines else "") + ("z" if is_closed else "")
        pen = points[0] if is_closed else points[-1]
    x, y = begin or (0.0, 0.0)
    return round(10 * x), round(10 * y), written


def tenths(value: int) -> str:
    """Writes tenths as a decimal without a needless digit."""
    whole, rest = divmod(abs(value), 10)
    text = f"{whole or '' if rest else whole}{f'.{rest}' if rest else ''}"
    return f"-{text}" if value < 0 else text


def _straightened(points: list[Step]) -> list[Step]:
    """The steps between points, those in one direction joined."""
    kept: list[Step] = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        dx, dy = to_x - x, to_y - y
        if (
            kept
            and kept[-1][0] * dy == kept[-1][1] * dx
            and (kept[-1][0] * dx + kept[-1][1] * dy > 0)
        ):
            kept[-1] = kept[-1][0] + dx, kept[-1][1] + dy
        elif dx or dy:
            kept.append((dx, dy))
    return kept


def _pair(dx: int, dy: int) -> str:
    """A step; a space parts numbers only where no sign and no second point does."""
    across, down = tenths(dx), tenths(dy)
    parted = down[0] == "-" or (down[0] == "." and "." in across)
    return f"{'' if dx < 0 else ' '}{across}{'' if parted else ' '}{down}"
