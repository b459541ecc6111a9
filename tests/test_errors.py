"""Messages of errors: the nearest name, or what is valid."""

from genrec.errors import nearest


def test_of_a_whole_catalogue_only_examples_are_named() -> None:
    said = nearest("?", [f"item{number:05d}" for number in range(10_000)])
    assert said == (
        "10,000 names are valid, such as item00000, item00001, item00002, item00003, item00004"
    )
    assert nearest("?", ["b", "a"]) == "valid names: a, b"
