import numpy as np
import pytest

from genrec.creatives.copy_reward import CopyReward
from genrec.errors import ConfigError


class Lengths:
    """Scores by letters, so that every reward is known."""

    def scores(self, texts):
        return np.array([float(len(text)) for text in texts])


def test_a_text_earns_what_sets_it_apart_from_its_group():
    reward = CopyReward(Lengths(), group=2, restraint=0.0)
    assert reward(["p"] * 4, ["ab", "abcd", "abc", "abc"]) == [-1.0, 1.0, 0.0, 0.0]


def test_chats_are_read_by_their_last_message_and_space_counts_once():
    reward = CopyReward(Lengths(), group=2, restraint=0.0)
    chats = [
        [{"role": "assistant", "content": "a  b"}],
        [{"role": "assistant", "content": "abcde"}],
    ]
    assert reward(["p", "p"], chats) == [-1.0, 1.0]


def test_teasing_is_held_back():
    plain, teasing = "We bake bread at five, daily", "You won't believe what happened next"
    free = CopyReward(Lengths(), group=2, restraint=0.0)(["p"] * 2, [plain, teasing])
    held = CopyReward(Lengths(), group=2, restraint=20.0)(["p"] * 2, [plain, teasing])
    assert free[1] > free[0]
    assert held[1] < held[0]


def test_what_the_guard_refuses_stands_below_the_worst():
    reward = CopyReward(
        Lengths(), group=3, restraint=0.0, allowed=lambda _, text: "best" not in text, refusal=0.5
    )
    found = reward(["p"] * 3, ["the best of all", "ab", "abcd"])
    assert found[0] == min(found[1:]) - 0.5


def test_a_text_is_allowed_for_its_own_prompt():
    asked = []
    reward = CopyReward(
        Lengths(), group=2, allowed=lambda prompt, text: not asked.append((prompt, text))
    )
    reward(["p", "p", "q", "q"], ["a", "b", "c", "d"])
    assert asked == [("p", "a"), ("p", "b"), ("q", "c"), ("q", "d")]


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"]])
def test_groups_that_are_not_whole_are_refused(texts):
    with pytest.raises(ConfigError, match="num_generations=2"):
        CopyReward(Lengths(), group=2)(["p"] * len(texts), texts)


def test_all_options_that_do_not_fit_are_told():
    with pytest.raises(ConfigError) as error:
        CopyReward(Lengths(), group=1, restraint=-1.0, refusal=float("nan"))
    assert all(name in str(error.value) for name in ("group", "restraint", "refusal"))
