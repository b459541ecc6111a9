import subprocess
import sys

import pytest

import genrec
from genrec import errors

EXPORTED = """
    ArtefactError Catalog ConfigError Cooccurrence Dataset GenerativeRecommender GenrecError Habit
    History InputError Interaction Item MissingExtra Personal Popular Protocol Recipe Recommendation
    Recommender SASRec SemanticIdTokenizer SemanticIndex StorageError TextEncoder Workspace evaluate
""".split()


def test_the_public_names_are_exactly_these():
    assert sorted(genrec.__all__) == sorted(EXPORTED)


@pytest.mark.parametrize("name", EXPORTED)
def test_every_public_name_is_there_and_named_in_the_tree(name):
    value = getattr(genrec, name)
    assert value.__name__ == name
    assert value.__doc__
    assert name in genrec.__doc__


def test_every_error_is_public_and_under_the_one_root():
    named = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert len(named) > 5
    assert named <= set(genrec.__all__)
    assert all(issubclass(getattr(genrec, name), genrec.GenrecError) for name in named)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Recomender'"):
        genrec.Recomender  # noqa: B018


def test_dir_lists_the_public_names():
    assert set(EXPORTED) <= set(dir(genrec))


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_genrec_loads_nothing_heavy():
    assert not loaded_by("import genrec") & {"torch", "transformers", "polars", "numpy", "pydantic"}


def test_recipes_and_encoder_options_load_no_model_library():
    loaded = loaded_by("from genrec import Recipe, TextEncoder, Dataset; TextEncoder()")
    assert not loaded & {"torch", "transformers", "sentence_transformers"}


def test_help_loads_no_model_library():
    code = (
        "from typer.testing import CliRunner\nfrom genrec.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
    )
    assert not loaded_by(code) & {"torch", "transformers", "polars"}
