import json
import re
import threading
import urllib.error
import urllib.request
from html.parser import HTMLParser

import polars as pl
import pytest

from genrec.creatives.ad import Ad
from genrec.creatives.ad_folder import read_ads
from genrec.creatives.provenance import Provenance
from genrec.creatives.review import (
    merge_decisions,
    pairs_of,
    read_decisions,
    stored_decisions,
)
from genrec.creatives.review_page import ADS_OF_PAGE, campaign_key, policy, write_pages
from genrec.creatives.review_server import ReviewServer
from genrec.errors import InputError
from genrec.stages.ads import AdOptions, make_ads
from tests.creatives.small_shop import campaign, shop_run

EVIL = "</script><img src=x onerror=alert(1)> \"'&{{x}} \u2028"


def ad(number: int, text: str = "Hello", **changes) -> Ad:
    about = {
        "id": f"{number:032x}",
        "item": "p1",
        "channel": "push",
        "language": "en",
        "fields": {"title": "Lamp", "body": text},
        "mode": "rank",
        "written_by": "rank",
        "provenance": Provenance(seed=number),
    }
    return Ad(**{**about, **changes})


def page_of(folder, ads, **titles) -> str:
    deliveries = pl.DataFrame({"ad_id": [one.id for one in ads], "recipient": [EVIL] * len(ads)})
    write_pages(folder, "spring", ads, deliveries, {"p1": "Lamp", **titles})
    return (folder / "review.html").read_text()


