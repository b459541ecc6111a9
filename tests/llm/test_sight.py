import io

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from genrec.errors import ArtefactError, ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.llm.pictures import FIRST_ID, PictureTokens
from genrec.llm.sight import PictureTokenEncoder, pooled_tokens
from tests.small_sight import (
    NATIVE,
    llava_folder,
    native_folder,
    picture,
    seen_catalog,
    text_folder,
)

NAMES, SIZES = ["<a_0>", "<a_1>", "<b_0>", "<b_1>", "<b_2>"], (2, 3)
SEEING = ["llava", *NATIVE]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("seeing")
    found = {name: native_folder(name, root / name) for name in NATIVE}
    return found | {"llava": llava_folder(root / "llava")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))


def created(folder, **options):
    config = BackboneConfig(name=str(folder), dtype="float32", **{"pictures": 4, **options})
    return Backbone.create(config, NAMES, SIZES)


def test_pooling_means_over_parts_of_the_picture():
    grid = torch.arange(16.0).reshape(1, 16, 1)
    assert pooled_tokens(grid, 4).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert pooled_tokens(grid, 1).flatten().tolist() == [7.5]
    assert pooled_tokens(grid, 2).flatten().tolist() == [3.5, 11.5]
    torch.testing.assert_close(pooled_tokens(grid, 16), grid)


@pytest.mark.parametrize("name", SEEING)
def test_every_kind_of_llm_that_sees_gives_tokens_that_tell_pictures_apart(folders, tmp_path, name):
    catalog = seen_catalog(tmp_path / "pictures", 10)
    model = AutoModelForImageTextToText.from_pretrained(folders[name]).eval()
    found = PictureTokens.of(model, str(folders[name]), catalog, 4, cache=tmp_path / "c")
    assert found.tokens.shape[:2] == (10, 4)
    assert found.known.tolist() == [True, True, True, True, False] * 2
    assert (found.tokens[0] - found.tokens[1]).abs().max() > 1e-4
    torch.testing.assert_close(found.tokens[0], found.tokens[6], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["llava", "smolvlm"])
def test_with_all_its_tokens_a_picture_says_what_it_says_to_the_model_itself(folders, name):
    model = AutoModelForImageTextToText.from_pretrained(folders[name]).eval()
    encoder = PictureTokenEncoder(model, str(folders[name]), {"llava": 16, "smolvlm": 4}[name])
    shown = picture("red", (32, 32))
    tokens = torch.from_numpy(encoder.encode_contents([shown])).unflatten(1, (encoder.tokens, -1))
    config = BackboneConfig(
        name=str(folders[name]), dtype="float32", adapt="full", pictures=encoder.tokens
    )
    backbone = Backbone.create(config, NAMES, SIZES).eval()
    backbone.pictures = PictureTokens(tokens, torch.ones(1, dtype=torch.bool).numpy())
    image = model.config.image_token_id
    rest = [5, 6, 7]
    ours = torch.tensor([[1, *range(FIRST_ID, FIRST_ID + encoder.tokens), *rest]])
    theirs = torch.tensor([[1, *[image] * encoder.tokens, *rest]])
    with torch.no_grad():
        hidden = backbone.hidden_states(input_ids=ours).last_hidden_state
        pixels = encoder.prepare(shown)
        batch = {key: torch.from_numpy(value[None]) for key, value in pixels.items()}
        expected = model.model(input_ids=theirs, **batch).last_hidden_state
    torch.testing.assert_close(hidden, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("adapt", ["lora", "full", "frozen"])
def test_towers_never_train_and_what_was_saved_sees_as_before(folders, tmp_path, name, adapt):
    backbone = created(folders[name], adapt=adapt).eval()
    backbone.look(seen_catalog(tmp_path / "pictures", 6))
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert trained
    assert not [name for name in trained if "vision" in name or "visual" in name]
    assert any("multi_modal_projector" in one for one in trained) == (
        name == "llava" and adapt != "frozen"
    )
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    shown, absent = backbone.picture_ids()
    ids = torch.tensor([[1, 9, *shown[0], 11, *shown[4], 12, *shown[1]]])
    assert shown[4].tolist() == absent.tolist()
    with torch.no_grad():
        before = backbone.hidden_states(input_ids=ids).last_hidden_state
        backbone.write(tmp_path / "saved")
        after = Backbone.read(tmp_path / "saved").hidden_states(input_ids=ids).last_hidden_state
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)
    loaded = Backbone.read(tmp_path / "saved")
    torch.testing.assert_close(loaded.head_rows(), backbone.head_rows())


