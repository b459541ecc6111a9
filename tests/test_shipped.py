import pytest

from genrec.errors import ConfigError
from genrec.shipped import (
    PROMPTS,
    RECIPES,
    shipped_file,
    shipped_folder,
    shipped_names,
    user_cache,
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
