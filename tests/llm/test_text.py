import pytest

from genrec.errors import ConfigError, InputError
from genrec.llm.text import TEXT_MODELS, Message, Sampling, before_stop


def test_an_unknown_role_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'system'"):
        Message("sytem", "x")
    with pytest.raises(InputError, match="holds NoneType, not text"):
        Message("user", None)


def test_temperature_must_be_a_number_that_can_be_compared():
    with pytest.raises(InputError, match="temperature is nan"):
        Sampling(temperature=float("nan"))


@pytest.mark.parametrize(
    ("stop", "expected"),
    [((), "one two one"), (("two",), "one "), (("two", "one"), ""), (("four",), "one two one")],
)
def test_text_ends_before_the_first_stop_text(stop, expected):
    assert before_stop("one two one", stop) == expected


def test_the_registry_names_both_kinds():
    assert TEXT_MODELS.names() == ["openai", "transformers"]
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        TEXT_MODELS.load("opnai")
