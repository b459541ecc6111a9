import os
import subprocess
import sys

import pytest

from genrec.errors import ConfigError
from genrec.shipped import (
    PROMPTS,
    RECIPES,
    SUFFIXES,
    shipped_file,
    shipped_folder,
    shipped_names,
    user_cache,
)

FINDS = (
    "from genrec.shipped import *; import genrec.shipped as s;"
    "print(s.__file__); print(*(name for kind in s.SUFFIXES for name in s.shipped_names(kind)))"
)


def test_a_checkout_serves_its_own_files(repository):
    assert shipped_folder(PROMPTS) == repository / "prompts"
    assert shipped_folder(RECIPES) == repository / "recipes"


def test_all_files_are_named_by_their_path_without_suffix(repository):
    names = shipped_names(PROMPTS)
    assert "recommend/next_item" in names
    assert len(names) == len(list((repository / "prompts").rglob("*.jinja")))
    assert "quickstart" in shipped_names(RECIPES)
    assert shipped_file(RECIPES, "quickstart").read_text()


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        shipped_file(RECIPES, "quikstart")
    with pytest.raises(ConfigError, match="did you mean 'prompts'"):
        shipped_folder("prompt")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GENREC_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a/vectors"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/genrec/vectors"),
        ({"HOME": "/c"}, "/c/.cache/genrec/vectors"),
    ],
)
def test_the_cache_lies_where_the_environment_says(monkeypatch, variables, expected):
    for name in ("GENREC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(user_cache("vectors")) == expected


@pytest.mark.slow
def test_a_wheel_carries_prompts_recipes_and_campaigns_and_finds_them(repository, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    subprocess.run([*build, repository], check=True, capture_output=True, env=environment)
    (wheel,) = tmp_path.glob("genrec-*.whl")
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", target, wheel], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", FINDS],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, names = done.stdout.splitlines()
    assert where.startswith(str(target))
    assert names.split() == [name for kind in SUFFIXES for name in shipped_names(kind)]
    assert (target / "genrec" / "py.typed").exists()
