import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from genrec.errors import ConfigError
from genrec.llm.pictures import FIRST_ID, PictureTokens
from genrec.llm.sight import projector
from genrec.training.naming import (
    NamingPrompt,
    SeeingLLM,
    chosen_names,
    collate_namings,
    said_names,
    start_from_words,
    train_projector,
)
from genrec.training.options import FitConfig
from tests.small_sight import COLOURS, llava_folder, native_folder, seen_catalog


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return llava_folder(tmp_path_factory.mktemp("llm"), "siglip")


def opened(folder, tmp_path):
    model = AutoModelForImageTextToText.from_pretrained(folder)
    catalog = seen_catalog(tmp_path / "pictures", 12, colours=list(COLOURS) * 2)
    pictures = PictureTokens.of(model, str(folder), catalog, 4, cache=tmp_path / "cache")
    return SeeingLLM(model, pictures), NamingPrompt(AutoTokenizer.from_pretrained(folder), pictures)


def test_only_the_projector_learns(folder, tmp_path):
    llm, _ = opened(folder, tmp_path)
    trained = [name for name, p in llm.named_parameters() if p.requires_grad]
    assert trained
    assert all("multi_modal_projector" in name for name in trained)


def test_a_texts_score_is_the_mean_log_probability_of_its_tokens_whatever_the_padding(
    folder, tmp_path
):
    llm, prompt = opened(folder, tmp_path)
    llm.eval()
    row, longer = prompt.row(0, "red"), prompt.row(1, "a very much longer text")
    with torch.no_grad():
        both = llm.log_probabilities(collate_namings([row, longer]))
        alone = llm.log_probabilities(collate_namings([row]))
        tokens = torch.from_numpy(row.tokens)[None]
        states = llm.states(tokens, torch.ones_like(tokens, dtype=torch.bool))
        logits = llm.model.get_output_embeddings()(states)[0]
        before = torch.log_softmax(logits, -1)[-row.said - 1 : -1]
        spoken = before[torch.arange(row.said), tokens[0, -row.said :]]
    assert row.said == len("red") + 2
    torch.testing.assert_close(both[0], alone[0])
    torch.testing.assert_close(alone[0], spoken.mean())


def test_colours_are_named_after_training_and_not_when_another_picture_is_shown(folder, tmp_path):
    llm, prompt = opened(folder, tmp_path)
    frozen = {name: p.clone() for name, p in llm.named_parameters() if not p.requires_grad}
    rows = [prompt.row(item, colour) for item, colour in enumerate(COLOURS)]
    fit = FitConfig(steps=150, batch_size=6, learning_rate=1e-2)
    fitted = train_projector(llm, rows, config=fit, folder=tmp_path / "fit", job="colours")
    assert fitted.losses[-1] < fitted.losses[0] - 0.5
    for name, parameter in llm.named_parameters():
        if name in frozen:
            torch.testing.assert_close(parameter, frozen[name], rtol=0, atol=0)
    candidates = [[colour, *(other for other in COLOURS if other != colour)] for colour in COLOURS]
    unseen = range(6, 12)
    own = chosen_names(llm, prompt, unseen, candidates, batch_size=4)
    other = chosen_names(llm, prompt, [7, 8, 9, 10, 11, 6], candidates)
    assert (own == 0).sum() >= 4
    assert (other == 0).sum() <= 2
    said = said_names(llm, prompt, [6])
    assert isinstance(said[0], np.ndarray)


def nearest_word(llm, prompt, items):
    """Of each item the colour whose word its picture's tokens lie nearest to, on average."""
    table = llm.model.get_input_embeddings().weight
    words = torch.stack([table[prompt.said(colour)[:-1]].mean(0) for colour in COLOURS])
    ids = torch.stack([torch.from_numpy(prompt.asked(item)) for item in items])
    shown = ids[ids >= FIRST_ID].view(len(ids), -1)
    with torch.no_grad():
        seen = llm.pictures.embed(llm.model, shown, torch.float32).mean(1)
        return torch.cdist(seen, words).argmin(1).tolist()


def test_a_projector_starts_where_the_words_of_unseen_pictures_are(folder, tmp_path):
    llm, prompt = opened(folder, tmp_path)
    unseen = range(6, 12)
    assert nearest_word(llm, prompt, unseen) != list(range(6))
    frozen = {name: p.clone() for name, p in llm.named_parameters() if not p.requires_grad}
    start_from_words(llm, prompt, range(6), [*COLOURS, *[""] * 6], seed=0)
    assert nearest_word(llm, prompt, unseen) == list(range(6))
    for name, parameter in llm.named_parameters():
        if name in frozen:
            torch.testing.assert_close(parameter, frozen[name], rtol=0, atol=0)


def test_a_start_takes_words_as_the_llm_takes_them_in(folder, tmp_path):
    llm, prompt = opened(folder, tmp_path)
    texts = [*COLOURS, *[""] * 6]
    shown = torch.from_numpy(np.stack([prompt.asked(item) for item in range(6)]))
    shown = shown[shown >= FIRST_ID].view(6, -1)

    def size():
        with torch.no_grad():
            return llm.pictures.embed(llm.model, shown, torch.float32).norm(dim=-1).mean()

    start_from_words(llm, prompt, range(6), texts, seed=0)
    plain = size()
    # Gemma's kind of table, whose rows are scaled when they are looked up.
    llm.model.get_input_embeddings().register_forward_hook(lambda *args: args[2] * 5)
    start_from_words(llm, prompt, range(6), texts, seed=0)
    assert size() == pytest.approx(5 * float(plain), rel=0.05)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [4], []])
def test_what_says_nothing_is_left_out_of_a_start(folder, tmp_path, kept):
    llm, prompt = opened(folder, tmp_path)
    before = [each.clone() for each in projector(llm.model).parameters()]
    llm.pictures.tokens[5] = torch.inf
    # A tokenizer may have no token for a text.
    said = {text: prompt.said(text) for text in COLOURS}
    silent = np.array(prompt._end, np.int64)
    prompt.said = lambda text: said.get(text, silent)
    texts = [colour if item in kept else "" for item, colour in enumerate(COLOURS)]
    start_from_words(llm, prompt, range(6), texts, seed=0)
    after = list(projector(llm.model).parameters())
    assert all(bool(each.isfinite().all()) for each in after)
    changed = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed == bool(kept)


def test_a_model_that_brings_its_projector_is_not_trained_so(tmp_path):
    folder = native_folder("smolvlm", tmp_path / "vlm")
    model = AutoModelForImageTextToText.from_pretrained(folder)
    catalog = seen_catalog(tmp_path / "pictures", 2, colours=["red", "blue"])
    pictures = PictureTokens.of(model, str(folder), catalog, 1, cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match="brings its projector with it"):
        SeeingLLM(model, pictures)
