import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel, CLIPVisionModel

from genrec.data.picture_array import decode_pictures
from genrec.encoders.image import ImageEncoder
from genrec.errors import ConfigError
from genrec.training.captions import Captions
from genrec.training.image_text import train_image_text, vectors_of
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import ImageTextConfig
from tests.small_photos import photo_shop


def nothing(*_):
    pass


def train(catalog, folder, *, steps=80, stop_at=0, pictures=None, fit_options=None, **options):
    chosen = {"tower": "tiny", "side": 16, "patch": 4, "title_share": 1.0, "augment": 0.3}

    def progress(step, *_):
        if step == stop_at:
            raise KeyboardInterrupt

    fitting = {
        "batch_size": 16,
        "learning_rate": 1e-3,
        "warmup_steps": 10,
        "log_every": 1,
        "checkpoint_every": 4,
    }
    return train_image_text(
        catalog,
        pictures or decode_pictures(catalog, range(len(catalog)), side=16, progress=nothing),
        config=ImageTextConfig(**{**chosen, **options}),
        fit_config=FitConfig(steps=steps, **{**fitting, **(fit_options or {})}),
        folder=folder,
        progress=progress,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return photo_shop(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    return train(shop, tmp_path_factory.mktemp("fit"))


def kinds_found(pictures, words):
    """Share of photos whose best title, of the twelve that there are, is their own."""
    return float(((pictures @ words.T).argmax(1) == np.arange(len(pictures)) % 12).mean())


def test_titles_find_photos_that_were_never_trained_on(trained, tmp_path):
    others = photo_shop(tmp_path, 48, first=96)
    pictures = decode_pictures(others, range(48), side=16, progress=nothing)
    titles = others.table["title"].to_list()
    vectors = vectors_of(trained.towers, trained.tokenizer, pictures.pixels, titles[:12])
    assert kinds_found(*vectors) > 4 / 12


def test_the_folder_opens_with_the_auto_classes_and_gives_the_same_vectors(shop, trained, tmp_path):
    trained.write(tmp_path / "tower")
    model = AutoModel.from_pretrained(tmp_path / "tower")
    assert isinstance(model, CLIPModel)
    processor = AutoImageProcessor.from_pretrained(tmp_path / "tower")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tower")
    pictures = decode_pictures(shop, range(6), side=16, progress=nothing)
    titles = shop.table["title"].to_list()[:6]
    ours = vectors_of(trained.towers, trained.tokenizer, pictures.pixels, titles)
    from genrec.data.pictures import open_picture

    opened = [open_picture(shop.media.read(name)) for name in shop.files("image")[:6]]
    with torch.no_grad():
        theirs = model(
            **processor(images=opened, return_tensors="pt"),
            **tokenizer(titles, padding=True, return_tensors="pt"),
        )
    assert np.allclose(ours[0], theirs.image_embeds, atol=1e-5)
    assert np.allclose(ours[1], theirs.text_embeds, atol=1e-5)


def test_an_image_encoder_and_a_vision_tower_open_the_folder(shop, trained, tmp_path):
    trained.write(tmp_path / "tower")
    encoder = ImageEncoder(str(tmp_path / "tower"), cache=tmp_path / "cache")
    vectors = encoder.encode(shop).vectors
    words = encoder.encode_texts(shop.table["title"].to_list()[:12])
    assert kinds_found(vectors, words) > 4 / 12
    tower = CLIPVisionModel.from_pretrained(tmp_path / "tower")
    states = tower(torch.zeros(1, 3, 16, 16), output_hidden_states=True).hidden_states
    # One class token and the patches, which a Llava reads.
    assert states[-2].shape == (1, 1 + 16, 64)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "sigmoid", "queue": 40, "momentum": 0.9, "average": 0.9},
    ],
    ids=["info_nce", "queue"],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(shop, tmp_path, options):
    whole = train(shop, tmp_path / "whole", steps=7, **options)
    with pytest.raises(KeyboardInterrupt):
        train(shop, tmp_path / "stopped", steps=7, stop_at=5, **options)
    resumed = train(shop, tmp_path / "stopped", steps=7, **options)
    assert len(whole.fitted.losses) == 7
    assert np.allclose(whole.fitted.losses, resumed.fitted.losses, atol=1e-5)
    mine, theirs = whole.towers.state_dict(), resumed.towers.state_dict()
    assert all(torch.allclose(mine[name], theirs[name], atol=1e-5) for name in mine)


def test_chunks_do_not_change_what_is_learned(shop, tmp_path):
    whole = train(shop, tmp_path / "whole", steps=5)
    chunks = train(shop, tmp_path / "chunks", steps=5, chunk=3)
    assert np.allclose(whole.fitted.losses, chunks.fitted.losses, atol=1e-4)


def test_a_queue_makes_the_task_harder(shop, tmp_path):
    alone = train(shop, tmp_path / "alone", steps=4)
    among_many = train(shop, tmp_path / "queue", steps=4, queue=64)
    assert among_many.fitted.losses[0] == pytest.approx(alone.fitted.losses[0], abs=1e-5)
    assert among_many.fitted.losses[-1] > alone.fitted.losses[-1] + 0.3


def test_items_that_are_looked_at_are_not_trained_on(shop, tmp_path):
    seen = []

    def validate(pictures, words):
        seen.append((pictures.shape, words.shape))
        return 0.0

    found = train_image_text(
        shop,
        decode_pictures(shop, range(len(shop)), side=16, progress=nothing),
        config=ImageTextConfig(tower="tiny", side=16, patch=8, title_share=1.0),
        fit_config=FitConfig(steps=2, batch_size=8, validate_every=1, log_every=1),
        folder=tmp_path,
        validation=np.arange(10),
        validate=validate,
    )
    assert seen == [((10, 64), (10, 64))] * 2 and found.fitted.best_step == 1


def test_captions_are_titles_or_attributes(shop):
    captions = Captions(shop, ["colour", "shape"], title_share=0.5)
    generator = np.random.default_rng(0)
    said = [captions.draw(0, generator) for _ in range(200)]
    assert set(said) == {"red tile", "tile red", "red", "tile"}
    titles = Captions(shop, [], title_share=1.0)
    assert {titles.draw(3, generator) for _ in range(20)} == {"green disc"}


def test_an_unknown_attribute_is_refused_by_name(shop):
    with pytest.raises(ConfigError, match="no attribute 'color'.*colour"):
        Captions(shop, ["color"], title_share=0.5)
