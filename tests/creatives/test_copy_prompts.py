"""What models read, letter by letter. ``GENREC_GOLDEN=write pytest …`` writes the files anew."""

import os
from pathlib import Path

import pytest

from genrec.creatives.channels import channel_named
from genrec.creatives.descriptions import told_facts
from genrec.creatives.facts import ItemFacts
from genrec.creatives.worked_example import INVENTED
from genrec.prompting import PromptLibrary
from tests.creatives.small_copy import ITEM

GOLDEN = Path(__file__).parents[1] / "golden" / "copy"
FACTS = told_facts(ItemFacts.of(ITEM))
FIELDS = [(one.name, one.most) for one in channel_named("push").fields]
MUG = INVENTED[0]
CASES = {
    "describe_item": {"facts": FACTS},
    "choose_words": {"item": ITEM.title, "place": "body", "channel": "push", "voice": "plain"},
    "write_free": {
        "about": channel_named("push").about,
        "facts": FACTS,
        "fields": FIELDS,
        "language": "German",
        "never": ["cheap"],
        "shopper": ["You often buy biscuits."],
        "tone": "warm",
        "voice": "dry, never loud",
    },
    "example_free": {**MUG.said, "product": MUG.product, "price": "$9.50", "size": MUG.size},
    "rewrite_free": {"fields": FIELDS, "problems": ["'30 oz': The item does not say this number."]},
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_prompt_reads_as_it_did(name):
    text = PromptLibrary().render(f"copy/{name}", **CASES[name]) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GENREC_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
