from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.diffusion.words import liked_words, personal_prompt, scene_prompt
from genrec.prompting import PromptLibrary


@dataclass
class Liking:
    value: str
    kind: str = "like"


class Profile:
    def __init__(self, *traits):
        self.traits = traits

    def of(self, *kinds):
        return [trait for trait in self.traits if trait.kind in kinds]


@pytest.fixture(scope="module")
def prompts():
    return PromptLibrary()


def test_the_prompt_for_everybody_begins_the_one_for_somebody(prompts):
    profile = Profile(Liking("Blue"), Liking("Stripes"), Liking("7 days", "rhythm"))
    plain = scene_prompt(prompts, "an empty kitchen")
    own = personal_prompt(prompts, "an empty kitchen", profile)
    assert plain == "an empty kitchen, photograph"
    assert own == f"{plain}, in the taste of somebody who likes blue, stripes"


def test_without_likes_there_is_no_personal_prompt(prompts):
    assert personal_prompt(prompts, "a kitchen", Profile(Liking("7", "rhythm"))) == ""


def test_likes_are_data_without_signs_that_weigh_or_divide_prompts(prompts):
    evil = Profile(Liking("{{ 7 * 7 }} (blue:1.9), <lora:x>\n| BREAK"), Liking("Blue"))
    own = personal_prompt(prompts, "a kitchen", evil)
    likes = own.removeprefix("a kitchen, photograph, in the taste of somebody who likes ")
    assert "49" not in likes
    assert not set("{}()<>:|\n") & set(likes)
    assert likes.count(",") == 1


@given(st.lists(st.text(max_size=60), max_size=12), st.integers(1, 5))
def test_words_are_few_short_and_each_there_once(values, most):
    words = liked_words(Profile(*map(Liking, values)), most=most)
    assert len(words) <= most
    assert len(set(words)) == len(words)
    assert all(0 < len(word) <= 60 and word == word.strip() for word in words)
