import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Interaction
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError
from genrec.profiles.build import Builder, build_profiles, profile_history
from genrec.profiles.options import ProfileConfig
from tests.profiles.shop import DAY, MONDAY, catalog, shop, tea_lover, visits_of


@pytest.fixture(scope="module")
def data():
    dear = [["Br3", "So3"], ["Ch3", "Fr3"], ["Pa3", "Te3"]] * 6
    sips = [["Be0", "Ba1", "Fr0"], ["Be1", "Ba2", "Pa1"]] * 10
    rows = [
        *tea_lover(),
        *visits_of("rich", dear, every=2, hour=20),
        *visits_of("parent", sips, every=3),
        *visits_of("gone", [["Br0"], ["Ch1"], ["Fr2"], ["So0"], ["Pa1"], ["Te2"]], every=3),
        *visits_of("once", [["Br1"]]),
        *visits_of("steady", [["Pa0", "Fr0", "Ch0"]] * 20),
    ]
    return shop(rows)


@pytest.fixture(scope="module")
def profiles(data):
    return build_profiles(data)


def said(profile, *kinds):
    return {(one.name, one.value) for one in profile.of(*kinds)}


def test_the_tea_lover_is_known_for_tea(profiles):
    ann = profiles["ann"]
    assert ("item", "Tea by Acorn") in said(ann, "favourite")
    assert ("Tea", "brand Acorn") in said(ann, "loyalty")


def test_strength_is_the_smoothed_lift_over_the_crowd(data, profiles):
    (trait,) = [one for one in profiles["ann"].of("favourite") if one.value == "Tea by Acorn"]
    user = list(data.users).index("ann")
    events = data.events.join(
        pl.DataFrame(
            {"item": np.arange(len(data.catalog), dtype=np.uint32), "id": data.catalog.ids}
        ),
        on="item",
    ).filter(~pl.col("id").str.starts_with("Ba") & ~pl.col("id").str.starts_with("Be"))
    # By hand: the chance that a visit of its size holds the item, scaled to the crowd's visits.
    share = (events["id"] == "Te0").mean()
    sizes = events.group_by("user", "basket").agg(
        pl.len(), (pl.col("id") == "Te0").any().alias("met")
    )
    chance = 1 - (1 - share) ** sizes["len"].to_numpy()
    scale = sizes["met"].sum() / chance.sum()
    expected = chance[sizes["user"].to_numpy() == user].sum() * scale
    assert trait.strength == pytest.approx((20 + 1) / (expected + 1))


def test_evidence_names_the_events_that_it_rests_on(data, profiles):
    history = data.history("ann")
    (trait,) = [one for one in profiles["ann"].of("favourite") if one.value == "Tea by Acorn"]
    assert trait.events == 20
    assert {data.catalog[int(history.items[one])].id for one in trait.evidence} == {"Te0"}
    assert len(trait.evidence) == 20


def test_every_trait_has_evidence_within_the_history_and_a_sentence(profiles):
    for profile in profiles:
        for trait in profile:
            assert trait.evidence
            assert trait.events >= len(trait.evidence)
            assert list(trait.evidence) == sorted(set(trait.evidence))
            assert max(trait.evidence) < profile.events
            assert trait.text.endswith(".")
            assert trait.strength > 0


def test_only_the_latest_events_are_kept_but_all_are_counted(data):
    few = build_profiles(data, ProfileConfig(evidence=3))["ann"]
    (trait,) = [one for one in few.of("favourite") if one.value == "Tea by Acorn"]
    assert (len(trait.evidence), trait.events) == (3, 20)
    assert min(trait.evidence) >= 34


def test_who_buys_the_dear_and_who_the_cheap(profiles):
    assert ("for its category", "above the usual") in said(profiles["rich"], "price")
    assert profiles["rich"].of("price")[0].strength > 1.2


def test_when_they_come(profiles):
    ann = said(profiles["ann"], "rhythm")
    assert {
        ("days between visits", "7"),
        ("weekday", "Monday"),
        ("time of day", "in the morning"),
    } <= ann
    assert ("time of day", "in the evening") in said(profiles["rich"], "rhythm")


def test_who_stays_away_has_lapsed(profiles):
    assert ("last visit", "lapsed") in said(profiles["gone"], "recency")
    assert ("last visit", "lapsed") not in said(profiles["ann"], "recency")


def test_who_repeats_is_known_for_it(profiles):
    assert ("new or known", "comes back to what they know") in said(profiles["steady"], "habit")


def test_sensitive_items_make_no_trait_of_any_kind(profiles):
    parent = profiles["parent"]
    assert parent.left_out == 40
    for profile in profiles:
        text = str(profile.to_dict()["traits"])
        assert "Baby" not in text
        assert "Beer" not in text
    assert profiles.items_left_out["children"] == 4
    assert profiles.items_left_out["alcohol_and_tobacco"] == 4


