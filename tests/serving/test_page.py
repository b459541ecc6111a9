"""The page in a real browser: asked, refined, rejected, advertised, reloaded."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

from genrec.serving.conversation.conversation import Conversation
from tests.serving.chats import app_of, counter
from tests.serving.conversation.shop import corner_shop
from tests.serving.live import on_thread

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]
WIDTHS = {"desktop": (1280, 860), "phone": (360, 740)}


@pytest.fixture(scope="module")
def talk():
    return Conversation(corner_shop())


@pytest.fixture(scope="module")
def address(tmp_path_factory, talk):
    folder = tmp_path_factory.mktemp("page")
    with app_of(folder, counter(folder, talk)) as app, on_thread(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@contextmanager
def window(browser, address, width="desktop", **others):
    """A page that fails the test if a script fails, a policy is broken or another host is asked."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, **others)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("request", lambda request: _check(request, address, wrong))
    page = context.new_page()
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    go(page, address)
    yield page
    context.close()
    assert not wrong


def _check(request, address, wrong):
    if not request.url.startswith((address, "blob:")):
        wrong.append(f"another host was asked: {request.url}")


def go(page, address):
    page.goto(address)
    page.wait_for_selector("html[data-ready]")


def say(page, text):
    """Types a message and waits for its answer's end."""
    turns = page.locator(".turn").count()
    page.fill("#say", text)
    page.keyboard.press("Enter")
    page.locator(".turn").nth(turns).wait_for()
    page.wait_for_selector("#send:enabled")


def titles(page):
    """What the last cards are called."""
    return page.locator(".cards").last.locator("h3").all_inner_texts()


def act(page, label, at=0):
    turns = page.locator(".turn").count()
    page.locator(".cards").last.get_by_role("button", name=label, exact=True).nth(at).click()
    page.locator(".turn").nth(turns).wait_for()
    page.wait_for_selector("#send:enabled")


@pytest.mark.parametrize("width", WIDTHS)
def test_asked_refined_rejected_advertised_reloaded_and_gone_on_with(browser, address, width):
    with window(browser, address, width) as page:
        say(page, "mugs")
        assert len(titles(page)) == 4
        say(page, "only blue ones")
        assert "blue" in page.locator("#rules").inner_text().lower()
        first = page.locator(".cards").last.locator(".card").first.get_attribute("data-item")
        act(page, "Never show this again")
        shown = page.locator(".cards").last.locator(".card")
        assert first not in [one.get_attribute("data-item") for one in shown.all()]
        act(page, "Why this?")
        assert page.locator(".turn").last.inner_text().count("\n") >= 1
        page.locator(".card:not(.gone) [aria-label='Make an ad for me']").last.click()
        page.wait_for_selector(".poster")
        page.wait_for_selector("#send:enabled")
        assert page.locator(".poster .label").inner_text().lower() == "ad"
        before = page.locator("#talk").inner_text()
        turns = page.locator(".turn").count()
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.locator(".turn").count() == turns
        assert page.locator("#talk").inner_text() == before
        assert "blue" in page.locator("#rules").inner_text().lower()
        say(page, "cheaper")
        assert first not in [
            one.get_attribute("data-item")
            for one in page.locator(".cards").last.locator(".card").all()
        ]
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]


def test_two_tabs_show_one_chat(browser, address):
    with window(browser, address) as page:
        say(page, "lamps")
        other = page.context.new_page()
        go(other, address)
        assert other.locator(".turn").count() == 1
        say(other, "blue")
        page.locator(".turn").nth(1).wait_for()
        assert page.locator("#talk").inner_text() == other.locator("#talk").inner_text()
        say(page, "cheaper")
        other.locator(".turn").nth(2).wait_for()


def test_several_chats_are_kept_apart_and_deleted(browser, address):
    with window(browser, address) as page:
        say(page, "mugs")
        page.click("#new-chat")
        assert page.locator(".turn").count() == 0
        say(page, "lamps")
        page.locator("#chat-list .go").nth(1).click()
        page.get_by_text("mugs", exact=True).first.wait_for()
        page.locator("#chat-list [aria-label^='Delete']").first.click()
        page.locator("#chat-list li").nth(1).wait_for(state="detached")
        assert page.locator("#chat-list li").count() == 1


