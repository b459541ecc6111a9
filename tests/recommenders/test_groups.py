from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.sequences import History, Sequences
from genrec.decoding.beam import last_states
from genrec.errors import ArtefactError, ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.recommenders.generative import GenerativeRecommender, soft_prefixes
from genrec.recommenders.groups import NO_GROUP, HistoryGroups, plain_names
from genrec.recommenders.history_prompt import UNGROUPED, HistoryPrompt, HistoryRows
from genrec.recommenders.options import GenerativeConfig, PromptConfig
from tests.small import ITEMS, small_catalog, small_dataset, small_index, small_recommender
from tests.small_hybrid import hybrid_of


def shop():
    """Every other user bakes; the items of the upper half are of another domain."""
    users = [f"u{n}" for n in range(200)]
    kinds = ["bakers" if n % 2 else None for n in range(200)]
    domains = ["beauty" if n < ITEMS // 2 else "toys" for n in range(ITEMS)]
    table = small_catalog().table.with_columns(pl.Series("domain", domains))
    dataset = replace(small_dataset(), user_table=pl.DataFrame({"user_id": users, "kind": kinds}))
    return replace(dataset, catalog=Catalog(table))


def test_a_column_of_users_tells_the_group_of_known_users_alone():
    groups = HistoryGroups.of(shop(), "kind")
    assert groups.names == ("bakers",)
    items = np.array([0, 1])
    assert groups.number(History(items, user="u1")) == 0
    assert groups.number(History(items, user="u2")) == NO_GROUP
    assert groups.number(History(items)) == NO_GROUP


def test_a_column_of_items_tells_the_group_by_the_first_item_written():
    groups = HistoryGroups.of(shop(), "domain")
    assert groups.names == ("beauty", "toys")
    mixed = History(np.array([0, ITEMS - 1, 1]))
    assert [groups.number(mixed, start) for start in range(4)] == [0, 1, 0, NO_GROUP]


def test_every_user_can_be_a_group():
    groups = HistoryGroups.of(shop(), "user_id")
    assert len(groups.names) == 200
    assert groups.names[groups.number(History(np.array([0]), user="u17"))] == "u17"


def test_a_column_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'kind'"):
        HistoryGroups.of(shop(), "kinds")


def test_groups_say_nothing_to_adaptations_without_prefixes_or_domains():
    with pytest.raises(ConfigError, match="says nothing to adapt: lora"):
        GenerativeConfig(prompt=PromptConfig(group_by="kind"))


def test_a_mixture_needs_groups():
    with pytest.raises(ConfigError, match="group_by"):
        Backbone.create(BackboneConfig(name="tiny", adapt="mixture"), ["<a_0>"], (1,))


def test_names_are_plain_and_distinct():
    values = ["Home & Garden", "home garden", "Tee ☕", "茶", "?", "default"]
    names = plain_names(values)
    assert names == ("home-garden", "home-garden-2", "tee", "茶", "group", "default-2")


def test_groups_are_read_as_they_were_written(tmp_path):
    for column in ("kind", "domain"):
        groups = HistoryGroups.of(shop(), column)
        groups.write(tmp_path)
        again = HistoryGroups.read(tmp_path, shop().catalog)
        assert again.fingerprint == groups.fingerprint != ""
    with pytest.raises(ArtefactError, match="60 items, the catalogue 7"):
        HistoryGroups.read(tmp_path, small_catalog(7))


@pytest.fixture(scope="module")
def written():
    """A prompt with prefixes of three tokens for all and for bakers."""
    config = GenerativeConfig(
        BackboneConfig(name="tiny", adapt="prompt"), PromptConfig(group_by="kind", soft_tokens=3)
    )
    groups, index = HistoryGroups.of(shop(), "kind"), small_index()
    backbone = Backbone.create(
        config.backbone,
        index.token_names,
        index.codebook_sizes,
        soft=soft_prefixes(config, groups),
        soft_text="abc",
    )
    return backbone, HistoryPrompt(config.prompt, backbone, index, groups=groups)


def test_prompts_open_with_the_prefix_of_all_and_of_the_group(written):
    backbone, prompt = written
    baker, nobody = (prompt.tokens(History(np.array([0, 1]), user=user)) for user in ("u1", ""))
    text = backbone.text_tokenizer.decode(baker)
    all_of_them = "<soft_0><soft_1><soft_2>"
    own = "<soft_bakers_0><soft_bakers_1><soft_bakers_2>"
    assert text.startswith(f"<bos>{all_of_them}{own}Chosen")
    assert backbone.text_tokenizer.decode(nobody) == text.replace(own, "")


def test_prefixes_start_from_the_words_of_a_text(written):
    backbone, prompt = written
    word = backbone.text_tokenizer("abc", add_special_tokens=False)["input_ids"]
    for rows in prompt.soft.values():
        ids = torch.tensor([[*rows, *word]])
        vectors = backbone.embed(ids)[0]
        torch.testing.assert_close(vectors[:3], vectors[3:])


def test_one_training_row_in_ten_is_written_for_nobody(written):
    _, prompt = written
    rows = HistoryRows(prompt, shop().sequences, seed=0)
    bakers = [number for number, (user, _, _) in enumerate(rows.spans) if user % 2]
    alone = [number for number in bakers if rows.row(number, 0).group == NO_GROUP]
    assert alone == [number for number in bakers if number % UNGROUPED == 0]
    counts = [len(rows.row(number, 0).tokens) for number in range(len(rows.spans))]
    assert counts == rows.token_counts.tolist()


def test_a_batch_of_several_domains_ranks_as_each_history_alone(tmp_path):
    dataset = shop()
    recommender = GenerativeRecommender.train(
        "tiny",
        dataset,
        small_index(),
        steps=6,
        adapt="mixture",
        group_by="domain",
        batch_size=4,
        row_tokens=256,
        learning_rate=1e-2,
        dtype="float32",
    )
    histories = Sequences.of([[0, 1], [ITEMS - 1], [], [2, ITEMS - 2]])
    together = recommender.rank(histories, 8)
    for row in range(len(histories)):
        alone = recommender.rank(histories.take([row]), 8)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
    allowed = np.zeros((4, ITEMS), bool)
    allowed[np.arange(4), [3, 5, 7, 9]] = True
    assert recommender.rank(histories, 1, allowed=allowed).items[:, 0].tolist() == [3, 5, 7, 9]
    with pytest.raises(ConfigError, match="beauty, toys"):
        recommender.backbone.export_merged(tmp_path)


def test_whole_items_are_ranked_by_what_the_adapters_of_the_domain_make_of_a_history(tmp_path):
    recommender = hybrid_of(
        shop(),
        small_index(),
        tmp_path,
        steps=6,
        adapt="mixture",
        group_by="domain",
        learning_rate=1e-2,
    )
    backbone, hybrid = recommender.backbone.eval(), recommender.hybrid
    histories = Sequences.of([[0, 1], [ITEMS - 1], []])
    prompts = [recommender.prompt.tokens(history) for history in histories]
    generated = recommender._generated(histories, prompts, 5, AllowedItems.of(histories, ITEMS))
    found = hybrid.signals(backbone.items, histories, generated).dense
    for row, domain in enumerate([0, 1, NO_GROUP]):
        with backbone.in_domains(torch.tensor([[domain]])):
            own = last_states(backbone, [prompts[row]])
        wanted = hybrid._dense(backbone.items, own, histories.take([row]))
        torch.testing.assert_close(found[row], wanted[0], atol=1e-4, rtol=0)
        plain = hybrid._dense(
            backbone.items, last_states(backbone, [prompts[row]]), histories.take([row])
        )
        assert (domain == NO_GROUP) == torch.allclose(plain, wanted, atol=1e-3)


def test_recommenders_without_groups_write_none(tmp_path):
    small_recommender(tmp_path / "fit", steps=1).save(tmp_path / "saved")
    assert not (tmp_path / "saved" / "groups.json").exists()
