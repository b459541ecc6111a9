"""A trained run in service, through the real command line."""

import shutil
import signal
import sqlite3
from dataclasses import replace

import httpx
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.seals import SEAL, Seal
from genrec.serving.options import ServeConfig
from genrec.stages.serve import open_run, serve
from genrec.workspace import Workspace
from tests.command_line import genrec
from tests.serving.live import as_process, log_of
from tests.small import ITEMS, small_dataset, small_recommender


def make_run(folder, **options):
    """A run's folder with what the service needs, and no more."""
    workspace = Workspace(folder)
    plain = small_dataset(40)
    prices = pl.Series("price", [float(n) for n in range(ITEMS)])
    catalog = Catalog(plain.catalog.table.with_columns(prices))
    recipe = Recipe.parse({"name": "mini", "data": {"source": "tables"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "a walk") as place:
        write_dataset(replace(plain, catalog=catalog), place)
    with workspace.write("recommender", f"trained with {options}") as place:
        small_recommender(folder / "fit", **options).write(place)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("other"), steps=6)


@pytest.mark.slow
def test_a_run_is_served_swapped_and_ended_from_the_command_line(run, other_run, tmp_path):
    keys = str(tmp_path / "keys.json")
    made = genrec(tmp_path, "keys", "new", "operator", "--admin", "--keys", keys)
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    command = ("-m", "genrec.cli.main", "serve", str(run), "--port", "PORT", "--keys", keys)
    events = tmp_path / "kept" / "events.sqlite"
    with (
        as_process(*command, "--events", f"sqlite:///{events}") as (process, address),
        httpx.Client(base_url=address, headers=headers, timeout=30) as client,
    ):
        assert httpx.get(f"{address}/v1/models").status_code == 401
        where = {"price": {"max": 20}}
        body = {"user": "u3", "n": 5, "where": where, "explain": True, "exclude_seen": True}
        first = client.post("/v1/recommend", json=body).json()
        loaded = open_run(run)
        assert first["model"] == loaded.version
        expected = loaded.recommender.recommend(
            loaded.dataset.history("u3"), 5, where=where, exclude_seen=True
        )
        assert [one["item"]["id"] for one in first["items"]] == [one.item.id for one in expected]
        assert all(one["item"]["price"] <= 20 for one in first["items"])
        assert any(one["reason"].startswith("like ") for one in first["items"])

        posted = {"events": [{"id": "1", "user": "u3", "item": first["items"][0]["item"]["id"]}]}
        assert client.post("/v1/events", json=posted).json()["added"] == 1
        bought = first["items"][0]["item"]["id"]
        then = client.post("/v1/recommend", json=body).json()
        assert bought not in [one["item"]["id"] for one in then["items"]]

        bad = client.post("/v1/admin/reload", json={"folder": str(tmp_path)})
        assert bad.status_code == 422
        assert "is no run" in bad.json()["error"]["message"]
        swapped = client.post("/v1/admin/reload", json={"folder": str(other_run)}).json()
        assert swapped == {"before": loaded.version, "model": open_run(other_run).version}
        assert client.post("/v1/recommend", json=body).json()["model"] == swapped["model"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "u3" not in log_of(process)
    with sqlite3.connect(events) as store:
        assert store.execute("SELECT count(*) FROM events").fetchone() == (1,)


@pytest.mark.slow
def test_the_version_names_the_content_and_not_the_place(run, other_run, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(run, copied)
    assert open_run(copied).version == open_run(run).version
    assert open_run(copied).version != open_run(other_run).version


@pytest.mark.slow
def test_semantic_ids_of_another_catalogue_keep_the_service_from_starting(run, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(run, mixed)
    catalog = mixed / "dataset" / "catalog.parquet"
    pl.read_parquet(catalog).reverse().write_parquet(catalog)
    seal_again(mixed / "dataset")
    done = genrec(tmp_path, "serve", str(mixed))
    assert done.returncode == 2
    assert "their order differs. Make the semantic IDs of this catalogue." in done.stderr
    assert "Traceback" not in done.stderr


def seal_again(folder):
    """Writes the hashes anew, as somebody would who changes a file and its seal."""
    seal = Seal.read(folder)
    (folder / SEAL).unlink()
    Seal.of(folder, seal.kind, seal.about).write(folder)


@pytest.mark.slow
def test_a_damaged_model_is_named_and_the_code_is_that_of_artefacts(run, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    weights = next((damaged / "recommender").rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-10])
    done = genrec(tmp_path, "serve", str(damaged))
    assert done.returncode == 3
    assert "changed or truncated" in done.stderr


def test_what_is_wrong_at_the_start_has_its_code_and_a_message(tmp_path):
    no_run = genrec(tmp_path, "serve", "nothing")
    assert (no_run.returncode, "is no run" in no_run.stderr) == (3, True)
    open_house = genrec(tmp_path, "serve", "nothing", "--host", "0.0.0.0")
    assert (open_house.returncode, "--no-auth" in open_house.stderr) == (2, True)
    no_keys = genrec(tmp_path, "serve", "nothing", "--keys", "keys.json")
    assert (no_keys.returncode, "genrec keys new" in no_keys.stderr) == (2, True)


def test_a_folder_without_a_run_makes_no_folder(tmp_path):
    with pytest.raises(ArtefactError, match="is no run"):
        open_run(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_other_backends_are_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'vllm'"):
        serve(tmp_path, ServeConfig(), backend="vlm")
