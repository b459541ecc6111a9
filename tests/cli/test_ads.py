from types import SimpleNamespace

from rich.console import Console
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.cli.progress import ConsoleObserver
from genrec.creatives.ad_folder import read_ads
from tests.creatives.small_shop import shop_run


def asked(*words):
    done = CliRunner().invoke(app, ["ads", *map(str, words)])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_what_a_budget_left_and_what_an_export_left_out_is_said_in_one_line_each(tmp_path):
    shop_run(tmp_path / "run")
    file = tmp_path / "spring.yaml"
    file.write_text(
        "name: spring\nwho: {users: all}\nwhat: {items: [p0, p1]}\nplacements: [push]\n"
        "brief: {intensity: none, must_say: ['By {brand}.']}\n"
    )
    folder = tmp_path / "ads"
    common = ("make", tmp_path / "run", "--campaign", file, "--into", folder, "--no-cache")
    said = asked(*common, "write.seeds=[0,1,2]", "budget.jobs=4")
    assert "4 of 6 ads in" in said
    assert "stopped by budget.jobs: 4 ads are written; 2 are left, in left.parquet" in said
    assert "24 deliveries of 2 ads" in asked(*common[:-3], "--into", tmp_path / "two", "--no-cache")
    first = next(ad.id for ad in read_ads(folder) if ad.failure)
    out = asked("export", folder, "--to", "json", "--all", "--out", tmp_path / "ads.json")
    assert f"{first} and " in out or f"{first}: not written" in out
    assert out.count("not written: the item has no value for {brand}") == 1


def test_a_terminal_shows_the_bar_of_the_stage_that_works(tmp_path):
    observer = ConsoleObserver()
    with (tmp_path / "screen").open("w") as screen:
        observer.console = Console(file=screen, force_terminal=True)
        observer.started("Write ads")
        first = observer.bar
        observer.started("Make pictures")
        assert SimpleNamespace(was=first.live.is_started, now=observer.bar.live.is_started) == (
            SimpleNamespace(was=False, now=True)
        )
        observer.close()
