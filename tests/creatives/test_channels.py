import pytest

from genrec.creatives.channels import channel_named, load_channels
from genrec.errors import ConfigError


def test_the_channels_are_data_with_their_limits():
    search = channel_named("search")
    assert [(one.most, one.count) for one in search.fields][:3] == [(30, "google")] * 3
    assert search.problems({"headline_1": "x" * 31}) == ["headline_1 is 31 long; at most 30 fit"]


def test_all_problems_of_a_channel_file_are_named(tmp_path):
    path = tmp_path / "channels.yaml"
    path.write_text("push:\n  fields:\n    title: {role: nmae, most: 0, colour: red}\nempty: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_channels(path)
    for part in (
        "push.title: there is no 'colour'",
        "role is 'nmae'",
        "most is 0",
        "empty: has no",
    ):
        assert part in str(caught.value)
