from genrec.cli.printing import print_shown
from genrec.data.catalog import Item
from genrec.recommenders.base import Recommendation
from genrec.stages.recommend import Shown


def test_what_stands_in_a_title_is_no_markup(capsys):
    items = [Item("[i]1", "Milk [1 l] [bold]33"), Item("2", "Cheese [/] 37", price=2.5)]
    found = [Recommendation(item, 0.5, "like [/red]") for item in items]
    print_shown(Shown("u[/]1", ["Tea [/] x"], found, before_test=True))
    shown = capsys.readouterr().out
    for text in (
        "[i]1",
        "Milk [1 l] [bold]33",
        "Cheese [/] 37",
        "like [/red]",
        "Tea [/] x",
        "u[/]1",
    ):
        assert text in shown
    assert "before the test" in shown
    assert "2.50" in shown