def test_evidence_of_no_trait_is_a_sensitive_event(data, profiles):
    history = data.history("parent")
    ids = [data.catalog[int(item)].id for item in history.items]
    shown = {ids[number] for trait in profiles["parent"] for number in trait.evidence}
    assert shown
    assert not [one for one in shown if one.startswith(("Ba", "Be"))]


def test_noise_is_no_trait():
    profiles = build_profiles(shop(users=300, visits=25, seed=5))
    liked = profiles.traits.filter(pl.col("kind").is_in(["like", "favourite", "loyalty", "habit"]))
    # 5 % of customers for each attribute at most, by the bound.
    assert liked["user"].n_unique() <= 0.05 * 300


def test_intensity_keeps_the_strongest(profiles):
    ann = profiles["ann"]
    assert ann.at(0).traits == ()
    assert ann.at(1) == ann
    half = ann.at(0.5)
    assert len(half) == math.ceil(len(ann) / 2)
    assert half.traits == ann.traits[: len(half)]
    strengths = [one.strength for one in ann]
    assert strengths == sorted(strengths, reverse=True)
    with pytest.raises(ConfigError, match=r"intensity is 1\.5"):
        ann.at(1.5)


@pytest.mark.parametrize("when", [0, 40 * DAY, 400 * DAY])
def test_one_event_more_gives_what_a_rebuild_gives(data, when):
    builder = Builder.of(data, ProfileConfig())
    event = Interaction("ann", "Fr1", MONDAY + when + 3600, 77)
    grown = builder.profiles()["ann"].after(event)
    # The rebuild reads a table of the same events, sorted by the data set's own rules.
    rows = [*tea_lover(), ("ann", "Fr1", MONDAY + when + 3600, "new")]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "time", "basket_id"], orient="row")
    rebuilt = builder.of_histories(assemble(catalog(), table).sequences)["ann"]
    assert grown == rebuilt
    assert grown.events == 41


def test_one_event_more_leaves_the_kinds_of_the_others(data):
    kinds = [("view", "buy")[number % 2] for number in range(data.events.height)]
    said = replace(data, events=data.events.with_columns(kind=pl.Series(kinds)))
    before = said.history("ann").kinds
    profile = Builder.of(said, ProfileConfig()).profiles()["ann"]
    later = profile_history(profile.after(Interaction("ann", "Fr1", MONDAY + 999 * DAY, 77)))
    assert later.kinds.tolist() == [*before.tolist(), 0]


def test_an_event_may_join_a_basket_and_others_may_follow(data):
    builder = Builder.of(data, ProfileConfig())
    ann = builder.profiles()["ann"]
    twice = ann.after(Interaction("ann", "Pa2", MONDAY + 19 * 7 * DAY + 10 * 3600, 19))
    thrice = twice.after(Interaction("ann", "Pa2", MONDAY + 20 * 7 * DAY, 20))
    last = [("ann", "Pa2", MONDAY + 19 * 7 * DAY + 10 * 3600, "ann-19")]
    last.append(("ann", "Pa2", MONDAY + 20 * 7 * DAY, "new"))
    table = pl.DataFrame(
        [*tea_lover(), *last], schema=["user_id", "item_id", "time", "basket_id"], orient="row"
    )
    assert thrice == builder.of_histories(assemble(catalog(), table).sequences)["ann"]


def test_an_event_that_does_not_fit_is_refused_with_all_reasons(profiles):
    with pytest.raises(InputError) as raised:
        profiles["ann"].after(Interaction("bob", "Zz9"))
    assert len(raised.value.problems) == 4


def test_a_profile_does_not_depend_on_who_else_is_asked_for(data):
    builder = Builder.of(data, ProfileConfig())
    alone = builder.of_histories(data.sequences.take([list(data.users).index("rich")]))
    assert alone["rich"] == builder.profiles()["rich"]


def test_one_event_makes_a_profile_without_guesses(profiles):
    once = profiles["once"]
    assert [one.kind for one in once] == ["recency"]


def test_a_user_without_history_has_an_empty_profile(data):
    builder = Builder.of(data, ProfileConfig())
    empty = builder.of_histories(Sequences.of([[]], ["new"]))["new"]
    assert len(empty) == 0
    assert "Nothing is known" in str(empty)


def test_an_unknown_user_is_an_error_with_examples(profiles):
    with pytest.raises(InputError, match=r"no profile of 'nobody'. Users look like: c0"):
        profiles["nobody"]


def test_all_the_same_item_is_a_favourite_but_no_lift_over_oneself():
    table = pl.DataFrame({"user_id": ["a"] * 30 + ["b"] * 30, "item_id": ["Te0"] * 60})
    profiles = build_profiles(assemble(catalog(), table))
    assert not profiles["a"].of("like", "favourite", "loyalty")


