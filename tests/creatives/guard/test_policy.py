import pytest

from genrec.creatives.guard import Policy
from genrec.errors import ConfigError, InputError


def written(folder, text, name="mine"):
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", Policy.names())
def test_every_shipped_policy_loads_and_forbids(name):
    policy = Policy.load(name)
    assert len(policy.forbidden) >= 5
    assert all(rule.why for rule in policy.forbidden)
    assert len(policy.version) == 12


def test_there_are_a_general_policy_and_stricter_ones():
    assert {"general", "food", "cosmetics", "finance"} <= set(Policy.names())
    general = Policy.load("general")
    for name in ("food", "cosmetics", "finance"):
        assert set(general.forbidden) < set(Policy.load(name).forbidden)


def test_the_version_follows_what_is_said_and_not_the_name(tmp_path):
    body = "forbidden: [{id: a, phrases: [magic]}]\n"
    one = Policy.load(written(tmp_path, body))
    same = Policy.load(written(tmp_path, "market: UK\n" + body, "other"))
    more = Policy.load(written(tmp_path, body.replace("magic", "magical"), "third"))
    assert one.version == same.version != more.version


def test_unknown_keys_are_refused_with_the_nearest_name_all_at_once(tmp_path):
    text = "forbiden: []\nmust_sey: {}\nforbidden: [{id: a, phrase: [x], phrases: [y]}]\n"
    with pytest.raises(InputError) as refused:
        Policy.load(written(tmp_path, text))
    said = str(refused.value)
    assert "'forbiden'; did you mean 'forbidden'?" in said
    assert "'must_sey'; did you mean 'must_say'?" in said
    assert "'phrase'; did you mean 'phrases'?" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("must_say: {any: It c.u.r.e.s!}\nforbidden: [{id: h, phrases: [cures]}]", "must_say.any"),
        ("disclosures: [{say: No risk.}]\nextends: [general]", "disclosures asks for 'No risk.'"),
        ("must_say: {push: Terms apply.}\nlength: {push: 5}", "needs 12 characters"),
    ],
)
def test_contradictions_are_refused(tmp_path, text, said):
    with pytest.raises(InputError, match="contradicts itself") as refused:
        Policy.load(written(tmp_path, text))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "keys and values"),
        ("a: [", "not YAML"),
        ("length: {push: many}", "whole number"),
        ("pii: perhaps", "true or false"),
        ("check_claims: [colur]", "did you mean 'colour'"),
        ("forbidden: [{id: a}]", "needs an id and phrases"),
        ("forbidden: [{id: a, phrases: ['...']}]", "has no letters"),
    ],
)
def test_what_is_no_policy_is_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        Policy.load(written(tmp_path, text))


def test_policies_may_not_extend_in_a_ring(tmp_path):
    written(tmp_path, "extends: [b]", "a")
    written(tmp_path, "extends: [a]", "b")
    with pytest.raises(InputError, match="ring: a -> b -> a"):
        Policy.load(tmp_path / "a.yaml")


def test_a_name_that_is_not_shipped_is_met_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'cosmetics'"):
        Policy.load("cosmetic")


def test_lines_of_a_channel_come_with_those_of_all(tmp_path):
    text = "must_say: {any: Ad., push: Stop with X.}\nlength: {any: 100, push: 60}"
    policy = Policy.load(written(tmp_path, text))
    assert policy.must_say() == ("Ad.",)
    assert policy.must_say("push") == ("Ad.", "Stop with X.")
    assert (policy.longest("email"), policy.longest("push")) == (100, 60)


def test_every_wrong_entry_is_told_by_its_place(tmp_path):
    text = "forbidden: [3, {idd: a, id: b, phrases: [x]}, {id: c, phrases: [y], wy: z}, no]"
    with pytest.raises(InputError) as refused:
        Policy.load(written(tmp_path, text))
    assert refused.value.problems == [
        "forbidden[1] must hold keys and values, not 3",
        "forbidden[2]: unknown key 'idd'; did you mean 'id'?",
        "forbidden[3]: unknown key 'wy'; did you mean 'why'?",
        "forbidden[4] must hold keys and values, not False",
    ]


def test_values_that_are_no_dates_or_too_deep_are_no_yaml(tmp_path):
    for text in ("market: 2024-13-45", "a: " + "[" * 3000):
        with pytest.raises(InputError, match="is not YAML"):
            Policy.load(written(tmp_path, text))


def test_a_policy_keeps_its_own_single_values_and_adds_up_its_rules(tmp_path):
    written(
        tmp_path,
        "pii: false\nprofanity: [german]\nlength: {push: 9, any: 50}\n"
        "allowed: [a b]\nforbidden: [{id: a, phrases: [x1]}]",
        "base",
    )
    own = Policy.load(
        written(
            tmp_path,
            "extends: [base]\nlength: {push: 7}\nallowed: [c d]\n"
            "forbidden: [{id: b, phrases: [y1]}]",
        )
    )
    assert (own.pii, own.profanity) == (False, ("german",))
    assert own.length == {"push": 7, "any": 50}
    assert own.allowed == ("a b", "c d")
    assert [rule.id for rule in own.forbidden] == ["b", "a"]
    over = Policy.load(
        written(tmp_path, "extends: [base]\npii: true\nprofanity: [english]", "over")
    )
    assert (over.pii, over.profanity) == (True, ("english",))


def test_lines_must_fit_their_length_to_the_last_character(tmp_path):
    text = "must_say: {{ads: [Ad., Terms apply.]}}\nlength: {{ads: {most}}}"
    assert Policy.load(written(tmp_path, text.format(most=16))).longest("ads") == 16
    with pytest.raises(InputError, match="needs 16 characters, and length allows 15"):
        Policy.load(written(tmp_path, text.format(most=15)))
    with pytest.raises(InputError, match="at least 1"):
        Policy.load(written(tmp_path, "length: {push: 0}"))
    assert Policy.load(written(tmp_path, "length: {push: 1}")).longest("push") == 1


def test_an_allowed_phrase_excuses_only_what_lies_within_it(tmp_path):
    from genrec.creatives.facts import ItemFacts
    from genrec.creatives.guard import Guard
    from genrec.data.catalog import Item

    text = """
forbidden: [{id: risk, phrases: [risk free, no risk]}]
allowed: [risk free trial, nearly risk free]
check_claims: []
"""
    guard = Guard(Policy.load(written(tmp_path, text)))
    thing = ItemFacts.of(Item("1", "Thing"))

    def refused(said):
        return [one.said for one in guard.check(said, thing).findings if one.kind == "forbidden"]

    assert refused("a risk free trial") == []
    assert refused("a nearly risk free thing") == []
    assert refused("a risk free thing") == ["risk free"]
    assert refused("no risk free trial") == ["no risk"]
    assert refused("a risk free trial and risk free") == ["risk free"]
