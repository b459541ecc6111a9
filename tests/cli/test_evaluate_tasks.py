import pytest

from genrec.cli.evaluate_tasks import in_words


def figures(**differences):
    names = ["model", *differences]
    return {
        **dict.fromkeys(names, 0.5),
        "ratings": 40,
        "cases": 40,
        "sureness": {
            "intervals": dict.fromkeys(names, (0.4, 0.6)),
            "differences": differences,
        },
    }


@pytest.mark.parametrize(
    ("task", "first", "second", "said"),
    [
        ("rating", (-0.2, -0.3, -0.1), (-0.2, -0.3, -0.1), "The model beats every control."),
        ("rating", (-0.2, -0.3, -0.1), (0.2, 0.1, 0.3), "The model loses to b."),
        ("direct", (0.2, 0.1, 0.3), (0.1, -0.1, 0.3), "Chance may explain the difference to b."),
        ("direct", (-0.2, -0.3, -0.1), (-0.1, -0.3, -0.01), "The model loses to a and b."),
    ],
)
def test_the_second_line_says_who_wins(task, first, second, said):
    lines = in_words(task, figures(a=first, b=second)).splitlines()
    assert lines[0].endswith("40 ratings" if task == "rating" else "40 cases")
    assert lines[1] == said
    assert lines[5].split(maxsplit=1) == ["model", "0.500 [0.400, 0.600]"]
    by, low, high = second
    assert f"{by:+.3f} [{low:+.3f}, {high:+.3f}]" in lines[-1]
