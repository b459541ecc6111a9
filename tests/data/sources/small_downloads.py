"""Small hand-made files in the exact formats of public data sets; every id and title is made up.

Each writer fills a folder from the same events, so that every loader has the same known answer:
user ``u`` takes items u, u + 1, u + 2, … (mod the number of items), one a day.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

USERS, ITEMS, EVENTS = 14, 12, 6
BEGIN = 1_400_000_000
DAY = 86_400


def events():
    """(user, item, seconds), by user and time."""
    return [
        (user, (user + step) % ITEMS, BEGIN + user * 7 + step * DAY)
        for user in range(USERS)
        for step in range(EVENTS)
    ]


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding=encoding) as file:
            file.write(text)
    else:
        path.write_text(text, encoding=encoding)


def written(seconds: int, pattern: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(pattern)


def asin(item: int) -> str:
    return f"B{item:09d}"


def old_review(user, item, time):
    return {
        "reviewerID": f"A{user}", "asin": asin(item), "reviewerName": "Ann \"O'Neil\"",
        "helpful": [0, 0], "reviewText": f"It's fine,\n{item}", "overall": 1.0 + item % 5,
        "summary": f"Fine {item}", "unixReviewTime": time,
        "reviewTime": written(time, "%m %d, %Y"),
    }  # fmt: skip


def amazon2014(folder: Path) -> None:
    """5-core reviews in strict JSON, all reviews and metadata as Python prints them, ratings."""
    reviews = [old_review(*event) for event in events()]
    lines = "".join(json.dumps(one) + "\n" for one in reviews)
    write(folder / "reviews_Tools_5.json.gz", lines)
    write(folder / "reviews_Tools.json.gz", "".join(f"{one!r}\n" for one in reviews))
    rows = (f"{one['reviewerID']},{one['asin']},4.0,{one['unixReviewTime']}\n" for one in reviews)
    write(folder / "ratings_Tools.csv", "".join(rows))
    meta = [
        {
            "asin": asin(item), "title": f"Hammer No. {item} &amp; nails",
            "price": 3.5 + item, "imUrl": "http://example.org/a.jpg", "brand": "O'Brien",
            "salesRank": {"Tools": item}, "categories": [["Tools", "Hand", "Hammers"]],
            "description": f"For the <b>{item}th</b> time",
            "related": {"also_bought": [asin(0)]},
        }
        for item in range(ITEMS - 1)
    ]  # fmt: skip
    write(folder / "meta_Tools.json.gz", "".join(f"{one!r}\n" for one in meta))


def amazon2018(folder: Path) -> None:
    """Reviews in JSON with text counts, metadata with lists and prices in text, ratings."""
    reviews = [
        {**old_review(*event), "verified": True, "vote": "2", "style": {"Size:": " L"}}
        for event in events()
    ]
    write(folder / "Tools_5.json.gz", "".join(json.dumps(one) + "\n" for one in reviews))
    rows = (f"{one['asin']},{one['reviewerID']},5.0,{one['unixReviewTime']}\n" for one in reviews)
    write(folder / "Tools.csv", "".join(rows))
    prices = ["$1,299.00", "$7.50", "$3.99 - $12.50", ".a-box-inner{background-color:#fff}"]
    meta = [
        {
            "category": ["Tools", "Hand &amp; Power", "Saws"], "tech1": "",
            "description": ["Cuts.", ""],
            "fit": "", "title": f"Saw {item}", "also_buy": [], "image": [], "brand": "Zahn",
            "feature": ["Sharp"], "rank": "5 in Tools (", "main_cat": "Tools", "asin": asin(item),
            "price": prices[item % 4],
        }
        for item in range(ITEMS)
    ]  # fmt: skip
    write(folder / "meta_Tools.json.gz", "".join(json.dumps(one) + "\n" for one in meta))


def amazon2023(folder: Path) -> None:
    """Reviews and metadata of 2023 in JSON lines, times in milliseconds, and the 0-core CSV."""
    reviews = [
        {
            "rating": 5.0 - item % 5, "title": "Good", "text": "Works<br />well", "images": [],
            "asin": f"V{item}", "parent_asin": asin(item), "user_id": f"AE{user}",
            "timestamp": time * 1000 + 123, "helpful_vote": 0, "verified_purchase": True,
        }
        for user, item, time in events()
    ]  # fmt: skip
    write(folder / "Tools.jsonl", "".join(json.dumps(one) + "\n" for one in reviews))
    head = "user_id,parent_asin,rating,timestamp\n"
    keys = ("user_id", "parent_asin", "rating", "timestamp")
    rows = (",".join(str(one[key]) for key in keys) + "\n" for one in reviews)
    write(folder / "Tools.csv.gz", head + "".join(rows))
    meta = [
        {
            "main_category": "Tools", "title": f"Drill {item}", "average_rating": 4.1,
            "rating_number": 9, "features": ["Loud"], "description": ["Drills holes."],
            "price": [12.5, "—", None, "9.99"][item % 4],
            "images": [{"large": "x", "hi_res": None}],
            "videos": [], "store": "Bohr", "categories": ["Tools", "Drills"],
            "details": {"Brand": "Bohr & Co"} if item % 2 else {}, "parent_asin": asin(item),
            "bought_together": None,
        }
        for item in range(ITEMS)
    ]  # fmt: skip
    write(folder / "meta_Tools.jsonl.gz", "".join(json.dumps(one) + "\n" for one in meta))


def ml_100k(folder: Path) -> None:
    """``u.data`` by tabs in random order, ``u.item`` by bars in Latin-1, ``u.user``."""
    rows = [f"{u + 1}\t{i + 1}\t{1 + i % 5}\t{t}\n" for u, i, t in events()]
    write(folder / "u.data", "".join(rows[::-1]))
    genres = "|".join("1" if place in (2, 5) else "0" for place in range(19))
    films = [
        f"{item + 1}|Café {item} (1995)|01-Jan-1995||http://example.org/{item}|{genres}\n"
        for item in range(ITEMS)
    ]
    write(folder / "u.item", "".join(films), "latin-1")
    raters = [f"{user + 1}|{20 + user}|F|writer|0{user:04d}\n" for user in range(USERS)]
    write(folder / "u.user", "".join(raters))


def ml_1m(folder: Path) -> None:
    """Files of fields between double colons, films in Latin-1."""
    rows = [f"{u + 1}::{i + 1}::{1 + i % 5}::{t}\n" for u, i, t in events()]
    write(folder / "ratings.dat", "".join(rows))
    films = [f"{i + 1}::Café: The {i} (1999)::Comedy|Crime\n" for i in range(ITEMS)]
    write(folder / "movies.dat", "".join(films), "latin-1")
    raters = [f"{user + 1}::F::25::7::{user:05d}\n" for user in range(USERS)]
    write(folder / "users.dat", "".join(raters))


def ml_25m(folder: Path) -> None:
    """CSV files with headers; titles with commas are quoted."""
    rows = [f"{u + 1},{i + 1},{0.5 + i % 5},{t}\n" for u, i, t in events()]
    write(folder / "ratings.csv", "userId,movieId,rating,timestamp\n" + "".join(rows))
    films = [
        f'{i + 1},"Café, The {i} (2001)",{"Comedy|Crime" if i else "(no genres listed)"}\n'
        for i in range(ITEMS)
    ]
    write(folder / "movies.csv", "movieId,title,genres\n" + "".join(films))
    write(folder / "tags.csv", f'userId,movieId,tag,timestamp\n1,2,"slow, grey",{BEGIN}\n')


def mind(folder: Path) -> None:
    """Two parts of behaviors and news; the first two events of a user are their past."""
    for part, steps in (("train", (2, 3, 4)), ("dev", (5,))):
        lines = []
        for user in range(USERS):
            taken = events()[user * EVENTS : (user + 1) * EVENTS]
            past = " ".join(f"N{item}" for _, item, _ in taken[: steps[0]])
            for step in steps:
                _, item, time = taken[step]
                # The clock of the file has no leading zeros.
                moment = written(time, "%m/%d/%Y %I:%M:%S %p").lstrip("0")
                shown = f"N{(item + 3) % ITEMS}-0 N{item}-1 N{(item + 5) % ITEMS}-0"
                lines.append(f"{len(lines) + 1}\tU{user}\t{moment}\t{past}\t{shown}\n")
        place = folder / f"MINDsmall_{part}"
        write(place / "behaviors.tsv", "".join(lines))
        entities = '[{"Label": "X", "Type": "P"}]'
        news = [
            f'N{item}\tnews\tcity\tA "quoted" {item}\tAbout {item}\thttp://e.org\t{entities}\t[]\n'
            for item in range(ITEMS)
        ]
        write(place / "news.tsv", "".join(news))


def microlens(folder: Path) -> None:
    """Pairs with milliseconds, the same as sequences, titles with commas, counts, covers, films."""
    rows = [f"{u + 1},{i + 1},{t * 1000}\n" for u, i, t in events()]
    write(folder / "MicroLens-50k_pairs.csv", "user,item,timestamp\n" + "".join(rows))
    titles = [
        f'{i + 1},"Cats, and ""{i}"""\n' if i % 2 else f"{i + 1},Dogs, {i}\n" for i in range(ITEMS)
    ]
    write(folder / "MicroLens-50k_titles.csv", "item,title\n" + "".join(titles))
    lines = [
        f"{user + 1}\t{' '.join(str(i + 1) for u, i, _ in events() if u == user)}\n"
        for user in range(USERS)
    ]
    write(folder / "sequences" / "MicroLens-50k_pairs.tsv", "".join(lines))
    write(folder / "sequences" / "MicroLens-50k_title_en.csv", "".join(titles))
    counts = [f"{i + 1}\t{10 * i}\t{100 * i}\n" for i in range(ITEMS)]
    write(folder / "MicroLens-50k_likes_and_views.txt", "".join(counts))
    for item in range(3):
        write(folder / "MicroLens-50k_covers" / f"{item + 1}.jpg", "picture")
    write(folder / "MicroLens-50k_videos" / "2.mp4", "film")


