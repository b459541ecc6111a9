import shlex
from pathlib import Path

import pytest

from genrec.cli.run import with_a_larger_llm
from genrec.recipe import Recipe


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (
            "movielens",
            ["data.options.folder=my films", "train.steps=9", "llm.name=tiny"],
            "genrec cp movielens my.yaml && genrec run my.yaml 'data.options.folder=my films' "
            "train.steps=9 llm.name=small --into 'runs/one two-small'",
        ),
        ("{folder}/own.yaml", [], "genrec run {folder}/own.yaml llm.name=small --into "),
        ("movielens", ["llm.name=small"], ""),
    ],
)
def test_the_next_command_keeps_what_was_changed(name, words, said, tmp_path):
    (tmp_path / "own.yaml").write_text("name: own\ndata: {source: toy_shop}\nllm: {name: tiny}\n")
    name, said = (one.replace("{folder}", str(tmp_path)) for one in (name, said))
    command = with_a_larger_llm(name, words, Recipe.load(name, words), Path("runs/one two"))
    assert command.startswith(said)
    assert bool(command) == bool(said)
    *_, into = shlex.split(command) or ["runs/one two-small"]
    assert into == "runs/one two-small"
