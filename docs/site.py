"""The hooks of `mkdocs build`: the README and CONTRIBUTING as pages, the reference, and links that leave the folder.

GitHub shows the same files without this one: there the README is the first page, and links to source files work.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}  # of the repository, and where they are here
LINK = re.compile(r"(?<!!)\[([^\]\[]+)\]\((?!https?:|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
LISTED = ("decisions", "results")  # folders whose pages are listed by themselves


def on_config(config: Any) -> Any:
    """List the pages of folders in the navigation."""
    sys.path.insert(0, str(ROOT))
    from docs import reference

    for section in config.nav:
        for title, value in section.items():
            section[title] = _listed(value, list(reference.pages()))
    return config


def _listed(value: Any, generated: list[str]) -> Any:
    if isinstance(value, list):
        return [
            {t: _listed(v, generated) for t, v in each.items()} if isinstance(each, dict) else each for each in value
        ]
    if value == "reference/":
        return generated
    if str(value).rstrip("/") in LISTED:
        folder = ROOT / "docs" / value
        return [f"{value}{path.name}" for path in sorted(folder.glob("*.md"))]
    return value


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are generated."""
    from mkdocs.structure.files import File

    from docs import reference

    for name, page in PAGES.items():
        content = moved((ROOT / name).read_text(encoding="utf-8"), ROOT, ROOT / "docs")
        files.append(File.generated(config, page, content=content))
    for page, content in reference.pages().items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Turn links to files outside of the folder into their names."""
    return local(markdown, (ROOT / "docs" / page.file.src_uri).parent)


def moved(markdown: str, before: Path, now: Path) -> str:
    """The text of a page of the folder `before` as one of the folder `now`."""

    def link(found: re.Match[str]) -> str:
        target = os.path.relpath(before / found[2], now)
        return f"[{found[1]}]({target}{found[3] or ''})"

    text = re.sub(
        r"!\[([^\]]*)\]\(([^)\s]+)\)", lambda m: f"![{m[1]}]({os.path.relpath(before / m[2], now)})", markdown
    )
    return LINK.sub(link, text)


def local(markdown: str, folder: Path) -> str:
    """A page of `folder` with links that the site has: pages of the repository by their place in it, other files of the
    repository as text. A link to nothing stays, so that the build fails."""

    def link(found: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / found[2]))
        inside = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        if inside in PAGES:
            return f"[{found[1]}]({os.path.relpath(ROOT / 'docs' / PAGES[inside], folder)}{found[3] or ''})"
        if path.is_dir() and path.is_relative_to(ROOT / "docs") and (first := sorted(path.glob("*.md"))):
            return f"[{found[1]}]({os.path.relpath(first[0], folder)})"
        if inside and path.exists() and not (path.is_relative_to(ROOT / "docs") and path.suffix != ".py"):
            return found[1]
        return found[0]

    return LINK.sub(link, markdown)
