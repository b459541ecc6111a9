import pytest

from genrec.data.sources.grocery_names import category_name, product_name, size_name


@pytest.mark.parametrize(
    ("category", "kind", "name"),
    [
        ("CHEESE", "SHREDDED CHEESE", "Shredded cheese"),
        ("TROPICAL FRUIT", "BANANAS", "Bananas"),
        ("BEEF", "LEAN", "Beef, lean"),
        ("BREAD", "BREAD:ITALIAN/FRENCH", "Bread: Italian/French"),
        ("SOFT DRINKS", "SFT DRNK 2 LITER BTL CARB INCL", "Soft drink, 2 liter bottle"),
        ("DOG FOODS", "CAN DOGFD GOURMET/SUPER PREM (", "Canned dog food gourmet/super premium"),
        ("CIGARETTES", "CIGARETTES", "Cigarettes"),
        ("SALAD BAR", None, "Salad bar"),
    ],
)
def test_products_are_called_what_a_shopper_would_call_them(category, kind, name):
    assert product_name(category, kind) == name


def test_categories_lose_their_abbreviations():
    assert category_name("FRZN MEAT/MEAT DINNERS") == "Frozen meat/meat dinners"
    assert category_name("PNT BTR/JELLY/JAMS") == "Peanut butter/jelly/jams"
    assert category_name(None) is None


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ("8 OZ", "8 oz"),
        ("14.0 OZ", "14 oz"),
        ("8/5.3 OZ", "8 x 5.3 oz"),
        ("6 PK/9 OZ", "6 x 9 oz"),
        ("20 OZ PET", "20 oz"),
        ("(600) 4 LB", "4 lb"),
        ("18206360 CT", None),
        (None, None),
        ("ASST", None),
    ],
)
def test_sizes_are_readable(raw, size):
    assert size_name(raw) == size


def test_the_growers_crate_is_not_the_size_of_a_fruit():
    assert size_name("40 LB", "PRODUCE") is None and size_name("40 LB", "GROCERY") == "40 lb"
    assert size_name("5 LB", "PRODUCE") == "5 lb"
