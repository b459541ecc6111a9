import io
import zipfile

import polars as pl
import pytest
from PIL import Image

from genrec.data.dataset import Dataset
from genrec.data.storage import read_dataset, write_dataset
from genrec.errors import ConfigError, InputError

COLUMNS = (
    "gender",
    "masterCategory",
    "subCategory",
    "articleType",
    "baseColour",
    "season",
    "usage",
)


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (60, 80), colour).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def fashion(tmp_path):
    table = {"id": ["11", "7"], "productDisplayName": ["Red Shirt", "Blue Mug"], "year": [1, 2]}
    pl.DataFrame(table | {name: ["a", "b"] for name in COLUMNS}).write_parquet(
        tmp_path / "styles.parquet"
    )
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("11.jpg", picture("red"))
        archive.writestr("7.jpg", picture("blue"))
    return tmp_path


def test_photos_come_with_titles_attributes_and_their_files(fashion):
    data = Dataset.load("fashion_photos", folder=str(fashion))
    assert len(data) == len(data.users) == 0
    assert data.catalog.ids == ["11", "7"]
    item = data.catalog["11"]
    assert (item.title, item.image, item.attributes["colour"]) == ("Red Shirt", "11.jpg", "a")
    assert data.catalog.media.read("7.jpg") == picture("blue")


def test_an_unpacked_folder_will_do_too(fashion):
    with zipfile.ZipFile(fashion / "images.zip") as archive:
        archive.extractall(fashion / "images")
    (fashion / "images.zip").unlink()
    data = Dataset.load("fashion_photos", folder=fashion)
    assert data.catalog.media.read("11.jpg") == picture("red")


def test_a_data_set_without_shoppers_can_be_kept_and_finds_its_files_again(fashion, tmp_path):
    data = Dataset.load("fashion_photos", folder=fashion)
    (tmp_path / "kept").mkdir()
    write_dataset(data, tmp_path / "kept")
    again = read_dataset(tmp_path / "kept")
    assert again.fingerprint == data.fingerprint
    assert again.catalog.media.read("11.jpg") == picture("red")


@pytest.mark.parametrize("missing", ["styles.parquet", "images.zip"])
def test_what_is_absent_is_named(fashion, missing):
    (fashion / missing).unlink()
    with pytest.raises(InputError, match=missing):
        Dataset.load("fashion_photos", folder=fashion)


def test_a_missing_column_is_named(fashion):
    table = pl.read_parquet(fashion / "styles.parquet").drop("productDisplayName")
    table.write_parquet(fashion / "styles.parquet")
    with pytest.raises(InputError, match="lacks the column.*productDisplayName"):
        Dataset.load("fashion_photos", folder=fashion)


def test_a_table_as_csv_with_some_attributes_and_photos_beside_it_will_do(fashion):
    table = pl.read_parquet(fashion / "styles.parquet")
    table.select("id", "productDisplayName", "baseColour").write_csv(fashion / "styles.csv")
    (fashion / "styles.parquet").unlink()
    with zipfile.ZipFile(fashion / "images.zip") as archive:
        archive.extractall(fashion)
    (fashion / "images.zip").unlink()
    data = Dataset.load("fashion_photos", folder=fashion)
    assert data.catalog.attribute_names == ["colour"]
    assert data.catalog.media.read("11.jpg") == picture("red")
    with pytest.raises(InputError, match="nowhere is no folder"):
        Dataset.load("fashion_photos", folder=fashion / "nowhere")


@pytest.fixture
def clothing(tmp_path):
    lines = [
        "file,split,label,orig_w",
        "test/hat/a.jpg,test,hat,1",
        "train/shoes/b.jpg,train,shoes,1",
    ]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    with zipfile.ZipFile(tmp_path / "images_224.zip", "w") as archive:
        archive.writestr("test/hat/a.jpg", picture("red"))
        archive.writestr("train/shoes/b.jpg", picture("blue"))
    return tmp_path


def test_classes_are_titles_and_parts_can_be_chosen(clothing):
    data = Dataset.load("clothing_photos", folder=clothing)
    assert [item.title for item in data.catalog] == ["hat", "shoes"]
    assert data.catalog[0].attributes["article_type"] == "hat"
    assert data.catalog.media.read("train/shoes/b.jpg") == picture("blue")
    train = Dataset.load("clothing_photos", folder=clothing, part="train")
    assert train.catalog.ids == ["train/shoes/b.jpg"]


def test_an_unknown_part_and_a_missing_column_are_named(clothing):
    with pytest.raises(ConfigError, match="part is 'tset'"):
        Dataset.load("clothing_photos", folder=clothing, part="tset")
    (clothing / "labels.csv").write_text("file,label\na,hat")
    with pytest.raises(InputError, match="split"):
        Dataset.load("clothing_photos", folder=clothing)


@pytest.mark.realdata
def test_the_real_photos_are_all_there():
    data = Dataset.load("fashion_photos")
    assert len(data.catalog) == 10_000
    assert all(data.catalog.media.read(name) for name in data.catalog.files("image")[:50])
