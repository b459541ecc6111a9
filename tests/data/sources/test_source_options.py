"""Options of data sources as a recipe hands them over: of the right kind, or refused in words."""

import inspect
from datetime import UTC, date, datetime
from typing import get_type_hints

import pytest

from genrec.data.dataset import Dataset
from genrec.data.sources import SOURCES
from genrec.errors import ConfigError, InputError
from tests.data.sources import small_downloads as small


def test_options_of_another_kind_are_named_all_at_once(tmp_path):
    with pytest.raises(ConfigError) as refused:
        Dataset.load("yelp", folder=tmp_path, min_rating="four", reviews="perhaps", state=["PA"])
    said = str(refused.value)
    assert "data source 'yelp' cannot take these options" in said
    assert "min_rating: Input should be a valid number" in said
    assert "reviews: Input should be a valid boolean" in said
    assert "state: Input should be a valid string" in said


def test_every_option_of_a_source_says_of_what_kind_it_is():
    sources = SOURCES.names()
    assert len(sources) >= 15
    for name in sources:
        load = SOURCES.load(name)
        assert set(inspect.signature(load).parameters) <= set(get_type_hints(load)), name


@pytest.mark.parametrize("since", ["2014-05-16", date(2014, 5, 16)])
def test_purchases_before_a_day_are_left_out_however_yaml_reads_it(since, tmp_path):
    small.hm(tmp_path)
    times = Dataset.load("hm", folder=tmp_path, since=since).events["time"]
    assert times.min() == datetime(2014, 5, 16, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("since", ["2014-5-16", "20140516", "May", 2014])
def test_a_day_that_cannot_be_compared_is_refused(since, tmp_path):
    small.hm(tmp_path)
    with pytest.raises(ConfigError, match=f"since is '{since}'; write a day as YYYY-MM-DD"):
        Dataset.load("hm", folder=tmp_path, since=since)


def test_a_day_after_all_purchases_is_answered_with_the_newest(tmp_path):
    small.hm(tmp_path)
    with pytest.raises(InputError, match="no purchase since 2030-01-01; the newest is of 2014-05"):
        Dataset.load("hm", folder=tmp_path, since="2030-01-01")


def test_a_null_option_counts_as_left_out(tmp_path):
    small.hm(tmp_path)
    assert len(Dataset.load("hm", folder=tmp_path, since=None)) == small.USERS * small.EVENTS


def test_text_where_a_list_is_meant_is_answered_by_the_list(tmp_path):
    small.mind(tmp_path)
    with pytest.raises(ConfigError, match=r"parts: it is 'train' and must be a list: \[train\]"):
        Dataset.load("mind", folder=tmp_path, parts="train")