@pytest.mark.parametrize("adapt", ["lora", "frozen"])
def test_rows_of_tied_tables_are_one(folders, adapt):
    backbone = created(folders["llava"], adapt=adapt)
    rows = backbone.head_rows()
    assert rows.requires_grad
    torch.testing.assert_close(rows, backbone.embed(backbone.token_ids[None])[0])
    with torch.no_grad():
        rows += 1
    torch.testing.assert_close(rows, backbone.embed(backbone.token_ids[None])[0])


def test_what_stands_where_no_picture_is_changes_nothing(folders, tmp_path):
    backbone = created(folders["llava"]).eval()
    backbone.look(seen_catalog(tmp_path / "pictures", 6))
    shown, _ = backbone.picture_ids()
    ids = torch.tensor([[1, *shown[3], *shown[4]]])
    with torch.no_grad():
        before = backbone.hidden_states(input_ids=ids).last_hidden_state
        backbone.pictures.tokens[4] = float("nan")
        after = backbone.hidden_states(input_ids=ids).last_hidden_state
    assert torch.isfinite(before).all()
    torch.testing.assert_close(after, before)


def test_the_projector_learns_through_the_pictures_tokens(folders, tmp_path):
    backbone = created(folders["llava"], adapt="lora")
    backbone.look(seen_catalog(tmp_path / "pictures", 6))
    shown, _ = backbone.picture_ids()
    ids = torch.tensor([[1, *shown[0], 7]])
    backbone.hidden_states(input_ids=ids).last_hidden_state.square().sum().backward()
    gradients = [
        parameter.grad
        for name, parameter in backbone.named_parameters()
        if "multi_modal_projector" in name and parameter.requires_grad
    ]
    assert gradients
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_an_llm_that_does_not_see_is_told_so(tmp_path):
    backbone = created(text_folder(tmp_path / "text"))
    with pytest.raises(ConfigError, match="does not see"):
        backbone.look(seen_catalog(tmp_path / "pictures", 6))


def test_an_llm_that_sees_is_not_exported_for_others(folders, tmp_path):
    backbone = created(folders["llava"])
    backbone.look(seen_catalog(tmp_path / "pictures", 6))
    with pytest.raises(ConfigError, match="sees pictures"):
        backbone.export_merged(tmp_path / "export")


def test_damaged_picture_tokens_are_an_artefact_error(tmp_path):
    (tmp_path / "picture_tokens.safetensors").write_bytes(b"no")
    with pytest.raises(ArtefactError, match="cannot be read"):
        PictureTokens.read(tmp_path)


def test_a_picture_is_looked_at_once(folders, tmp_path, monkeypatch):
    catalog = seen_catalog(tmp_path / "pictures", 6)
    model = AutoModelForImageTextToText.from_pretrained(folders["llava"]).eval()
    PictureTokens.of(model, str(folders["llava"]), catalog, 4, cache=tmp_path / "c")
    looked = []
    monkeypatch.setattr(PictureTokenEncoder, "prepare", lambda _, content: looked.append(content))
    PictureTokens.of(model, str(folders["llava"]), catalog, 4, cache=tmp_path / "c")
    assert looked == []
    assert Image.open(io.BytesIO(picture("red"))).size == (32, 32)
