"""Public formats: a million made-up events from the file to a data set.

Wall-clock and processor seconds and peak memory of ``Dataset.load`` with all checks, each format
in a process of its own from a warm page cache. Users are drawn evenly, items with a heavy tail.
Python literals, which cannot be read fast, get a tenth of the events.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Figures, arguments, in_child, peak_gb, report
from genrec.data.dataset import Dataset

EVENTS, QUICK_EVENTS = 1_000_000, 50_000
USERS_EACH, ITEMS_EACH = 10, 50
SEED = 0
TEXT = "It does what it says on the box and a bit more than that. " * 5
CASES = {
    "movielens_1m": ("movielens", {"edition": "ml-1m"}),
    "movielens_csv": ("movielens", {"edition": "ml-25m"}),
    "amazon_2023": ("amazon_reviews", {"domain": "T"}),
    "amazon_2014_literals": ("amazon_reviews", {"domain": "T", "edition": "2014", "form": "all"}),
    "hm": ("hm", {}),
    "yelp": ("yelp", {}),
    "lastfm_1k": ("lastfm", {}),
    "mind": ("mind", {}),
    "microlens": ("microlens", {}),
}
Event = tuple[int, int, int]


def made_up(events: int) -> list[Event]:
    """User, item and second, by time."""
    generator = np.random.default_rng(SEED)
    users = generator.integers(0, events // USERS_EACH, events)
    items = np.minimum(generator.pareto(1.0, events) * 40, events // ITEMS_EACH - 1).astype(int)
    times = 1_400_000_000 + np.sort(generator.integers(0, 10**8, events))
    return list(zip(users.tolist(), items.tolist(), times.tolist(), strict=True))


def day(second: int, pattern: str) -> str:
    return time.strftime(pattern, time.gmtime(second))


def _write(path: Path, lines: Iterable[str], head: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    zipped = path.suffix == ".gz"
    with gzip.open(path, "wt", compresslevel=1) if zipped else path.open("w") as file:
        file.write(head)
        file.writelines(line + "\n" for line in lines)


def _old_reviews(events: list[Event]) -> Iterator[str]:
    for user, item, second in events:
        yield repr(
            {
                "reviewerID": f"A{user:013d}", "asin": f"B{item:09d}", "helpful": [0, 0],
                "reviewText": TEXT, "overall": 5.0, "summary": "Good", "unixReviewTime": second,
            }
        )  # fmt: skip


def _new_reviews(events: list[Event]) -> Iterator[str]:
    for user, item, second in events:
        yield json.dumps(
            {
                "rating": 5.0, "title": "Good", "text": TEXT, "images": [], "asin": "V",
                "parent_asin": f"B{item:09d}", "user_id": f"AE{user:026d}",
                "timestamp": second * 1000, "helpful_vote": 0, "verified_purchase": True,
            }
        )  # fmt: skip


def _places(events: list[Event]) -> Iterator[str]:
    for user, item, second in events:
        yield json.dumps(
            {
                "review_id": f"{user}-{item}", "user_id": f"{user:022d}", "stars": 4.0,
                "business_id": f"{item:022d}", "useful": 0, "funny": 0, "cool": 0, "text": TEXT,
                "date": day(second, "%Y-%m-%d %H:%M:%S"),
            }
        )  # fmt: skip


def _impressions(events: list[Event], items: int) -> Iterator[str]:
    for number, (user, item, second) in enumerate(events[::5]):
        shown = " ".join(f"N{(item + step) % items}-{int(step == 3)}" for step in range(5))
        moment = day(second, "%m/%d/%Y %I:%M:%S %p")
        yield f"{number}\tU{user}\t{moment}\tN{item} N{(item + 1) % items}\t{shown}"


def write(case: str, folder: Path, events: list[Event]) -> None:
    """The files of one case."""
    items = range(len(events) // ITEMS_EACH)
    users = range(len(events) // USERS_EACH)
    if case == "movielens_1m":
        _write(folder / "ratings.dat", (f"{u}::{i}::{1 + i % 5}::{t}" for u, i, t in events))
        _write(folder / "movies.dat", (f"{i}::Film {i} (1999)::Drama" for i in items))
        _write(folder / "users.dat", (f"{u}::F::25::1::123" for u in users))
    elif case == "movielens_csv":
        head = "userId,movieId,rating,timestamp\n"
        _write(folder / "ratings.csv", (f"{u},{i},{1 + i % 5}.0,{t}" for u, i, t in events), head)
        films = (f"{i},Film {i} (1999),Drama" for i in items)
        _write(folder / "movies.csv", films, "movieId,title,genres\n")
    elif case == "amazon_2023":
        _write(folder / "T.jsonl", _new_reviews(events))
        meta = ({"title": f"Thing {i}", "price": 3.5, "parent_asin": f"B{i:09d}"} for i in items)
        _write(folder / "meta_T.jsonl", map(json.dumps, meta))
    elif case == "amazon_2014_literals":
        _write(folder / "reviews_T.json.gz", _old_reviews(events[::10]))
        meta = ({"title": f"Thing {i}", "price": 3.5, "asin": f"B{i:09d}"} for i in items)
        _write(folder / "meta_T.json.gz", map(repr, meta))
    elif case == "hm":
        sold = (f"{day(t, '%Y-%m-%d')},{u:064x},{i:010d},0.05,2" for u, i, t in events)
        head = "t_dat,customer_id,article_id,price,sales_channel_id\n"
        _write(folder / "transactions_train.csv", sold, head)
        articles = (f'{i:010d},Top {i},"A top, {i}"' for i in items)
        _write(folder / "articles.csv", articles, "article_id,prod_name,detail_desc\n")
    elif case == "yelp":
        _write(folder / "review.json", _places(events))
        places = ({"business_id": f"{i:022d}", "name": f"P {i}", "categories": "A"} for i in items)
        _write(folder / "business.json", map(json.dumps, places))
    elif case == "lastfm_1k":
        plays = (
            f"user_{u:06d}\t{day(t, '%Y-%m-%dT%H:%M:%SZ')}\tmb-{i}\tBand {i}\t\tSong"
            for u, i, t in events
        )
        _write(folder / "userid-timestamp-artid-artname-traid-traname.tsv", plays)
    elif case == "mind":
        _write(folder / "behaviors.tsv", _impressions(events, len(items)))
        news = (f"N{i}\tnews\tcity\tT {i}\tA {i}\tu\t[]\t[]" for i in items)
        _write(folder / "news.tsv", news)
    else:
        pairs = (f"{u},{i},{t}000" for u, i, t in events)
        _write(folder / "MicroLens-50k_pairs.csv", pairs, "user,item,timestamp\n")
        _write(folder / "MicroLens-50k_titles.csv", (f"{i},Film {i}" for i in items))


def load(case: str, folder: str) -> None:
    """The measured work, in a child process."""
    source, options = CASES[case]
    start, busy = time.perf_counter(), time.process_time()
    data = Dataset.load(source, folder=folder, **options)
    taken = {
        "load": round(time.perf_counter() - start, 2),
        "cpu": round(time.process_time() - busy, 2),
    }
    print(json.dumps({**taken, "peak_gb": peak_gb(), "events": len(data)}))


def main() -> None:
    """Prints the figures of this area."""
    if sys.argv[1:2] == ["--child"]:
        load(sys.argv[2], sys.argv[3])
        return
    options = arguments(__doc__ or "")
    count = QUICK_EVENTS if options.quick else EVENTS
    events = made_up(count)
    figures: Figures = {}
    loaded = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            write(case, Path(folder), events)
            child = in_child("benchmarks.sources", "--child", case, folder)
        figures[f"{case}_seconds"] = child["load"]
        figures[f"{case}_cpu_seconds"] = child["cpu"]
        figures[f"{case}_peak_gb"] = child["peak_gb"]
        loaded[case] = child["events"]
    report(figures, written=count, loaded=loaded)


if __name__ == "__main__":
    main()
