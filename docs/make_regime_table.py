"""Writes the table of kinds in docs/regimes.md from the docstrings of the regimes.

python docs/make_regime_table.py
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from atn_gym.envs.regimes import Regime
from atn_gym.envs.regimes.mixture import REGIMES

PAGE = Path(__file__).parent / "regimes.md"
_HEAD = "| regime | kind | default severity | stream | data | at strength s |"
_TABLE = re.compile(rf"^{re.escape(_HEAD)}\n(\|.*\n)+", re.MULTILINE)


def page(text: str) -> str:
    """The text of the page with the table of kinds as the code has it."""
    rows = [row for regime in REGIMES for row in _rows(regime)]
    table = "\n".join([_HEAD, "|---|---|---|---|---|---|", *rows, ""])
    if not _TABLE.search(text):
        raise SystemExit(f"docs/regimes.md must hold a table that begins with {_HEAD}")
    return _TABLE.sub(lambda _: table, text)


def _rows(regime: type[Regime]) -> list[str]:
    meanings = _meanings(regime)
    return [
        f"| {f'{regime.__name__} ' if first else ''}| `{kind}` | {severity:g} "
        f"| {'yes' if kind in regime.drawn_kinds else 'no'} "
        f"| {'images' if kind in regime.image_kinds else 'any'} | {meanings[kind]} |"
        for first, (kind, severity) in zip(
            [True] + [False] * len(regime.kinds), regime.kinds.items(), strict=False
        )
    ]


def _meanings(regime: type[Regime]) -> dict[str, str]:
    """What each kind means, by the docstring of the class."""
    _, _, text = (inspect.getdoc(regime) or "").partition("\nKinds")
    entries = re.split(r"^    (\w+): ", text, flags=re.MULTILINE)[1:]
    found = zip(entries[::2], entries[1::2], strict=True)
    return {"none": "Nothing changes."} | {kind: " ".join(said.split()) for kind, said in found}


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
