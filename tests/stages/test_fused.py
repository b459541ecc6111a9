"""Item vectors that a content run has fused, as what an LLM's semantic IDs are made of."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.encoders.base import ItemVectors
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.stages.find import finder_of
from genrec.stages.pipeline import run_recipe
from genrec.stages.pretrain import run_pretraining
from genrec.stages.run import Run
from genrec.workspace import Workspace, seal_of

SMALL = (
    "train.steps=2",
    "train.batch_size=4",
    "evaluate.against=[popular]",
    "evaluate.test_users=5",
)


def content(folder, *words: str) -> Recipe:
    return Recipe.load(
        "pretrain/content-next-item",
        [
            "data.options={items: 40, shoppers: 60, pictures: true}",
            f"data.options.image_folder={folder / 'pictures'}",
            "pretrain.content.tower={steps: 1, side: 32, width: 16, batch_size: 8}",
            "pretrain.content.fusion.width=16",
            "train.steps=4",
            "train.batch_size=8",
            "evaluate.against=[popular]",
            *words,
        ],
    )


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    """The folder of pictures and that of a content run with two modalities."""
    folder = tmp_path_factory.mktemp("fused")
    run_pretraining(content(folder), Workspace(folder / "content"))
    return folder, folder / "content"


def words_of(source, *more: str) -> list[str]:
    return [
        "data.options={items: 40, shoppers: 60}",
        f"encode.vectors_from={source}",
        *SMALL,
        *more,
    ]


def test_an_llm_is_trained_on_ids_of_vectors_that_another_run_fused(fused, tmp_path):
    _, source = fused
    into = tmp_path / "run"
    command = ["run", "toy-shop", *words_of(source), "--into", str(into), "-q", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert '"users": 5' in done.stdout
    taken = ItemVectors.load(into / "item_vectors" / "vectors")
    theirs = ItemVectors.load(source / "content" / "fused")
    np.testing.assert_array_equal(taken.vectors, theirs.vectors)
    assert taken.dimensions == 16
    assert len(Workspace(into).run["artefacts"]["semantic_ids"]["key"]) == 16
    # Finding items by words needs an encoder, and the error names the run that has one.
    recipe = Recipe.load("toy-shop", words_of(source))
    with pytest.raises(ConfigError, match=f"genrec find {source} WORDS"):
        finder_of(Run(recipe, Workspace(into)))


def test_a_folder_that_was_trained_again_makes_other_ids(fused, tmp_path):
    folder, source = fused
    copy, into = tmp_path / "content", tmp_path / "run"
    shutil.copytree(source, copy)
    recipe = Recipe.load("toy-shop", words_of(copy))

    def keys() -> tuple[str, str]:
        run_recipe(recipe, Workspace(into), until="build_ids")
        made = Workspace(into).run["artefacts"]
        return made["item_vectors"]["key"], made["semantic_ids"]["key"]

    first, ids = keys(), seal_of(into / "semantic_ids")
    assert keys() == first
    run_pretraining(content(folder, "train.seed=5"), Workspace(copy))
    again = keys()
    assert again[0] != first[0]
    assert again[1] != first[1]
    assert seal_of(into / "semantic_ids") != ids


def test_the_same_vectors_in_another_folder_are_used_again(fused, tmp_path):
    _, source = fused
    copy, into = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(source, copy)
    for place in (source, copy):
        recipe = Recipe.load("toy-shop", words_of(place))
        run_recipe(recipe, Workspace(into), until="encode")
        found = Workspace(into).run["artefacts"]["item_vectors"]["key"]
    assert found == Workspace(into).about("item_vectors")["key"]
    before = (into / "item_vectors" / "vectors" / "vectors.safetensors").stat().st_mtime_ns
    run_recipe(Recipe.load("toy-shop", words_of(source)), Workspace(into), until="encode")
    after = (into / "item_vectors" / "vectors" / "vectors.safetensors").stat().st_mtime_ns
    assert before == after


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("data.options.items=50", r"vectors of 40 items; this recipe has 50, and \d+ are the same"),
        ("data.options.seed=9", r"40 items; this recipe has 40, and \d+ are the same by id and"),
        ("data.options.shoppers=50", r"events of 60 users; this recipe has [\d,]+ of 50"),
        ("evaluate.split=global-time", "held out by evaluate.split=last-out; this recipe does by"),
    ],
)
def test_vectors_of_other_items_or_choices_are_refused(fused, tmp_path, option, says):
    _, source = fused
    recipe = Recipe.load("toy-shop", words_of(source, option))
    with pytest.raises(ConfigError, match=says):
        run_recipe(recipe, Workspace(tmp_path / "run"), until="encode")


def test_a_source_that_cannot_be_used_is_told_before_data_are_read(fused, tmp_path):
    _, source = fused
    broken = tmp_path / "broken"
    shutil.copytree(source, broken)
    file = next((broken / "content" / "fused").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])
    (tmp_path / "empty").mkdir()
    into = Workspace(tmp_path / "run")
    for name, says in (
        ("nowhere", "there is no such folder. Name the folder of a run that fused its items"),
        ("empty", "which has no 'content/fused'. Name the folder"),
        ("broken", "is damaged: .*vectors.safetensors"),
    ):
        with pytest.raises(ArtefactError, match=says):
            run_recipe(Recipe.load("toy-shop", words_of(tmp_path / name)), into)
    assert not into.path("dataset").exists()


def test_fused_vectors_and_an_encoder_of_files_are_refused_together():
    with pytest.raises(ConfigError, match="vectors_from is 'runs/x', and image would not be"):
        Recipe.load("toy-shop", ["encode.vectors_from=runs/x", "encode.image={model: m}"])
    with pytest.raises(
        ConfigError, match=r"encode\.vectors_from takes the item vectors of another"
    ):
        Recipe.load("pretrain/content-next-item", ["encode.vectors_from=runs/x"])
