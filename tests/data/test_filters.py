"""Filters against a plain row-by-row reading of the same conditions."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data.catalog import Catalog
from genrec.data.filter_language import ItemFilter
from genrec.data.filters import FilterCompiler
from genrec.errors import InputError

ROWS = [
    # id, brand, price, stock, stars, tags, since
    ("a", "Alpine", 2.0, True, 5, ["red", "wool"], date(2026, 1, 1)),
    ("b", "Nordic", 10.0, False, 3, ["blue"], date(2026, 3, 1)),
    ("c", None, None, True, None, [], None),
    ("d", "Alpine", 7.5, None, 4, None, date(2025, 12, 31)),
    ("e", "", 10.0, True, 1, ["red", None], date(2026, 3, 1)),
]


def shop() -> Catalog:
    names = ["item_id", "brand", "price", "in_stock", "stars", "tags", "since"]
    table = pl.DataFrame(ROWS, schema=names, orient="row")
    return Catalog(table.with_columns(pl.format("The {} thing", "item_id").alias("title")))


def ids(where) -> str:
    allowed = FilterCompiler(shop()).compile(where).allowed
    return "abcde" if allowed is None else "".join(np.array(list("abcde"))[allowed])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, "abcde"),
        ({}, "abcde"),
        ({"brand": "Alpine"}, "ad"),
        ({"brand": ["Alpine", "Nordic"]}, "abd"),
        ({"brand": {"is": "Nordic"}}, "b"),
        ({"brand": {"in": []}}, ""),
        ({"brand": {"not": "Alpine"}}, "bce"),
        ({"brand": {"not": ["Alpine", "Nordic"]}}, "ce"),
        ({"brand": {"known": False}}, "c"),
        ({"brand": {"contains": "DIC"}}, "b"),
        ({"title": {"contains": "the d"}}, "d"),
        ({"price": {"max": 7.5}}, "ad"),
        ({"price": {"min": 7.5}}, "bde"),
        ({"price": {"above": 7.5}}, "be"),
        ({"price": {"below": 7.5}}, "a"),
        ({"price": {"min": 3, "max": 8}}, "d"),
        ({"price": 10}, "be"),
        ({"stars": [1, 3]}, "be"),
        ({"in_stock": True}, "ace"),
        ({"in_stock": {"not": True}}, "bd"),
        ({"tags": "red"}, "ae"),
        ({"tags": ["blue", "wool"]}, "ab"),
        ({"tags": {"not": "red"}}, "bcd"),
        ({"tags": {"contains": "ue"}}, "b"),
        ({"tags": {"known": True}}, "abe"),
        ({"since": {"min": "2026-03-01"}}, "be"),
        ({"since": {"below": "2026-01-01T00:00:00"}}, "d"),
        ({"since": "2026-01-01"}, "a"),
        ({"all": [{"brand": "Alpine"}, {"price": {"max": 5}}]}, "a"),
        ({"any": [{"brand": "Nordic"}, {"price": {"max": 5}}]}, "ab"),
        ({"any": []}, ""),
        ({"any": [{}, {"brand": "Nordic"}]}, "abcde"),
        ({"not": {"brand": "Alpine"}}, "bce"),
        ({"not": {}}, ""),
        ({"not": {"any": [{"brand": "Nordic"}, {"stars": {"min": 4}}]}}, "ce"),
        ({"allow": ["e", "a"]}, "ae"),
        ({"allow": []}, ""),
        ({"deny": ["a", "gone"]}, "bcde"),
        ({"allow": ["a", "b"], "deny": ["b"], "in_stock": True}, "a"),
        ({"attributes": {"brand": "Nordic"}}, "b"),
    ],
)
def test_each_word_of_the_language(where, expected):
    assert ids(where) == expected
    assert ids(json.loads(json.dumps(where))) == expected


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"brnad": "Alpine"}, "no attribute 'brnad'; did you mean 'brand'"),
        ({"price": "cheap"}, "price: 'cheap' is not of the kind that it holds (numbers)"),
        ({"price": {"min": "2"}}, "price.min: '2' is not a number"),
        ({"price": {"min": float("nan")}}, "price.min: nan is not a number"),
        ({"price": 10**400}, "is not of the kind that it holds (numbers)"),
        ({"price": {"max": 10**400}}, "is not a number"),
        ({"price": float("inf")}, "price: inf is not of the kind"),
        ({"brand": {"min": 2}}, "brand.min: it holds text, which have no order"),
        ({"brand": {"like": "A%"}}, "brand.like"),
        ({"brand": {}}, "brand: an empty condition"),
        ({"in_stock": "yes"}, "in_stock: 'yes' is not of the kind"),
        ({"in_stock": 1}, "in_stock: 1 is not of the kind"),
        ({"stars": True}, "stars: True is not of the kind"),
        ({"since": {"min": "yesterday"}}, "since.min: 'yesterday' is not an ISO date"),
        ({"price": {"contains": "1"}}, "price.contains: price holds numbers, not text"),
        ({"allow": ["nope"]}, "allow: the catalogue has no item 'nope'"),
        ({"at_most": {"brand": 0}}, "at_most.brand: 0 is below 1"),
        ({"at_most": {"tags": 1}}, "at_most.tags: it holds lists of text"),
        ({"at_most": {"colour": 1}}, "no attribute 'colour'"),
        ({"any": [{"seen": False}]}, "any.0.: 'seen' and 'at_most' belong to the top level"),
        ({"seen": "no"}, "seen"),
        ({"item_id": "a"}, "no attribute 'item_id'"),
        ({"all": {"brand": "x"}}, "all"),
        ([], "filter"),
    ],
)
def test_what_is_wrong_is_said(where, said):
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile(where)
    assert said in str(caught.value)


def test_all_problems_of_a_filter_come_at_once():
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile({"price": "x", "colour": 1, "any": [{"brand": 3}]})
    assert len(caught.value.problems) == 3


def test_names_are_looked_at_although_the_shape_is_wrong():
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile({"brnd": "Alpine", "price": {"mn": 3}, "deny": 5})
    text = str(caught.value)
    assert "price.mn: no word 'mn'; did you mean 'min'?" in text
    assert "brnd: the catalogue has no attribute 'brnd'; did you mean 'brand'?" in text
    assert "deny: " in text
    assert len(caught.value.problems) == 3


def test_names_in_inner_parts_are_looked_at_too():
    where = {
        "any": [{"brnd": "Alpine"}, {"not": {"colour": 1, "price": 2}}],
        "all": {"brand": "x"},
        "attributes": {"shade": 1, "brand": "Alpine"},
        "at_most": {"maker": 2, "brand": 1},
    }
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile(where)
    places = [problem.partition(":")[0] for problem in caught.value.problems]
    assert places == ["all", "any.0.brnd", "any.1.not.colour", "shade", "at_most.maker"]


@pytest.mark.parametrize("where", [{"brand": "\ud800"}, {"deny": ["a\udfff"]}])
def test_text_that_is_not_unicode_is_refused(where):
    with pytest.raises(InputError, match="not Unicode .*surrogates not allowed"):
        FilterCompiler(shop()).compile(where)


def test_a_bottomless_filter_is_refused():
    where: dict = {}
    for _ in range(5000):
        where = {"not": where}
    with pytest.raises(InputError, match="nested"):
        FilterCompiler(shop()).compile(where)


def test_values_that_no_item_has_allow_nothing_and_are_named():
    compiled = FilterCompiler(shop()).compile({"brand": "Alpin"})
    assert not compiled.allowed.any()
    assert compiled.doubts == ("no item has brand 'Alpin'; did you mean 'Alpine'?",)


@pytest.mark.parametrize(
    ("where", "doubts"),
    [
        ({"price": {"min": 5, "max": 3}}, ['no item satisfies price {"min":5,"max":3}']),
        ({"brand": {"in": []}}, ['no item satisfies brand {"in":[]}']),
        (
            {"title": {"contains": "x" * 200}},
            [f'no item satisfies title {{"contains":"{"x" * 107}'],
        ),
        ({"brand": ["y" * 200]}, [f"no item has brand '{'y' * 119}"]),
        ({"not": {}}, ["not shuts out every item"]),
        (
            {"not": {"any": [{"stars": {"known": True}}, {"stars": {"known": False}}]}},
            ["not shuts out every item"],
        ),
        ({"deny": list("abcde")}, ["deny names every item"]),
        (
            {"any": [{"brand": "Alpin"}, {"stars": 9}]},
            [
                "no item has any.0.brand 'Alpin'; did you mean 'Alpine'?",
                "no item has any.1.stars 9",
            ],
        ),
        (
            {"all": [{"brand": "Alpine", "stars": 1}]},
            ["all.0: each condition allows some items, all together none"],
        ),
        ({"allow": []}, ["allow is an empty list, which allows nothing"]),
        ({"any": []}, ["any is an empty list, which allows nothing"]),
        ({"brand": "Alpine", "stars": 1}, ["each condition allows some items, all together none"]),
        (
            {"brand": "Alpin", "price": {"min": 99}},
            [
                "no item has brand 'Alpin'; did you mean 'Alpine'?",
                'no item satisfies price {"min":99}',
            ],
        ),
    ],
)
def test_what_allows_nothing_is_told_by_its_part(where, doubts):
    compiled = FilterCompiler(shop()).compile(where)
    assert not compiled.allowed.any()
    assert list(compiled.doubts) == doubts


@pytest.mark.parametrize(
    "harmless",
    [
        {"not": {"price": {"min": 1e9}}},
        {"not": {"any": []}},
        {"not": {"allow": []}},
        {"any": [{"price": {"min": 1e9}}, {"brand": "Alpine"}]},
        {"any": [{"price": {"min": 1e9}}, {}]},
        {"price": {"not": 1e9}},
        {"tags": ["red", "blu"]},
    ],
)
def test_what_shuts_nothing_out_is_not_blamed(harmless):
    compiler = FilterCompiler(shop())
    assert compiler.compile(harmless).doubts == ()
    where = {"brand": "Alpine", "stars": 1} | harmless
    doubts = compiler.compile(where).doubts
    assert doubts == ("each condition allows some items, all together none",)


def test_reasons_are_few():
    many = {"any": [{"price": {"min": 1e9 + number}} for number in range(500)]}
    assert len(FilterCompiler(shop()).compile(many).doubts) == 20


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ({"at_most": 3}, 'at_most: give an object, such as {"brand": 2}'),
        ({"attributes": 3}, 'attributes: give an object, such as {"any": 3}'),
        ({"not": 3}, 'not: give an object, such as {"price": {"max": 10}}'),
        (
            {"price": None},
            'price: null is no value; items without one are found by {"known": false}',
        ),
    ],
)
def test_what_a_wrong_part_should_look_like(where, problem):
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile(where)
    assert caught.value.problems == [problem]


def test_equal_filters_are_compiled_once_and_the_oldest_is_forgotten():
    compiler = FilterCompiler(shop(), keep=2)
    first = compiler.compile({"brand": "Alpine"})
    assert compiler.compile(ItemFilter.parse({"brand": "Alpine"})) is first
    compiler.compile({"stars": 1})
    compiler.compile({"stars": 3})
    assert compiler.compile({"brand": "Alpine"}) is not first


PLAIN = {"brand": ["Alpine"], "price": {"max": 5}, "since": {"min": "2026-01-01"}}


def test_few_conditions_come_at_once_when_their_attributes_have_been_read():
    compiler = FilterCompiler(shop())
    assert compiler.at_once(None)
    assert compiler.at_once(ItemFilter())
    assert not compiler.at_once(ItemFilter.parse(PLAIN))
    compiler.compile(PLAIN)
    assert compiler.at_once(ItemFilter.parse(PLAIN))
    assert compiler.at_once(ItemFilter.parse({"brand": {"not": "Nordic"}, "seen": False}))


@pytest.mark.parametrize(
    "where",
    [
        {"brand": {"contains": "Alp"}},
        {"brand": "Alpin"},
        {"brand": {"not": ["Alpine", 5]}},
        {"brand": ["Alpine"] * 65},
        {"price": {"max": "9" * 65}},
        {"price": {"max": 5, "in": [2, float("inf")]}},
        {"tags": "vegan"},
        {"deny": ["a"]},
        {"allow": ["a"]},
        {"all": [{"brand": "Alpine"}]},
        {"any": [{"brand": "Alpine"}]},
        {"not": {"brand": "Alpine"}},
        {"at_most": {"brand": 2}},
        {"colour": "red"},
        {name: {"known": True} for name in "abcdefghi"},
    ],
)
def test_a_filter_that_may_take_longer_does_not_come_at_once(where):
    compiler = FilterCompiler(shop())
    compiler.compile({**PLAIN, "tags": "vegan", "title": {"contains": "x"}})
    assert not compiler.at_once(ItemFilter.parse(where))


def test_a_column_of_which_no_value_was_asked_yet_does_not_come_at_once():
    compiler = FilterCompiler(shop())
    compiler.compile({"brand": {"known": True}})
    assert not compiler.at_once(ItemFilter.parse({"brand": "Alpine"}))
    compiler.compile({"brand": "Alpine"})
    assert compiler.at_once(ItemFilter.parse({"brand": "Alpine"}))


def test_values_times_items_are_bounded(monkeypatch):
    monkeypatch.setattr("genrec.data.filters._FEW_PLACES", 14)
    compiler = FilterCompiler(shop())
    compiler.compile({"price": 2, "brand": "Alpine"})
    assert compiler.at_once(ItemFilter.parse({"price": 10, "brand": "Alpine"}))
    assert not compiler.at_once(ItemFilter.parse({"price": [10, 7.5], "brand": "Alpine"}))


def test_a_filter_over_many_items_does_not_come_at_once(monkeypatch):
    monkeypatch.setattr("genrec.data.filters._FEW_ITEMS", 4)
    compiler = FilterCompiler(shop())
    compiler.compile({"brand": "Alpine"})
    assert not compiler.at_once(ItemFilter.parse({"brand": "Alpine"}))
    assert compiler.at_once(None)


def test_a_wrong_word_in_an_inner_condition_is_the_only_problem():
    with pytest.raises(InputError) as caught:
        ItemFilter.parse({"any": [{"x": 1}, {"price": {"mx": 2}}], "not": {"price": {"mn": 1}}})
    assert caught.value.problems == [
        "any.1.price.mx: no word 'mx'; did you mean 'max'?",
        "not.price.mn: no word 'mn'; did you mean 'min'?",
    ]


def test_of_thousands_of_problems_the_first_are_told():
    with pytest.raises(InputError, match=r"The filter has 1[0-9],[0-9]{3} problems") as caught:
        ItemFilter.parse({"price": [2, *[None] * 3500]})
    assert len(caught.value.problems) == 19
    assert caught.value.problems[0] == "price.1: give a word, a number, true or false"
    with pytest.raises(InputError, match="problems") as caught:
        ItemFilter.parse({"price": [2] * 50 + [None] * 3500})
    assert caught.value.problems == []


def test_hints_are_given_for_the_first_names_alone():
    with pytest.raises(InputError) as caught:
        FilterCompiler(shop()).compile({f"bran{n:02}": 1 for n in range(30)})
    assert sum("did you mean 'brand'?" in one for one in caught.value.problems) == 10
    assert len(caught.value.problems) == 30


def test_a_value_as_long_as_a_page_is_compared_with_none():
    titles = [f"{n} nearly a word " + "or two " * 500 for n in range(3000)]
    compiler = FilterCompiler(
        Catalog(pl.DataFrame({"item_id": [f"p{n}" for n in range(3000)], "title": titles}))
    )
    for value in ("w" * 50_000, "nearly a word"):
        doubts = compiler.compile({"title": value}).doubts
        assert doubts == (f"no item has title {repr(value)[:120]}",)


def test_a_compiled_filter_is_taken_by_its_own_catalogue_alone():
    compiler = FilterCompiler(shop())
    compiled = compiler.compile({"brand": "Alpine"})
    assert FilterCompiler(compiler.catalog).compile(compiled) is compiled
    with pytest.raises(InputError, match="compiled for a catalogue of"):
        FilterCompiler(shop()).compile(compiled)


def test_an_attribute_called_like_a_word_is_reached():
    table = pl.DataFrame({"item_id": ["x", "y"], "title": ["x", "y"], "seen": ["often", "never"]})
    compiled = FilterCompiler(Catalog(table)).compile({"attributes": {"seen": "never"}})
    assert compiled.allowed.tolist() == [False, True]


values = st.sampled_from(["Alpine", "Nordic", "", "other"])
leaf = st.one_of(
    st.builds(lambda v: ({"brand": v}, lambda r: r[1] == v), values),
    st.builds(lambda v: ({"brand": {"not": v}}, lambda r: r[1] != v), values),
    st.builds(
        lambda v: ({"price": {"max": v}}, lambda r: r[2] is not None and r[2] <= v),
        st.integers(0, 12),
    ),
    st.builds(lambda v: ({"in_stock": v}, lambda r: r[3] is v), st.booleans()),
    st.builds(
        lambda v: ({"tags": v}, lambda r: v in (r[5] or [])), st.sampled_from(["red", "blue"])
    ),
)
trees = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(
            lambda many: ({"all": [m[0] for m in many]}, lambda r: all(m[1](r) for m in many))
        ),
        st.lists(inner, max_size=3).map(
            lambda many: ({"any": [m[0] for m in many]}, lambda r: any(m[1](r) for m in many))
        ),
        inner.map(lambda one: ({"not": one[0]}, lambda r: not one[1](r))),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(trees)
def test_any_nesting_means_what_it_says(tree):
    where, holds = tree
    assert ids(where) == "".join(row[0] for row in ROWS if holds(row))
