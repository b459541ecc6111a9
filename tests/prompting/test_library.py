import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import ConfigError, InputError
from genrec.prompting import PromptLibrary

SHIPPED = PromptLibrary().names


@pytest.fixture
def library(tmp_path):
    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.jinja").write_text(text)
        return PromptLibrary([tmp_path])

    return write


def test_there_are_shipped_prompts():
    assert "recommend/next_item" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_opening_comment_lists_what_the_template_reads(name):
    library = PromptLibrary()
    header = library.header(name)
    assert header.needs == library.variables(name)
    assert header.purpose
    assert header.returns


def test_a_prompt_is_filled_in_and_trimmed(library):
    prompts = library(greet="{#- Greets. needs: x\n-#}\n  Hello {{ name }}!\n\n")
    assert prompts.render("greet", name="Ann") == "Hello Ann!"


@given(text=st.text())
def test_what_a_user_wrote_is_never_read_as_a_template(text):
    hostile = "{{ 7 * 7 }}{% for x in y %}" + text + "end"
    filled = PromptLibrary().render("recommend/next_item", favourites="", history=hostile)
    assert hostile in filled


def test_missing_and_unknown_variables_are_all_named_at_once(library):
    prompts = library(greet="{{ name }} {{ place }}")
    with pytest.raises(InputError) as raised:
        prompts.render("greet", nam="Ann")
    assert raised.value.problems == [
        "'name' is missing",
        "'place' is missing",
        "'nam' is not used by it; did you mean 'name'?",
    ]


def test_a_missing_attribute_is_an_error_and_not_an_empty_text(library):
    with pytest.raises(InputError, match="could not be filled in"):
        library(greet="{{ user.name }}").render("greet", user={})


def test_a_template_cannot_reach_into_python(library):
    prompts = library(bad="{{ x.__class__.__mro__ }}")
    with pytest.raises(InputError, match="could not be filled in"):
        prompts.render("bad", x="")


def test_the_hash_follows_the_text_and_what_it_includes(library):
    before = library(outer="{% include 'inner.jinja' %}", inner="one").hash("outer")
    assert library(inner="one").hash("outer") == before
    assert library(inner="two").hash("outer") != before


def test_what_was_used_is_recorded_with_its_hash(library):
    prompts = library(greet="{{ name }}", other="x")
    assert prompts.used() == {}
    prompts.render("greet", name="Ann")
    assert prompts.used() == {"greet": prompts.hash("greet")}


def test_an_own_folder_hides_the_shipped_prompt(tmp_path):
    (tmp_path / "recommend").mkdir()
    (tmp_path / "recommend" / "next_item.jinja").write_text("mine: {{ history }}")
    assert PromptLibrary([tmp_path]).render("recommend/next_item", history="a") == "mine: a"


def test_an_unknown_prompt_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'recommend/next_item'"):
        PromptLibrary().render("recommend/nextitem")


def test_a_broken_template_names_its_line(library):
    with pytest.raises(ConfigError, match="line 2"):
        library(bad="fine\n{% if %}").render("bad")


def test_a_prompt_without_its_comment_says_how_to_write_one(library):
    with pytest.raises(ConfigError, match="needs:"):
        library(bare="{{ x }}").header("bare")


def test_a_prompt_that_needs_nothing_says_so(library):
    prompts = library(fixed="{#- Says hello.\n needs: nothing\n returns: a greeting\n-#}\nHello")
    assert prompts.header("fixed").needs == frozenset()
    assert prompts.render("fixed") == "Hello"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        PromptLibrary([tmp_path / "nowhere"])
