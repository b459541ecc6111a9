"""The toy shop's figures at a small size: what only the picture shows needs the picture."""

from __future__ import annotations

import pytest

from benchmarks.toy_pictures import Size, toy_figures

SMALL = Size(items=120, shoppers=200, tower_steps=40, side=48, steps=80, width=32)


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    return toy_figures(SMALL, tmp_path_factory.mktemp("pictures"))


@pytest.mark.slow
def test_words_tell_the_kind_and_neither_colour_nor_pattern(figures) -> None:
    for name in ("text_encoder", "text_only"):
        assert figures[f"toy_{name}_kind"] > 0.9
        # Thirty products: chance is 1/8 and 1/4, three deviations above it are .31 and .49.
        assert figures[f"toy_{name}_colour"] < 0.31
        assert figures[f"toy_{name}_pattern"] < 0.49


@pytest.mark.slow
def test_with_pictures_colours_are_seen(figures) -> None:
    assert figures["toy_fused_colour"] > 0.7
    assert figures["toy_fused_pattern"] > figures["toy_text_only_pattern"] + 0.15


@pytest.mark.slow
def test_hidden_pictures_leave_what_the_words_say_and_nothing_else(figures) -> None:
    assert figures["toy_fused_pictures_hidden_kind"] > 0.85
    assert figures["toy_fused_pictures_hidden_colour"] < 0.31
    assert figures["toy_fused_pictures_hidden_pattern"] < 0.49


@pytest.mark.slow
def test_nobody_beats_the_oracle(figures) -> None:
    for name in ("text_only", "fused", "fused_pictures_hidden"):
        assert figures[f"toy_{name}_new_items_match"] < figures["toy_oracle_new_items_match"]
    assert figures["toy_fused_new_items_match"] > figures["toy_chance_new_items_match"]
