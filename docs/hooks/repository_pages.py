"""The repository's own pages in the site, and links from docs/ to files outside of it.

README.md is the home page. A relative link that leaves docs/ leads to ``repository/…`` in the site,
where the files that may be linked are published; a link to any other file fails the strict build.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File

HOME = "README.md"
PUBLISHED = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "constraints.txt")
RESULTS = "benchmarks/results"
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def on_files(files: Any, config: Any) -> Any:
    """Adds the home page and what is published of the repository."""
    root = Path(config.config_file_path).parent
    files.append(File.generated(config, "index.md", abs_src_path=str(root / HOME)))
    results = sorted(f"{RESULTS}/{path.name}" for path in (root / RESULTS).glob("*.json"))
    for name in (*PUBLISHED, *results):
        place = str(root / name)
        files.append(File.generated(config, f"repository/{name}", abs_src_path=place))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links of the repository into links of the site."""
    source = page.file.src_uri
    if source == "index.md":
        here = PurePosixPath(HOME)
    elif source.startswith("repository/"):
        here = PurePosixPath(source.removeprefix("repository/"))
    else:
        here = PurePosixPath("docs") / source

    def moved(found: re.Match[str]) -> str:
        before, target, after = found.groups()
        name, _, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", target):
            return found.group()
        place = in_site(normpath(str(here.parent / name)))
        return f"{before}{relpath(place, str(PurePosixPath(source).parent))}{'#' * bool(anchor)}{anchor}{after}"

    # Fenced blocks stay as they are.
    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts)
    )


def in_site(path: str) -> str:
    """Where a file of the repository stands in the site."""
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return f"{path.removesuffix('.ipynb')}.md"
    if path == "notebooks":
        return "notebooks/index.md"
    return f"repository/{path}"