def lastfm_1k(folder: Path) -> None:
    """Plays, newest first, each artist twice in a row; every third one without an id."""
    lines = []
    for user, item, time in events()[::-1]:
        mbid = "" if item % 3 == 0 else f"mbid-{item}"
        for track in (2, 1):
            moment = written(time + track * 200, "%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"user_{user:06d}\t{moment}\t{mbid}\tBand {item}\t\tSong {track}\n")
    write(folder / "userid-timestamp-artid-artname-traid-traname.tsv", "".join(lines))
    profiles = [f"user_{user:06d}\tf\t\tSpain\tApr 27, 2005\n" for user in range(USERS)]
    head = "#id\tgender\tage\tcountry\tregistered\n"
    write(folder / "userid-profile.tsv", head + "".join(profiles))


def lastfm_360k(folder: Path) -> None:
    rows = [f"sha{u}\tmbid-{i}\tBand {i}\t{50 - u}\n" for u, i, _ in events()]
    write(folder / "usersha1-artmbid-artname-plays.tsv", "".join(rows))
    write(folder / "usersha1-profile.tsv", "sha0\tf\t22\tGermany\tFeb 1, 2007\n")


def lastfm_hetrec(folder: Path) -> None:
    rows = [f"{u + 2}\t{i + 1}\t{90 - u}\n" for u, i, _ in events()]
    write(folder / "user_artists.dat", "userID\tartistID\tweight\n" + "".join(rows))
    artists = [f"{i + 1}\tBand {i}\thttp://e.org/{i}\t\n" for i in range(ITEMS - 1)]
    artists += [f"{ITEMS}\tBand {ITEMS - 1}\thttp://e.org\n"]
    write(folder / "artists.dat", "id\tname\turl\tpictureURL\n" + "".join(artists))
    write(folder / "tags.dat", "tagID\ttagValue\n1\trock\n2\tchansón\n", "latin-1")
    tagged = "2\t1\t1\t1\t4\t2009\n3\t1\t2\t1\t4\t2009\n4\t1\t2\t1\t4\t2009\n"
    head = "userID\tartistID\ttagID\tday\tmonth\tyear\n"
    write(folder / "user_taggedartists.dat", head + tagged)


def article(item: int) -> str:
    return f"{100 + item:04d}{775015 + item:06d}"


def hm(folder: Path) -> None:
    """Articles (quoted where needed), customers, transactions, and two photos in their folders."""
    head = (
        "article_id,product_code,prod_name,product_type_name,product_group_name,"
        "graphical_appearance_name,colour_group_name,department_name,index_group_name,"
        "garment_group_name,detail_desc\n"
    )
    rows = [
        f'{article(i)},{article(i)[:7]},Strap top {i},Vest top,Garment Upper body,Solid,Black,'
        f'Jersey Basic,Ladieswear,Jersey Basic,"Top, with ""narrow"" straps {i}."\n'
        for i in range(ITEMS)
    ]  # fmt: skip
    write(folder / "articles.csv", head + "".join(rows))
    head = "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code\n"
    customers = [f"c{user:064x},,,ACTIVE,NONE,{30 + user}.0,p\n" for user in range(USERS)]
    write(folder / "customers.csv", head + "".join(customers))
    head = "t_dat,customer_id,article_id,price,sales_channel_id\n"
    sold = [
        f"{written(t, '%Y-%m-%d')},c{u:064x},{article(i)},0.0{50 + i},2\n" for u, i, t in events()
    ]
    write(folder / "transactions_train.csv", head + "".join(sold))
    for item in (0, 1):
        name = article(item)
        write(folder / "images" / name[:3] / f"{name}.jpg", "photo")


def yelp(folder: Path) -> None:
    """Places and reviews in JSON lines, photos of one place."""
    places = [
        {
            "business_id": f"b{i}", "name": f"Chez {i}", "address": "1 Rd", "city": "Ardmore",
            "state": "PA" if i % 2 else "NJ", "postal_code": "1", "latitude": 1.0,
            "longitude": 2.0, "stars": 3.5, "review_count": 9, "is_open": 1,
            "attributes": {"Parking": "{'garage': False}"} if i else None,
            "categories": "Restaurants, Soup" if i % 3 else "Nail Salons", "hours": None,
        }
        for i in range(ITEMS)
    ]  # fmt: skip
    stem = "yelp_academic_dataset_"
    write(folder / f"{stem}business.json", "".join(json.dumps(one) + "\n" for one in places))
    reviews = [
        {
            "review_id": f"r{u}-{i}", "user_id": f"u{u}", "business_id": f"b{i}",
            "stars": 1.0 + i % 5, "useful": 0, "funny": 0, "cool": 0, "text": "Nice \u2013 yes",
            "date": written(t, "%Y-%m-%d %H:%M:%S"),
        }
        for u, i, t in events()
    ]  # fmt: skip
    write(folder / f"{stem}review.json", "".join(json.dumps(one) + "\n" for one in reviews))
    photo = {"photo_id": "p1", "business_id": "b1", "caption": "", "label": "food"}
    write(folder / "photos.json", json.dumps(photo) + "\n")
    write(folder / "photos" / "p1.jpg", "photo")


def steam(folder: Path) -> None:
    """Reviews and games as Python prints them, with the prefixes of Python 2."""
    rows = [
        f"{{u'username': u'Ann {u}', u'hours': 1.5, u'product_id': u'{i}', u'page': 1, "
        f"u'date': u'{written(t, '%Y-%m-%d')}', u'text': u'It\\'s\\u2013ok', "
        "u'early_access': False}\n"
        for u, i, t in events()
    ]
    write(folder / "steam_reviews.json.gz", "".join(rows))
    games = [
        f"{{u'id': u'{i}', u'title': u'Game {i}', u'genres': [u'Action', u'RPG'], "
        f"u'price': {[4.99, repr('Free To Play')][i % 2]}, u'developer': u'Dev'}}\n"
        for i in range(ITEMS)
    ]
    write(folder / "steam_games.json.gz", "".join(games))


def online_retail(folder: Path) -> None:
    """The spreadsheet saved as CSV, in Latin-1, with a return and a postage line."""
    head = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    rows = [
        f'{536365 + u * 10 + n},{20000 + i},"CAFÉ SET, £ {i}",6,'
        f"{written(t, '%m/%d/%Y %H:%M')},2.55,{17850 + u}.0,United Kingdom\n"
        for n, (u, i, t) in enumerate(events())
    ]
    rows.append("C536379,20001,RETURNED,-1,12/1/2010 9:41,2.55,17850.0,United Kingdom\n")
    rows.append("536370,POST,POSTAGE,3,12/1/2010 8:45,18,17851.0,France\n")
    rows.append("536371,20001,NOBODY,3,12/1/2010 8:45,18,,France\n")
    write(folder / "Online Retail.csv", head + "".join(rows), "latin-1")