def test_what_is_put_into_the_basket_is_told_to_the_shop(browser, address):
    with window(browser, address) as page:
        say(page, "vases")
        with page.expect_response("**/v1/events") as told:
            page.locator(".card .main").first.click()
        assert told.value.json() == {"added": 1, "repeated": 0}
        page.click("#open-basket")
        assert page.locator("#basket .lines li").count() == 1
        page.keyboard.press("Escape")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#open-basket .count").inner_text() == "1"


def test_what_is_bought_in_words_lies_in_the_basket_once_and_can_be_taken_out(browser, address):
    with window(browser, address) as page:
        say(page, "vases")
        assert "Doesn't matter" in page.locator("#quick button").all_inner_texts()
        with page.expect_response("**/v1/events"):
            say(page, "I'll take the second one")
        second = page.locator(".card").nth(1).locator(".main")
        assert page.locator("#open-basket .count").inner_text() == "1"
        assert second.inner_text() == "In basket"
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#open-basket .count").inner_text() == "1"
        page.click("#open-basket")
        page.locator("#basket [aria-label^='Take out']").click()
        assert page.locator("#open-basket .count").count() == 0
        assert second.inner_text() == "Add"


def test_the_profile_shows_its_evidence_and_is_forgotten(browser, address, talk):
    with window(browser, address) as page:
        page.click("#open-profile")
        page.select_option("#as", "u3")
        say(page, "bags")
        page.click("#open-profile")
        page.wait_for_selector("#profile .last")
        if page.locator("#profile summary").count():
            page.locator("#profile summary").first.click()
            titles_of = {item.title for item in talk.shop.catalog}
            assert page.locator("#profile .evidence li span").first.inner_text() in titles_of
        page.get_by_role("button", name="Forget me", exact=True).click()
        page.get_by_role("button", name="Forget me for good").click()
        page.wait_for_selector("#notice:visible")
        assert "Forgotten" in page.locator("#notice").inner_text()
        assert page.locator("#chat-list li").count() == 0


def test_everything_goes_by_keyboard(browser, address):
    with window(browser, address) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.keyboard.type("mugs")
        page.keyboard.press("Enter")
        page.wait_for_selector(".card")
        page.wait_for_selector("#send:enabled")
        assert "4 items" in page.locator("#spoken").inner_text()
        page.locator(".card").first.get_by_role("button", name="Never show this again").focus()
        page.keyboard.press("ArrowRight")
        inside = "document.activeElement.closest('.card').dataset.item"
        second = page.locator(".card").nth(1).get_attribute("data-item")
        assert page.evaluate(inside) == second
        page.keyboard.press("Enter")
        page.wait_for_selector(".turn:nth-child(2) .card")
        # The card is gone; the keyboard stands at its neighbour.
        assert page.evaluate(inside) != second
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "say"


def test_a_hostile_message_is_shown_as_it_was_typed(browser, address):
    text = "<img src=x onerror=alert(1)> ![p](https://evil.example/x.png) mugs"
    with window(browser, address) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        say(page, text)
        assert page.locator(".mine p").first.inner_text() == text
        assert page.locator("#talk img").count() == 0


def test_a_server_that_goes_and_comes_back_loses_nothing(browser, tmp_path, talk):
    folder = tmp_path
    with (
        app_of(folder, counter(folder, talk)) as app,
        on_thread(app) as address,
        window(browser, address) as page,
    ):
        say(page, "mugs")
        page.route("**/turns", lambda route: route.abort(), times=2)
        say(page, "blue")
        assert page.locator(".trouble").count() == 0
        assert page.locator(".turn").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(browser, address, width, scheme):
    with window(
        browser, address, width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    ) as page:
        found = serious(page)
        say(page, "blue mugs")
        act(page, "Why this?")
        page.locator("[aria-label='Make an ad for me']").first.click()
        page.wait_for_selector(".poster")
        page.wait_for_selector("#send:enabled")
        found += serious(page)
        page.click("#open-profile")
        page.wait_for_selector("#profile .whose")
        found += serious(page)
        page.keyboard.press("Escape")
        page.click("#open-basket")
        found += serious(page)
        assert not found


def serious(page):
    result = axe.Axe().run(page)
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in result.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
