from genrec.creatives.lexicon import Lexicon, shipped_lexicon, shipped_terms


def keys(text, **options):
    return [mention.key for mention in shipped_lexicon().mentions(text, **options)]


def test_the_longest_term_is_taken():
    assert keys("stainless steel cup") == [("material", "stainless steel", False)]
    assert ("material", "steel", False) in keys("stainless steel cup", nested=True)


def test_spellings_have_one_name():
    assert keys("gray") == keys("grey") == [("colour", "grey", False)]


def test_denials_are_seen_and_end_with_the_sentence():
    assert keys("not made of leather") == [("material", "leather", True)]
    assert keys("latex free gloves")[0] == ("certificate", "latex free", False)
    assert keys("why not. leather!") == [("material", "leather", False)]


def test_forms_need_no_list():
    assert ("certificate", "tuv certified", False) in keys("tuv certified")
    assert ("certificate", "zirk free", False) in keys("zirk-free")
    assert keys("the sturdiest one") == [("superlative", "sturdiest", False)]
    assert keys("feel free to test the forest") == []


def test_every_list_is_there_and_no_spelling_stands_twice():
    terms = shipped_terms()
    assert {kind: len(names) > 50 for kind, names in terms.items()} == dict.fromkeys(terms, True)
    for names in terms.values():
        spellings = [spelling for spelled in names.values() for spelling in spelled]
        assert len(spellings) == len(set(spellings))


def test_a_lexicon_of_ones_own_terms():
    lexicon = Lexicon({"name": {"acme": ("acme", "acme corp")}})
    (mention,) = lexicon.mentions("by acme corp today")
    assert (mention.name, mention.start, mention.end) == ("acme", 3, 12)