def test_without_times_prices_baskets_or_attributes_the_rest_is_still_said():
    bare = Catalog.of_ids([f"i{n}" for n in range(30)])
    generator = np.random.default_rng(0)
    rows = [("u", "i3")] * 20 + [(f"c{n % 40}", f"i{generator.integers(30)}") for n in range(2000)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    profiles = build_profiles(assemble(bare, table))
    assert ("item", "i3") in said(profiles["u"], "favourite")
    assert not profiles["u"].of("rhythm", "recency", "price", "promotion")


def test_dates_without_hours_tell_no_time_of_day():
    rows = [(user, item, when - when % DAY, basket) for user, item, when, basket in tea_lover()]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "time", "basket_id"], orient="row")
    profile = build_profiles(assemble(catalog(), table))["ann"]
    assert "time of day" not in {one.name for one in profile}


def test_huge_titles_and_control_characters_end_up_short_and_plain():
    table = catalog().table.with_columns(
        title=pl.when(pl.col("item_id") == "Te0")
        .then(pl.lit("Te\x00a\u202e\n" + "x" * 1_000_000))
        .otherwise("title")
    )
    data = shop(tea_lover())
    profiles = build_profiles(Dataset("odd", Catalog(table), data.users, data.events))
    values = [one.value for one in profiles["ann"].of("favourite")]
    assert [value for value in values if value.startswith("Te a x")]
    assert all(len(value) <= 80 and value.isprintable() for value in values)


def test_lists_of_values_are_liked_one_by_one():
    table = catalog().table.with_columns(
        tags=pl.when(pl.col("category") == "Tea")
        .then(pl.lit(["hot", "leaf"]))
        .otherwise(pl.lit(["plain"]))
    )
    data = shop(tea_lover())
    data = Dataset("tags", Catalog(table), data.users, data.events)
    profile = build_profiles(data, ProfileConfig(attributes=("tags",)))["ann"]
    assert {"hot", "leaf"} & {one.value for one in profile.of("like")}


def test_names_of_attributes_that_are_not_there_or_closed_are_refused(data):
    with pytest.raises(ConfigError, match="did you mean 'category'"):
        build_profiles(data, ProfileConfig(attributes=("categry",)))


def test_those_left_out_have_no_profile_and_no_part_in_the_crowd(data):
    without = build_profiles(data, leave_out=["ann"])
    assert "ann" not in without
    assert len(without) == len(data.users) - 1
    events = data.events.filter(pl.col("user") != list(data.users).index("ann"))
    kept = [user for user in data.users if user != "ann"]
    numbers = {list(data.users).index(user): place for place, user in enumerate(kept)}
    events = events.with_columns(pl.col("user").replace_strict(numbers, return_dtype=pl.UInt32))
    never = replace(data, users=np.array(kept, dtype=object), events=events)
    assert without.traits.equals(build_profiles(never).traits)


def promotions(data, answered):
    sent = [(user, f"k{n}") for user in data.users for n in range(6)]
    campaigns = pl.DataFrame(sent, schema=["user_id", "campaign_id"], orient="row")
    day = pl.from_epoch(pl.Series([MONDAY] * len(answered)), time_unit="s")
    used = pl.DataFrame(
        {
            "user_id": [user for user, _ in answered],
            "campaign_id": [name for _, name in answered],
            "coupon_upc": ["u1"] * len(answered),
            "redemption_date": day,
        }
    )
    coupons = pl.DataFrame({"coupon_upc": ["u1"], "item_id": ["Te0"], "campaign_id": ["k0"]})
    extras = {"campaigns": campaigns, "coupon_redemptions": used, "coupons": coupons}
    return replace(data, extras=extras)


def test_who_redeems_more_than_others_with_the_same_campaigns(data):
    answered = [("ann", f"k{n}") for n in range(6)] * 2 + [("c1", "k0"), ("c2", "k1")]
    profiles = build_profiles(promotions(data, answered))
    (trait,) = profiles["ann"].of("promotion")
    assert trait.value == "redeems coupons"
    assert trait.evidence == (0,)
    assert not profiles["c1"].of("promotion")


def test_who_leaves_what_others_redeem(data):
    answered = [(str(user), f"k{n}") for user in data.users if user != "rich" for n in range(6)]
    profiles = build_profiles(promotions(data, answered))
    (trait,) = profiles["rich"].of("promotion")
    assert trait.value == "leaves coupons"


def test_tables_of_promotions_that_are_not_as_expected_tell_nothing(data):
    odd = replace(
        data,
        extras={
            "campaigns": pl.DataFrame({"x": [1]}),
            "coupon_redemptions": pl.DataFrame({"y": [1]}),
        },
    )
    assert not build_profiles(odd)["ann"].of("promotion")


@pytest.mark.parametrize(
    "wrong",
    [
        {"visits": 1},
        {"lift": 0.5},
        {"chance": 0.0},
        {"smoothing": 0},
        {"evidence": 0},
        {"hours_from_utc": 50},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ProfileConfig(**wrong)
