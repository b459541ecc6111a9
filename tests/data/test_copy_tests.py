import hashlib

import numpy as np
import polars as pl
import pytest

from genrec.data.copy_tests import CopyTests, copy_tests, read_copy_tests
from genrec.data.rows import TABLE_ROWS
from genrec.errors import ConfigError, InputError


def arms_of(rows, columns=("test", "text", "impressions", "clicks")):
    table = pl.DataFrame(rows, schema=list(columns), orient="row")
    return copy_tests(table, rows=TABLE_ROWS, name="table")


def many(count, *, arms=3):
    return arms_of([(f"t{n}", f"text {n} {a}", 100, a) for n in range(count) for a in range(arms)])


def test_a_file_is_read_with_its_own_column_names(tmp_path):
    path = tmp_path / "tests.csv"
    path.write_text("experiment,headline,impressions,clicks\n1,Fresh  bread,100,5\n1,Bread,90,4\n")
    read = read_copy_tests(path, columns={"test": "experiment", "text": "headline"})
    assert read.texts == ["Fresh bread", "Bread"]
    assert read.impressions.tolist() == [100, 90] and read.clicks.tolist() == [5, 4]


def test_all_problems_of_a_file_are_told_at_once_with_their_lines(tmp_path):
    path = tmp_path / "tests.csv"
    path.write_text(
        "test,text,impressions,clicks\n"
        "a,One,100,101\n"
        "a,Two,100,5\n"
        "a,Two,100,6\n"
        "b,Alone,100,5\n"
        "c,,100,5\n"
        "c,Four,ten,5\n"
        "c,Five,100,-1\n"
        ",Six,100,1.5\n"
    )
    with pytest.raises(InputError) as caught:
        read_copy_tests(path)
    told = "\n".join(caught.value.problems)
    for part in (
        "line 2: 101 clicks of 100 impressions",
        "line 4: the same text as line 3 in test a; add up their counts",
        "line 5: test b has this arm only",
        "line 6: no text",
        "line 7: impressions is 'ten'",
        "line 8: clicks is '-1'",
        "line 9: no test id",
        "line 9: clicks is '1.5'",
    ):
        assert part in told, part
    assert len(caught.value.problems) == 8


def test_every_missing_column_is_named(tmp_path):
    path = tmp_path / "tests.csv"
    path.write_text("test,headline\na,One\n")
    with pytest.raises(InputError) as caught:
        read_copy_tests(path)
    assert [problem.split("'")[1] for problem in caught.value.problems] == [
        "text",
        "impressions",
        "clicks",
    ]
    with pytest.raises(ConfigError, match="texts"):
        read_copy_tests(path, columns={"texts": "headline"})


def test_the_same_text_beside_another_picture_is_another_arm():
    columns = ("test", "text", "shown_with", "impressions", "clicks")
    read = arms_of(
        [("a", "One", "x", 9, 1), ("a", "One", "y", 9, 1), ("a", "Two", "x", 9, 2)], columns
    )
    assert read.groups.tolist() == [0, 1, 0]
    assert read.test_numbers.tolist() == [0, 0, 0]


def test_whole_tests_fall_to_one_part_by_the_hash_of_their_id():
    read = many(300)
    parts = read.part
    for test in set(read.table["test"]):
        hundredth = int(hashlib.sha256(test.encode()).hexdigest()[:8], 16) % 100
        wanted = "train" if hundredth < 70 else "validation" if hundredth < 80 else "test"
        assert set(parts[(read.table["test"] == test).to_numpy()]) == {wanted}
    assert 0.6 < (parts == "train").mean() < 0.8


def test_the_split_does_not_depend_on_the_order_of_rows():
    read = many(100)
    shuffled = CopyTests(read.table.sample(fraction=1, shuffle=True, seed=3))
    first = dict(zip(read.texts, read.part.tolist(), strict=True))
    assert dict(zip(shuffled.texts, shuffled.part.tolist(), strict=True)) == first
    assert shuffled.fingerprint == read.fingerprint


def test_tests_that_share_a_text_even_through_a_third_stay_together():
    rows = [(f"t{n}", f"only {n}", 10, 1) for n in range(40)]
    rows += [(f"t{n}", f"link {n // 2}", 10, 1) for n in range(40)]
    rows += [(f"t{n}", f"chain {(n + 1) // 2}", 10, 1) for n in range(40)]
    assert len(set(arms_of(rows).part)) == 1


def test_uneven_impressions_are_noticed_unless_they_were_meant():
    rows = [("even", "a", 1000, 9), ("even", "b", 1040, 9)]
    rows += [("odd", "c", 1000, 9), ("odd", "d", 1500, 9)]
    assert arms_of(rows).fair.tolist() == [True, True, False, False]
    columns = ("test", "text", "impressions", "clicks", "share")
    meant = [(*row, share) for row, share in zip(rows, (1, 1, 2, 3), strict=True)]
    assert arms_of(meant, columns).fair.all()


def test_a_fair_draw_is_flagged_about_once_in_a_thousand_tests():
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(4000, [0.25] * 4, size=4000)
    rows = [
        (f"t{n}", f"{n} {a}", int(c), 0) for n, arms in enumerate(drawn) for a, c in enumerate(arms)
    ]
    flagged = (~arms_of(rows).fair).sum() / 4
    # Poisson with mean 4: more than 12 has a probability below 0.001.
    assert flagged <= 12


@pytest.mark.realdata
def test_the_archive_has_the_tests_that_its_description_says():
    from genrec.data.sources import upworthy

    read = upworthy.load()
    assert len(read) == 18331 and len(set(read.table["test"])) == 4030
    assert not set(read.take(read.part == "train").texts) & set(
        read.take(read.part == "test").texts
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_text_is_in_two_parts_however_tests_share_them(seed):
    generator = np.random.default_rng(seed)
    shared = generator.integers(0, 150, (120, 2))
    rows = {(f"t{t}", f"shared {text}", 10, 1) for t, pair in enumerate(shared) for text in pair}
    rows |= {(f"t{t}", f"own {t}", 10, 1) for t in range(120)}
    order = generator.permutation(len(rows))
    read = arms_of([sorted(rows)[n] for n in order])
    table = read.table.with_columns(part=pl.Series(read.part))
    assert table.group_by("text").agg(pl.col("part").n_unique())["part"].max() == 1
    assert table.group_by("test").agg(pl.col("part").n_unique())["part"].max() == 1
    assert table["part"].n_unique() > 1
