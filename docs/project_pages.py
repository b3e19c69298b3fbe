"""Pages that lie outside of docs/, and links that hold on the site and in the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PAGES = {
    "CHANGELOG.md": "docs/project/changelog.md",
    "CONTRIBUTING.md": "docs/project/contributing.md",
    "benchmarks/README.md": "docs/project/benchmarks.md",
    "README.md": "docs/index.md",
}
"""Pages of the site by the file in the repository that they show, or stand for."""


def write_project_pages() -> None:
    """Writes docs/project/, which git ignores."""
    for source, page in PAGES.items():
        if page.startswith("docs/project/"):
            path = ROOT / page
            path.parent.mkdir(exist_ok=True)
            text = with_site_links((ROOT / source).read_text(encoding="utf-8"), source, page)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")


def with_site_links(text: str, source: str, page: str) -> str:
    """Turns relative links of a file of the repository into those of its page on the site.

    Args:
        text: Markdown.
        source: Path of the file from the root of the repository.
        page: Path of its page, which may be the same.

    Returns:
        The text, with links to pages of the site and to files that the site copies. What leads to
        a folder is no link any more.
    """

    def replaced(match: re.Match[str]) -> str:
        label, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        path = os.path.normpath(PurePosixPath(source).parent / target)
        if (ROOT / path).is_dir():
            return label
        target = os.path.relpath(PAGES.get(path, path), PurePosixPath(page).parent)
        return f"[{label}]({target}{anchor})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)", replaced, text)
