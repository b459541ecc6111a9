"""Files that people write or hand on, damaged: tables, recipes, campaigns, rules, keys, chats."""

import csv
import io
import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from genrec.creatives.campaign import Campaign
from genrec.creatives.certificate import SigningCertificate
from genrec.creatives.channels import load_channels
from genrec.creatives.guard.policy_file import read_policy
from genrec.creatives.layout.template import load_template
from genrec.creatives.phrasebook import Phrasebook
from genrec.creatives.rates import Rate
from genrec.creatives.review import stored_decisions
from genrec.data.copy_tests import read_copy_tests
from genrec.data.dataset import Dataset
from genrec.data.filter_language import ItemFilter
from genrec.errors import GenrecError
from genrec.profiles.sensitive import SensitiveRules
from genrec.profiles.storage import Tombstones
from genrec.recipe import Recipe
from genrec.serving.conversation.state import ChatState, Pending
from genrec.serving.keys import KeyFile
from genrec.shipped import CAMPAIGNS, shipped_file, shipped_folder
from genrec.strict_yaml import read_yaml
from genrec.workspace import Workspace
from tests.fuzz.damage import FACTOR, check_reader, odd_json

EVENTS = pl.DataFrame(
    {
        "user_id": [f"u{n % 5}" for n in range(40)],
        "item_id": [f"i{n % 7}" for n in range(40)],
        "time": [1_700_000_000 + n for n in range(40)],
    }
)
ITEMS = pl.DataFrame(
    {
        "item_id": [f"i{n}" for n in range(7)],
        "title": [f"Cup, no. {n}" for n in range(7)],
        "price": [1.5 * n for n in range(7)],
        "colour": ["red", "blue"] * 3 + [None],
    }
)
TABLES = {
    "csv": lambda table, path: table.write_csv(path),
    "tsv": lambda table, path: table.write_csv(path, separator="\t"),
    "jsonl": lambda table, path: table.write_ndjson(path),
    "parquet": lambda table, path: table.write_parquet(path),
}


@pytest.mark.parametrize("form", TABLES)
def test_damaged_tables_of_ones_own_are_read_or_refused(form, tmp_path):
    TABLES[form](EVENTS, tmp_path / f"events.{form}")
    TABLES[form](ITEMS, tmp_path / f"items.{form}")

    def read(folder):
        tables = {"interactions": folder / f"events.{form}", "items": folder / f"items.{form}"}
        return Dataset.load("tables", **tables).core(2)

    check_reader(tmp_path, read)


def copied(folder, *path):
    """A shipped file, to be damaged."""
    source = shipped_folder(path[0]).joinpath(*path[1:])
    (folder / source.name).write_bytes(source.read_bytes())
    return source.name


@pytest.mark.parametrize("name", ["quickstart.yaml", "toys_from_beauty.yaml", "movielens.yaml"])
def test_damaged_recipes_are_read_or_refused(name, tmp_path):
    copied(tmp_path, "recipes", name)
    check_reader(tmp_path, lambda folder: Recipe.load(folder / name))


def test_damaged_campaigns_are_read_or_refused(tmp_path):
    name = copied(tmp_path, "campaigns", "cushions.yaml")
    check_reader(tmp_path, lambda folder: Campaign.load(folder / name), examples=20)


RULES = {
    "creatives/channels.yaml": load_channels,
    "creatives/policies/general.yaml": read_policy,
    "creatives/policies/cosmetics.yaml": read_policy,
    "creatives/phrases/en.yaml": Phrasebook.load,
    "creatives/layout/templates/card.yaml": lambda path: load_template.__wrapped__(
        path.stem, path.parent
    ),
    "profiles/rules/sensitive.yaml": SensitiveRules.load,
}


@pytest.mark.parametrize("name", RULES)
def test_damaged_files_of_rules_are_read_or_refused(name, tmp_path, repository):
    source = repository / "genrec" / name
    (tmp_path / source.name).write_bytes(source.read_bytes())
    check_reader(tmp_path, lambda folder: RULES[name](folder / source.name))


def write_keys(folder):
    KeyFile(folder / "keys.json").new("till", rate=3)


def write_decisions(folder):
    rows = [{"ad_id": f"a{n}", "decision": "approve"} for n in range(3)]
    text = {"campaign": "c", "decisions": rows}
    (folder / "decisions.json").write_text(json.dumps(text))


def write_tests_of_copy(folder):
    rows = [["test", "text", "impressions", "clicks"]]
    rows += [[f"t{n // 2}", f"Cup number {n}", 1000 + n, 10 + n] for n in range(8)]
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    (folder / "tests.csv").write_text(made.getvalue())


def write_certificate(folder):
    made = SigningCertificate.made()
    (folder / "chain.pem").write_bytes(made.chain)
    (folder / "key.pem").write_bytes(made.key)


FILES = {
    "keys": (write_keys, lambda folder: KeyFile(folder / "keys.json").find("gr_0_x")),
    "decisions": (write_decisions, stored_decisions),
    "tests of copy": (write_tests_of_copy, lambda folder: read_copy_tests(folder / "tests.csv")),
    "tombstones": (
        lambda folder: Tombstones().with_user("u1").write(Workspace(folder)),
        lambda folder: "u1" in Tombstones.read(Workspace(folder)),
    ),
    "rates": (lambda folder: Rate(3, 1.0, 2.0, 3.0).keep(folder), Rate.read),
    "certificate": (
        write_certificate,
        lambda folder: SigningCertificate.read(folder / "chain.pem", folder / "key.pem"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_other_damaged_files_are_read_or_refused(name, tmp_path):
    write, read = FILES[name]
    write(tmp_path)
    check_reader(tmp_path, read)


def refusals(values, read, examples=20):
    """What odd JSON values by the dozen were refused with; those that are read must not fail."""
    said = []

    @settings(max_examples=examples * FACTOR, suppress_health_check=list(HealthCheck))
    @given(odd_json(values))
    def holds(odd):
        try:
            read(odd)
        except GenrecError as error:
            assert str(error)
            said.append(str(error))

    read(values)
    holds()
    return said


STATE = ChatState(
    user="u1",
    where={"price": {"max": 20}},
    likes=("i1",),
    shown=(("i1", "i2"),),
    pending=Pending("colour", ("red",), ({"colour": "red"},)),
    turns=2,
).remembered()


def test_odd_states_of_a_chat_are_read_or_refused():
    def read(values):
        state = ChatState.from_json(json.dumps(values))
        again = ChatState.from_json(state.to_json())
        assert again == state or "nan" in state.to_json().lower()
        state.knows("i1")
        state.undone()

    assert refusals(json.loads(STATE.to_json()), read, examples=40)


def test_odd_filters_are_read_or_refused():
    where = {
        "any": [{"colour": "red"}, {"price": {"min": 1, "max": 5}}],
        "not": {"title": {"contains": "cup"}},
    }
    assert refusals(where, ItemFilter.parse, examples=40)


def test_odd_recipes_are_read_or_refused():
    assert refusals(
        {"recipe": Recipe.read("quickstart")}, lambda odd: Recipe.parse(mapping(odd, "recipe"))
    )


def test_odd_campaigns_are_read_or_refused():
    content = read_yaml(shipped_file(CAMPAIGNS, "cushions"), "campaign")
    assert refusals({"campaign": content}, lambda odd: Campaign.parse(mapping(odd, "campaign")))


def mapping(odd, name):
    """What a reader of YAML hands on: mappings only."""
    held = odd.get(name) if isinstance(odd, dict) else None
    return held if isinstance(held, dict) else {}
