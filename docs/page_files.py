"""The files of generated pages."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parent


def write_or_check(page: Path, text: str, results: Path, check: bool) -> int:
    """Writes a page, or compares the one that is there and writes nothing.

    Args:
        page: The file.
        text: What it is to hold.
        results: Where that comes from.
        check: Whether to compare.

    Returns:
        Exit status: 1 if the page does not match.
    """
    if not check:
        page.write_text(text, encoding="utf-8")
    elif not page.is_file() or page.read_text(encoding="utf-8") != text:
        print(f"{page} does not match {results}: write it again without --check")
        return 1
    return 0
