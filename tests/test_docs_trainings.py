"""The pages' commands that train a model, run as they stand on few things and for few steps."""

import json
import shlex
import shutil
import zipfile

import polars as pl
import pytest

from genrec.creatives.certificate import SigningCertificate
from genrec.creatives.credentials import check
from genrec.creatives.media_folder import read_media
from tests.command_line import genrec
from tests.creatives.small_clicks import clicks_table
from tests.data.sources import small_downloads
from tests.page_commands import RUN
from tests.page_console import Console, small_recipe
from tests.small_chat import write_chat_model
from tests.small_photos import photo_shop
from tests.small_sight import text_folder

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def benchmark_data(tmp_path, monkeypatch):
    """The folder in which the commands find the benchmark data; a test fills it."""
    folder = tmp_path / "benchmark-data"
    folder.mkdir()
    monkeypatch.setenv("GENREC_DATA", str(folder))
    return folder


def need(**extras):
    """Skips a test where a package is not installed; each with the extra that has it."""
    for package, extra in extras.items():
        pytest.importorskip(package, reason=f"needs the extra '{extra}'")


def styled(folder, items, **of_all):
    """The table ``styles`` of Fashion Product Images, beside the photos."""
    items.select(
        pl.col("item_id").alias("id"),
        pl.col("title").alias("productDisplayName"),
        pl.col("shape").alias("articleType"),
        pl.col("colour").alias("baseColour"),
        *(pl.lit(value).alias(name) for name, value in of_all.items()),
    ).write_csv(folder / "styles.csv")


def fashion_photos(benchmark_data):
    """Photos in the place of the benchmark data's."""
    folder = benchmark_data / "fashion-product-images-small"
    styled(folder, photo_shop(folder, 48).table, gender="Women", subCategory="Things")


def own_photos(folder):
    """Photos of one's own in folders by two names, with a table of each form."""
    items = photo_shop(folder / "PHOTOS", 30, first=100).table
    with zipfile.ZipFile(folder / "PHOTOS" / "images.zip") as archive:
        archive.extractall(folder / "PHOTOS")
    (folder / "PHOTOS" / "images.zip").unlink()
    styled(folder / "PHOTOS", items, gender="Women", subCategory="Things")
    shutil.copytree(folder / "PHOTOS", folder / "photos")
    shutil.copy(folder / "photos" / "p100.jpg", folder / "photo.jpg")
    items.rename({"shape": "article_type"}).with_columns(
        gender=pl.lit("Women"), subcategory=pl.lit("Things")
    ).write_csv(folder / "items.csv")


def test_the_commands_of_fused_contents_work(tmp_path):
    console = Console(tmp_path).run("content")
    assert console.failed == {}
    assert "trained without" in console.said["genrec ablate runs/content-next-item --retrain"]
    shop = console.told["genrec run toy-shop encode.vectors_from=runs/content-next-item"]
    assert "runs/content-next-item" in shop


def test_the_commands_of_towers_that_learn_from_photos_work(tmp_path, benchmark_data):
    fashion_photos(benchmark_data)
    own_photos(tmp_path)
    text_folder(tmp_path / "llm")
    small_recipe(tmp_path, "my")
    console = Console(tmp_path).run("photos")
    assert console.failed == {}
    by_both = next(said for line, said in console.said.items() if "in blue" in line)
    assert "by words in pictures" in by_both and "by picture in pictures" in by_both
    (judged,) = [said for line, said in console.said.items() if line.endswith("--json")]
    assert json.loads(judged)["judged"] == 30
    assert (tmp_path / "runs/projector/seeing_llm/model.safetensors").is_file()
    assert (tmp_path / "runs/my/recommender").is_dir()


def test_the_commands_of_diffusion_models_and_adapters_work(tmp_path, benchmark_data):
    need(diffusers="diffusion", c2pa="credentials", resvg_py="ads")
    fashion_photos(benchmark_data)
    console = Console(tmp_path).run("diffusion")
    assert console.failed == {}
    for name in ("product-diffusion", "product-diffusion-photos"):
        assert (tmp_path / f"runs/{name}/product_diffusion/model_index.json").is_file()
    note = json.loads((tmp_path / "runs/image-lora-segment/image_lora/adapter.json").read_text())
    assert note["segment"]["name"] == "kitchen"
    assert len(list(tmp_path.glob("ads/kitchen/pictures/*/*.png"))) == 2


