"""Where genrec's own files lie: prompts, recipes, campaigns, small models; what it keeps.

In a checkout they are the top-level folders; a wheel carries them inside the
package. This module knows folders only, not what is in their files.
"""

import os
from pathlib import Path

from genrec.errors import ConfigError, nearest

PROMPTS, RECIPES, CAMPAIGNS = "prompts", "recipes", "campaigns"
CHECKPOINTS = "checkpoints"
# How several processes are started, beside the recipes that they run; files of several kinds,
# which keep their suffix in their name.
LAUNCH = "launch"
SUFFIXES = {PROMPTS: ".jinja", RECIPES: ".yaml", CAMPAIGNS: ".yaml", LAUNCH: ""}
_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(kind: str) -> Path:
    """The folder of a kind: ``prompts``, ``recipes``, ``campaigns``, ``launch``, ``checkpoints``.

    Raises:
        ConfigError: no such kind, or the installation is incomplete.
    """
    if kind not in (*SUFFIXES, CHECKPOINTS):
        raise ConfigError(f"genrec ships no '{kind}'; {nearest(kind, SUFFIXES)}")
    if kind == LAUNCH:
        return shipped_folder(RECIPES) / LAUNCH
    checkout = _PACKAGE.parent
    # An editable install leaves a copy in site-packages; the checkout's own files are the truth.
    candidates = [_PACKAGE / "_shipped" / kind]
    if (checkout / "pyproject.toml").is_file():
        candidates.insert(0, checkout / kind)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"The {kind} that come with genrec are missing; looked in "
        f"{' and '.join(map(str, candidates))}. Install genrec again."
    )


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped files, sorted: the path below the folder, without its kind's suffix."""
    folder, suffix = shipped_folder(kind), SUFFIXES[kind]
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob(f"*{suffix}")]
    aside = f"{LAUNCH}/" if kind == RECIPES else None
    return sorted(
        path.removesuffix(suffix) for path in paths if not (aside and path.startswith(aside))
    )


def shipped_file(kind: str, name: str) -> Path:
    """The path of a shipped file.

    Raises:
        ConfigError: nothing is shipped under that name.
    """
    names = shipped_names(kind)
    if name not in names:
        raise ConfigError(f"No '{name}' among the shipped {kind}; {nearest(name, names)}")
    return shipped_folder(kind) / f"{name}{SUFFIXES[kind]}"


def user_cache(*parts: str) -> Path:
    """A folder for what can be made again; not created here.

    ``$GENREC_CACHE``, else ``$XDG_CACHE_HOME/genrec``, else ``~/.cache/genrec``.
    """
    if chosen := os.environ.get("GENREC_CACHE"):
        return Path(chosen).expanduser().joinpath(*parts)
    if standard := os.environ.get("XDG_CACHE_HOME"):
        return Path(standard).joinpath("genrec", *parts)
    return Path.home().joinpath(".cache", "genrec", *parts)
