"""What every text model owes its callers. Subclass it and give a ``writer`` and its ``reference``.

``reference`` is a ``TransformersText`` that writes the same text; for a server it is the model that
the server runs.
"""

from __future__ import annotations

import pytest

from genrec.errors import InputError
from genrec.llm.text import Message, TextModel

HELLO = [Message("user", "Hello there")]
TALK = [
    Message("system", "You sell bread."),
    Message("user", "What is good with soup? Ünïcödé 🍞"),
    Message("assistant", "Rye."),
    Message("user", "And with cheese?"),
]
SHORT = [Message("user", "Hi")]


class TextModelContract:
    @pytest.fixture(scope="class")
    @classmethod
    def writer(cls) -> TextModel:
        raise NotImplementedError("give the suite a text model")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls) -> TextModel:
        raise NotImplementedError("give the suite a model that writes the same")

    def test_greedy_text_is_that_of_the_model(self, writer, reference):
        for messages in (HELLO, TALK, SHORT):
            (text,) = writer.generate(messages, max_tokens=24)
            assert text
            assert [text] == reference.generate(messages, max_tokens=24)

    def test_a_batch_gives_what_each_gives_alone_in_its_order(self, writer):
        conversations = [TALK, SHORT, HELLO, SHORT]
        alone = [writer.generate(one, max_tokens=16) for one in conversations]
        assert writer.generate_many(conversations, max_tokens=16) == alone
        assert alone[1] == alone[3] != alone[0]

    def test_draws_of_a_batch_are_those_of_each_alone(self, writer):
        words = {"max_tokens": 12, "temperature": 1.0, "seed": 5, "n": 2}
        alone = [writer.generate(one, **words) for one in (TALK, HELLO)]
        assert writer.generate_many([TALK, HELLO], **words) == alone

    def test_a_choice_is_one_of_the_texts_and_the_same_each_time(self, writer):
        choices = ["red apples", "a green pear", "two ripe plums"]
        chosen = writer.choose(HELLO, choices, begun="I like ")
        assert chosen in range(3)
        assert writer.choose(HELLO, choices, begun="I like ") == chosen
        assert writer.choose(HELLO, ["only this"]) == 0

    def test_nothing_to_choose_from_is_refused(self, writer):
        for choices in ([], ["twice", "twice"]):
            with pytest.raises(InputError, match="different texts"):
                writer.choose(HELLO, choices)

    def test_no_conversations_give_no_answers(self, writer):
        assert writer.generate_many([]) == []

    def test_candidates_differ_and_return_with_their_seed(self, writer):
        words = {"max_tokens": 12, "temperature": 1.0, "n": 4}
        first = writer.generate(HELLO, seed=3, **words)
        assert len(set(first)) == 4
        assert writer.generate(HELLO, seed=3, **words) == first
        assert writer.generate(HELLO, seed=4, **words) != first

    def test_candidates_without_a_draw_are_all_the_likeliest(self, writer):
        assert len(set(writer.generate(HELLO, max_tokens=8, n=3))) == 1

    def test_an_answer_ends_before_the_first_stop_text(self, writer):
        (whole,) = writer.generate(HELLO, max_tokens=32)
        later, earlier = whole[9:11], whole[4:6]
        (text,) = writer.generate(HELLO, max_tokens=32, stop=[later, earlier])
        assert text == whole[: min(whole.find(later), whole.find(earlier))]
        assert writer.generate(HELLO, max_tokens=32, stop=later) == [whole[: whole.find(later)]]
        assert writer.generate(HELLO, max_tokens=32, stop=["never in it"]) == [whole]

    def test_a_stop_text_ends_each_answer_of_a_batch_by_itself(self, writer):
        (hello,) = writer.generate(HELLO, max_tokens=24)
        stop = [hello[5:7]]
        alone = [writer.generate(one, max_tokens=24, stop=stop) for one in (HELLO, TALK)]
        assert writer.generate_many([HELLO, TALK], max_tokens=24, stop=stop) == alone

    def test_max_tokens_is_kept(self, writer, reference):
        (text,) = writer.generate(TALK, max_tokens=6)
        assert 0 < len(text) <= 6
        assert writer.generate(TALK, max_tokens=24)[0].startswith(text.rstrip("\ufffd"))

    @pytest.mark.parametrize("messages", [HELLO, TALK])
    @pytest.mark.parametrize("temperature", [0.0, 1.0])
    def test_the_pieces_of_a_stream_join_to_the_whole(self, writer, messages, temperature):
        words = {"max_tokens": 30, "temperature": temperature, "seed": 2}
        pieces = list(writer.stream(messages, **words))
        assert len(pieces) > 3
        assert all(pieces)
        assert ["".join(pieces)] == writer.generate(messages, **words)

    def test_a_stream_keeps_the_stop_text_back(self, writer):
        (whole,) = writer.generate(HELLO, max_tokens=30)
        stop = [whole[8:11]]
        pieces = list(writer.stream(HELLO, max_tokens=30, stop=stop))
        assert "".join(pieces) == whole[: whole.find(stop[0])]
        # The beginning of a stop text that then turns out to be none must come after all.
        almost = [whole[8:10] + "\x00never"]
        assert "".join(writer.stream(HELLO, max_tokens=30, stop=almost)) == whole

    def test_a_stream_may_be_left_early(self, writer):
        pieces = writer.stream(HELLO, max_tokens=30)
        assert next(pieces)
        pieces.close()
        assert writer.generate(HELLO, max_tokens=4)

    @pytest.mark.parametrize("call", ["generate", "stream"])
    def test_no_messages_are_refused(self, writer, call):
        with pytest.raises(InputError, match="no messages"):
            getattr(writer, call)([])
        with pytest.raises(InputError, match="no messages"):
            writer.generate_many([HELLO, []])

    def test_all_options_out_of_range_are_named(self, writer):
        with pytest.raises(InputError) as error:
            writer.generate(HELLO, max_tokens=0, temperature=-1.0, seed=-1, n=0, stop=[""])
        assert [problem.split()[0] for problem in error.value.problems] == [
            "max_tokens",
            "temperature",
            "seed",
            "n",
            "stop",
        ]

    def test_too_long_a_conversation_is_an_input_error(self, writer):
        with pytest.raises(InputError, match="tokens"):
            writer.generate([Message("user", "long " * 200)], max_tokens=5)

    def test_it_prints_as_its_name(self, writer):
        assert writer.name in repr(writer)