class Page(HTMLParser):
    """Elements, their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)


def test_no_text_of_an_ad_an_item_or_a_user_becomes_markup(tmp_path):
    evil = ad(1, EVIL, item=EVIL, notes=(EVIL,), failure=EVIL, language="en")
    text = page_of(tmp_path, [evil], **{EVIL: EVIL})
    plain = Page(page_of(tmp_path, [ad(1, "Hello", notes=("n",), failure="f")]))
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert not [tag for tag, given in page.tags if "style" in given and tag != "style"]
    assert EVIL.strip() in "".join(page.words)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert "alert" not in "".join(scripts)
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}


def test_the_policy_lets_the_pages_own_script_run_and_nothing_else(tmp_path):
    import base64
    import hashlib

    text = page_of(tmp_path, [ad(1)])
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy()
    assert "default-src 'none'" in policy()
    assert "unsafe" not in policy()
    assert f'content="{policy()}"' in text
    # Offline: nothing is fetched from anywhere.
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)


def test_every_control_has_a_label_and_every_ad_a_name(tmp_path):
    page = Page(page_of(tmp_path, [ad(1), ad(2)]))
    controls = [given for tag, given in page.tags if tag in ("input", "select")]
    labels = [tag for tag, _ in page.tags].count("label")
    assert len(controls) == labels == 5
    articles = [given for tag, given in page.tags if tag == "article"]
    assert len(articles) == 2
    assert all(given["aria-label"] and given["tabindex"] == "0" for given in articles)
    assert dict(page.tags)["html"]["lang"] == "en"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_words_stand_out_from_what_is_behind_them_by_day_and_by_night(repository):
    style = (repository / "genrec" / "creatives" / "review.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colour = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        pairs = [("ink", "card"), ("soft", "card"), ("accent", "card"), ("soft", "paper")]
        pairs += [("yes", "yes-paper"), ("no", "no-paper"), ("warn", "warn-paper")]
        for words, behind in pairs:
            light, dark = sorted((luminance(colour[words]), luminance(colour[behind])))[::-1]
            # WCAG 2.2, 1.4.3: at least 4.5.
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, behind)


def test_many_ads_are_spread_over_pages_that_name_each_other(tmp_path):
    ads = [ad(number) for number in range(2 * ADS_OF_PAGE + 1)]
    (tmp_path / "review-9.html").write_text("of an earlier, larger state")
    text = page_of(tmp_path, ads)
    names = sorted(path.name for path in tmp_path.glob("review*.html"))
    assert names == ["review-2.html", "review-3.html", "review.html"]
    assert 'href="review-2.html"' in text
    assert 'href="review.html"' in (tmp_path / "review-2.html").read_text()
    assert (tmp_path / "review-3.html").read_text().count("<article") == 1


def test_pairs_hold_an_approved_and_a_rejected_text_of_the_same_place():
    ads = [
        ad(1, "a"),
        ad(2, "b"),
        ad(3, "c"),
        ad(4, "d", channel="sms"),
        ad(5, "a"),
        ad(6, "e"),
    ]
    decided = {
        ads[0].id: "approve",
        ads[1].id: "reject",
        ads[2].id: "reject",
        ads[3].id: "reject",
        ads[4].id: "reject",
    }
    pairs = pairs_of(ads, decided)
    assert pairs.select("better_id", "worse_id").rows() == [
        (ads[0].id, ads[1].id),
        (ads[0].id, ads[2].id),
    ]
    assert pairs["better"][0] == "Lamp\na"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("review")
    asked = campaign(write={"seeds": [0, 1, 2]}, brief={"intensity": "none"})
    make_ads(shop_run(base / "run"), asked, base / "ads", AdOptions())
    return base / "ads"


def decisions(rows, **more) -> dict:
    return {"decisions": [{"ad_id": one, "decision": choice} for one, choice in rows], **more}


def test_decisions_are_merged_later_ones_win_and_the_page_shows_them(folder, tmp_path):
    ads = read_ads(folder)
    file = tmp_path / "decisions.json"
    file.write_text(json.dumps(decisions([(ads[0].id, "approve"), (ads[1].id, "reject")])))
    counts = merge_decisions(folder, read_decisions(file))
    assert (counts["approved"], counts["rejected"], counts["open"]) == (1, 1, len(ads) - 2)
    merge_decisions(folder, decisions([(ads[0].id, "undecided"), (ads[1].id, "approve")]))
    assert stored_decisions(folder) == {ads[1].id: "approve"}
    assert (folder / "review.html").read_text().count('data-stored="approve"') == 1
    assert set(pl.read_parquet(folder / "pairs.parquet").columns) >= {"better", "worse"}
    # Writing the campaign again keeps what was decided.
    asked = campaign(write={"seeds": [0, 1, 2]}, brief={"intensity": "none"})
    make_ads(shop_run(folder.parent / "run2"), asked, folder, AdOptions())
    assert stored_decisions(folder) == {ads[1].id: "approve"}
    merge_decisions(folder, decisions([(ads[1].id, "undecided")]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "holds no decisions"),
        ("{}", "has no list 'decisions'"),
        ('{"decisions": [{"decision": "approve"}]}', "decision 1: names no ad_id"),
        (
            '{"decisions": [{"ad_id": "x", "decision": "aprove"}]}',
            "'aprove' is no decision; did you mean 'approve'",
        ),
        ('{"decisions": [{"ad_id": "x", "decision": "approve"}]}', "no ad 'x'"),
        (
            '{"campaign": "y", "decisions": [{"ad_id": "x", "decision": "approve"}]}',
            "of another campaign",
        ),
    ],
)
def test_files_that_are_no_decisions_are_refused(folder, tmp_path, text, told):
    file = tmp_path / "d.json"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(told)):
        merge_decisions(folder, read_decisions(file))


@pytest.fixture
def server(folder):
    with ReviewServer(folder) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def ask(server, path="", body=None, **headers):
    request = urllib.request.Request(
        server.url + path,
        data=None
        if body is None
        else body
        if isinstance(body, bytes)
        else json.dumps(body).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_the_server_keeps_decisions_at_once(server, folder):
    ads = read_ads(folder)
    status, page, headers = ask(server)
    assert (status, page.count(b"<article")) == (200, len(ads))
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    body = decisions([(ads[0].id, "approve")], campaign=campaign_key(ads))
    status, answer, _ = ask(server, "decisions", body, X_Genrec_Review="1")
    assert (status, json.loads(answer)["approved"]) == (200, 1)
    assert stored_decisions(folder) == {ads[0].id: "approve"}
    assert json.loads(ask(server, "decisions")[1]) == {"decisions": body["decisions"]}
    assert ask(server, "decisions", decisions([(ads[0].id, "undecided")]), X_Genrec_Review="1")


def test_other_sites_and_wrong_requests_are_refused(server, folder):
    ads = read_ads(folder)
    body = decisions([(ads[0].id, "approve")])
    before = stored_decisions(folder)
    assert ask(server, "decisions", body)[0] == 403
    evil = {"X_Genrec_Review": "1", "Origin": "https://evil.example"}
    assert ask(server, "decisions", body, **evil)[0] == 403
    assert ask(server, "", Host="evil.example")[0] == 403
    assert ask(server, "decisions", b"{", X_Genrec_Review="1")[0] == 400
    assert ask(server, "decisions", b"[]", X_Genrec_Review="1")[0] == 400
    unknown = decisions([("x", "approve")])
    assert ask(server, "decisions", unknown, X_Genrec_Review="1")[0] == 422
    assert ask(server, "decisions", b" " * 1_000_001, X_Genrec_Review="1")[0] == 413
    for path in ("../run/run.json", "_job.json", "ads.jsonl", "%2e%2e/x", "review-7.html"):
        assert ask(server, path)[0] == 404, path
    assert server.server_address[0] == "127.0.0.1"
    assert stored_decisions(folder) == before
