"""The rules and the traits on real baskets."""

import re

import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.profiles.build import build_profiles
from genrec.profiles.sensitive import SensitiveRules

pytestmark = pytest.mark.slow

CLOSED = {
    *("Adult incontinence", "Analgesics", "Antacids", "Baby foods", "Baby health and beauty"),
    *("Babyfood", "Beers/ales", "Cigarettes", "Cigars", "Cold and flu", "Diapers and disposables"),
    *("Dietary aid products", "Domestic wine", "Easter", "Ethnic personal care", "Family planning"),
    *("Feminine hygiene", "First aid products", "Foot care products", "Hispanic", "Liquor"),
    *("Home health care", "Imported wine", "Infant care products", "Infant formula", "Laxatives"),
    *("Natural vitamins", "Newspaper", "Other wine", "Pharmacy", "Restricted diet", "Vitamins"),
    *("Sinus and allergy", "Smoking cessations", "Tobacco other", "Toys", "Toys and games"),
}
WORDS = re.compile(
    r"\b(baby|babies|infant|diaper|kids?|child|toys?|pregnan|condom|feminine|pharmac|rx|vitamin|"
    r"cigar|tobacco|beers?|wines?|liquor|kosher|easter|christmas|hispanic|ethnic|laxative|analgesic)",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def dataset():
    return Dataset.load("complete_journey")


@pytest.fixture(scope="module")
def profiles(dataset):
    return build_profiles(dataset)


def test_no_item_of_a_sensitive_category_may_be_used(dataset):
    table = dataset.catalog.table
    topics = SensitiveRules.load("sensitive").topics_of(dataset.catalog)
    out = pl.Series([any(found) for found in zip(*topics.values(), strict=True)])
    assert set(table["category"].drop_nulls()) >= CLOSED
    assert not set(table.filter(~out)["category"].drop_nulls()) & CLOSED
    assert 0.05 < out.mean() < 0.25


def test_no_trait_and_no_sentence_says_anything_sensitive(profiles):
    values = profiles.traits.select(pl.concat_str("kind", "name", "value", separator=" ").unique())
    # Phrases that the rules spare on purpose.
    spared = re.compile(
        r"baby (back|carrot|spinach|lima|corn|bella)|cat toys|root beer|vinegar|kidney",
        re.IGNORECASE,
    )
    said = [one for one in values.to_series() if WORDS.search(one) and not spared.search(one)]
    assert values.height > 5000
    assert not said


def test_no_evidence_is_an_event_that_is_left_out(dataset, profiles):
    topics = SensitiveRules.load("sensitive").topics_of(dataset.catalog)
    out = pl.Series([any(found) for found in zip(*topics.values(), strict=True)]).to_numpy()
    sequences = dataset.sequences
    shown = profiles.traits.select("user", "evidence").explode("evidence").drop_nulls()
    rows = sequences.offsets[shown["user"].to_numpy()] + shown["evidence"].to_numpy()
    assert len(rows) > 100_000
    assert not out[sequences.items[rows]].any()


def test_every_trait_but_an_unused_coupon_has_evidence(profiles):
    bare = profiles.traits.filter(pl.col("events") == 0)
    assert set(bare["value"]) <= {"leaves coupons"}
    assert profiles.traits.height > 20_000


def test_a_household_reads_as_it_should(profiles):
    texts = [one.text for one in profiles["1001"]]
    assert texts[0] == (
        "Often buys Pizza/single serve/microwave (type): on 28 of 46 visits; "
        "0.3 is usual with such baskets."
    )