def test_the_commands_of_pictures_and_films_work_and_sign_by_a_certificate(tmp_path):
    need(c2pa="credentials", resvg_py="ads", av="media")
    made = SigningCertificate.made()
    (tmp_path / "chain.pem").write_bytes(made.chain)
    (tmp_path / "key.pem").write_bytes(made.key)
    console = Console(tmp_path).run("media")
    assert console.failed == {}
    (signed,) = [said for line, said in console.said.items() if "--certificate" in line]
    assert f"signed by {made.subject}" in signed
    media = [one for shown in read_media(tmp_path / "ads/cushions").values() for one in shown]
    assert sorted({one.medium.kind for one in media}) == ["film", "picture"]
    assert all(check(tmp_path / "ads/cushions" / one.file) == ("Valid", []) for one in media)


def test_the_commands_of_a_search_work_and_go_on(tmp_path):
    small_downloads.ml_1m(tmp_path / "ml-1m")
    console = Console(tmp_path).run("tune")
    assert console.failed == {}
    assert pl.read_parquet(tmp_path / "runs/movielens-tune/trials.parquet").height == 3
    assert (tmp_path / "runs/movielens-tuned/report/report.html").is_file()


def amazon_2014(root, domain, items=40, shoppers=60):
    """A folder of the benchmark data: who reviewed which product, in order."""
    folder = root / f"amazon2014-{domain}"
    folder.mkdir()
    pl.DataFrame(
        {
            "item_id": range(items),
            "asin": [f"{domain}{item}" for item in range(items)],
            "title": [f"{domain} thing {item}" for item in range(items)],
            "categories": [[f"{domain} > kind {item % 5}"] for item in range(items)],
        }
    ).write_parquet(folder / "items.parquet")
    taken = [
        [(7 * user + 3 * step) % items for step in range(4 + user % 5)] for user in range(shoppers)
    ]
    pl.DataFrame(
        {"user_asin": [f"u{user}" for user in range(shoppers)], "item_ids": taken}
    ).write_parquet(folder / "sequences.parquet")


def test_the_commands_of_data_that_one_downloads_work_on_files_of_their_form(
    tmp_path, benchmark_data
):
    small_downloads.mind(tmp_path / "DOWNLOADS")
    small_downloads.hm(tmp_path / "hm")
    for domain in ("beauty", "toys"):
        amazon_2014(benchmark_data, domain)
    after = "genrec run finetune/beauty-grpo --into runs/beauty"
    small = shlex.split(RUN["downloads"][after])
    options = [word for word in small if not word.startswith("preference.")]
    trained = genrec(tmp_path, "run", "beauty", *options)
    assert trained.returncode == 0, trained.stderr
    console = Console(tmp_path).run("downloads")
    assert console.failed == {}
    assert (tmp_path / "runs/hm/dataset").is_dir()
    # It goes on from what the recipe beauty left.
    (line,) = [line for line in console.told[after].splitlines() if "Train tiny" in line]
    assert "reused" in line
    assert (tmp_path / "runs/beauty/preference/decision.json").is_file()


def test_the_commands_of_preference_work(tmp_path):
    console = Console(tmp_path).run("preference")
    assert console.failed == {}
    for name in ("preference-dpo", "preference-grpo"):
        gate = json.loads((tmp_path / f"runs/{name}/preference/decision.json").read_text())["gate"]
        assert gate["users"] >= 1


def office_products(root):
    """Prepared tables of MiniOneRec: pens whose descriptions say no more than is known."""
    folder = root / "amazon2018-minionerec"
    folder.mkdir()
    colours = ["red", "blue", "green", "black", "white", "brown"]
    pl.DataFrame(
        {
            "item_id": range(len(colours)),
            "title": [f"{colour.title()} pen" for colour in colours],
            "description": [
                f"This pen writes in {one} and lies well in the hand." for one in colours
            ],
            "brand": ["Acme"] * len(colours),
        }
    ).write_parquet(folder / "Office_Products.items.parquet")
    cases = {"user_id": ["ann"], "history_item_id": [[0, 1]], "item_id": [2]}
    for part in ("valid", "test"):
        pl.DataFrame(cases).write_parquet(folder / f"Office_Products.{part}.parquet")


def test_the_commands_of_copywriters_work(tmp_path, benchmark_data):
    office_products(benchmark_data)
    write_chat_model(tmp_path / "chat", context=4096)
    clicks_table(130).write_csv(tmp_path / "tests.csv")
    small_recipe(tmp_path, "quickstart")
    done = genrec(tmp_path, "run", "quickstart.yaml", "--until", "train", "--quiet")
    assert done.returncode == 0, done.stderr
    console = Console(tmp_path).run("copy")
    assert console.failed == {}
    for name in ("copy-clicks", "copywriter"):
        assert (tmp_path / f"runs/{name}/copywriter/adapter_model.safetensors").is_file()
    (written,) = [said for line, said in console.said.items() if " write " in line]
    assert "title" in written and "body" in written
    (reranked,) = [said for line, said in console.said.items() if " rerank " in line]
    assert "reranked" in reranked
