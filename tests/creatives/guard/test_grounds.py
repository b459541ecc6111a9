"""What an item bears out, said in every way that a text may say it."""

import pytest

from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard.grounds import Grounds, _singulars
from genrec.creatives.lexicon import shipped_lexicon
from genrec.creatives.quantities import quantities
from genrec.data.catalog import Item

BOTTLES = Item(
    "1",
    "Acme Bottle, 1 kg, series 9",
    "A pack of 6 bottles, 3 lids. It is 5 in wide. Size 10. Holds 40 pens. Costs $3 a month.",
    price=15.0,
    attributes={
        "brand": "Acme",
        "list_price": 20.0,
        "pages": 320,
        "width": 3.5,
        "colour": "Teal",
        "model": "Nord",
        "waterproof": True,
    },
)


def grounds_of(item: Item) -> Grounds:
    return Grounds.of(ItemFacts.of(item), shipped_lexicon())


def borne_out(text: str, item: Item = BOTTLES) -> list[bool]:
    found = quantities(text)
    assert found
    return [grounds_of(item).bears(one) for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "1 kg",
        "1000 g",
        "5 in wide",
        "5 in",
        "pack of 6",
        "6 bottles",
        "6 pens",
        "size 10",
        "40 pens",
        "320 pages",
        "pages 320",
        "pages: 320",
        "only 320",
        "320",
        "width 3.5",
        "series 9",
        "only 9",
        "pack of 9",
        "$15",
        "$20",
        "$3",
        "save $5",
        "25% off",
    ],
)
def test_what_the_item_says_is_borne_out_however_it_is_put(text):
    assert borne_out(text) == [True]


@pytest.mark.parametrize(
    "text",
    [
        "2 kg",
        "5 in long",
        "pack of 5",
        "pack of 40",
        "7 bottles",
        "6 kettles",
        "3 bottles",
        "size 11",
        "shoe 10",
        "series 10",
        "40 pans",
        "41 pens",
        "320 pens",
        "321 pages",
        "page 40",
        "40",
        "only 40",
        "8",
        "3.5 wide",
        "$14",
        "24% off",
        "20%",
        "9%",
        "9 volts",
    ],
)
def test_what_it_does_not_say_is_not(text):
    assert borne_out(text) == [False]


@pytest.mark.parametrize(
    ("title", "text", "borne"),
    [
        ("Carrots, 4-3 oz", "3 oz", [True]),
        ("Carrots, 4-3 oz", "4 oz", [False]),
        ("Carrots, 4-3 oz", "4-3 oz", [True, True]),
        ("Ham, 6 to 8 lb", "6 lb", [False]),
        ("Ham, 6 to 8 lb", "6 lb or more", [False]),
        ("Ham, 6 to 8 lb", "between 6 and 8 lb", [True, True]),
        ("Ham, 6 to 8 lb", "6-9 lb", [True, False]),
        ("Juice, 6 - 10 fl oz; small 6 fl oz", "6 fl oz", [True]),
        ("Cups, 6 and 8 oz", "6 oz", [True]),
        ("Rod, 10-12 ft", "10 ft", [True]),
        ("Bread, 4 x 3 oz", "4 oz", [False]),
        ("Game, ages 3-8 years", "3 years", [True]),
    ],
)
def test_a_number_of_packs_or_a_least_weight_bears_out_nothing_alone(title, text, borne):
    assert borne_out(text, Item("1", title)) == borne


@pytest.mark.parametrize("text", ["save $12", "save $17", "80% off", "85% off"])
def test_money_that_a_description_speaks_of_makes_no_saving(text):
    assert borne_out(text) == [False]


def test_saved_is_what_lies_between_two_prices_of_one_currency_rounded_down():
    chair = Item("1", "Chair", price=20.0, attributes={"list_price": 70.0})
    assert borne_out("save $50", chair) == [True]
    assert borne_out("save $10", chair) == [False]
    assert borne_out("71% off", chair) == [True]
    assert borne_out("72% off", chair) == [False]
    assert borne_out("save €50", chair) == [False]
    # Of one price nothing is saved.
    alone = Item("1", "Chair", price=20.0)
    assert borne_out("$20", alone) == [True]
    assert borne_out("0% off", alone) == [False]
    assert borne_out("save $0", alone) == [False]


def test_its_parts_are_what_they_are_named():
    grounds = grounds_of(BOTTLES)
    assert grounds.own == ("acme bottle, 1 kg, series 9", "acme", "nord")
    assert grounds.title_counts == {"9"}
    assert grounds.amounts == {
        ("mass", "1000"): {""},
        ("pack", "6"): {""},
        ("length", "127"): {"width"},
    }
    assert {("320", "pages"), ("7/2", "width"), ("40", "pens"), ("3", "lids")} <= grounds.nouns
    assert {("320", "pages"), ("7/2", "width"), ("10", "size"), ("9", "series")} <= grounds.leads
    assert grounds.prices == {
        ("USD", "15"),
        ("USD", "20"),
        ("USD", "3"),
        ("USD", "5"),
        ("share", "25"),
    }
    assert ("colour", "teal", False) in grounds.claims
    assert {"acme", "bottles", "waterproof", "month"} <= grounds.words
    assert "costs $3 a month" in grounds.text


def test_a_singular_names_no_colour_of_letters_too_few_to_be_a_word():
    assert _singulars("peaches as it is: plums, roses, gas, tie") == (
        "peach. peache. plum. ros. rose"
    )


def test_numbers_and_numbers_of_a_unit_are_kept_apart():
    shelf = Item("1", "Shelf", "4 boards, 30 cm", attributes={"holes": 8, "weight": "2 kg"})
    grounds = grounds_of(shelf)
    assert ("30", "") not in grounds.nouns
    assert ("4", "boards") in grounds.nouns
    assert ("8", "holes") in grounds.nouns
    assert borne_out("30 boards", shelf) == [False]
    assert borne_out("8 holes and 4 boards of 300 mm", shelf) == [True, True, True]
