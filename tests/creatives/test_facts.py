import pytest

from genrec.creatives.facts import Fact, ItemFacts, sentences
from genrec.data.catalog import Item
from genrec.errors import InputError


def facts_of(title, text="", price=None, **attributes):
    return ItemFacts.of(Item("1", title, text, price=price, attributes=attributes))


def test_attributes_become_facts_of_their_kind():
    facts = facts_of("Mug", price=9.5, brand="Acme", colour="red", dishwasher_safe=True, pieces=4)
    kinds = {fact.name: (fact.kind, fact.text) for fact in facts.facts}
    assert kinds["brand"] == ("name", "Acme")
    assert kinds["colour"] == ("colour", "red")
    assert kinds["price"] == ("price", "$9.50")
    assert kinds["dishwasher_safe"] == ("boolean", "dishwasher safe")
    assert kinds["pieces"] == ("number", "4")


def test_amounts_colours_and_materials_are_read_from_the_words():
    facts = facts_of("Steel Bottle, 12 oz, Blue", "5 in wide. BPA-free.")
    assert [(f.value, f.unit) for f in facts.named("mass")] == [(12, "oz")]
    assert [(f.value, f.unit) for f in facts.named("width")] == [(5, "in")]
    assert [f.value for f in facts.of_kind("material")] == ["steel"]
    assert [f.value for f in facts.of_kind("colour")] == ["blue"]
    assert "bpa free" in [f.value for f in facts.of_kind("certificate")]


def test_what_is_denied_is_no_fact():
    assert facts_of("Bag", "It is not made of leather.").of_kind("material") == ()


def test_an_item_without_anything_has_its_title_alone():
    facts = facts_of("Thing")
    assert [(fact.name, fact.text) for fact in facts.facts] == [("title", "Thing")]
    assert facts.named("brand") == ()


def test_the_currency_of_the_shop_is_that_of_its_prices():
    facts = ItemFacts.of(Item("1", "Mug", price=2.0), currency="EUR")
    assert facts.named("price")[0].text == "€2.00"


def test_an_unknown_kind_of_fact_is_refused():
    with pytest.raises(InputError, match="kinds: name"):
        Fact("x", 1, "1", "colur")


def test_a_description_is_cut_into_its_sentences():
    assert sentences("One cup. Two cups! 3.5 oz each.") == ["One cup.", "Two cups!", "3.5 oz each."]
