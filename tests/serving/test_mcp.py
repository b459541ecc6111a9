"""The official package's own client against the server: here, as a process, over HTTP."""

import sys

import anyio
import httpx
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from genrec.serving.conversation.conversation import Conversation
from genrec.serving.keys import KeyFile
from genrec.serving.mcp import http_app, shop_server
from genrec.serving.shop_tools import TOOLS
from tests.serving.conversation.shop import corner_shop
from tests.serving.live import REPOSITORY, on_thread


@pytest.fixture(scope="module")
def conversation():
    return Conversation(corner_shop())


@pytest.fixture(scope="module")
def server(conversation):
    return shop_server(lambda: conversation)


def using(server, work):
    """What comes of some calls of a client."""

    async def run():
        async with Client(server) as client:
            return await work(client)

    return anyio.run(run)


def call(server, tool, **arguments):
    async def work(client):
        return await client.call_tool(tool, arguments)

    return using(server, work)


def test_the_four_tools_are_described(server):
    async def work(client):
        return await client.list_tools()

    tools = {tool.name: tool for tool in using(server, work).tools}
    assert set(tools) == set(TOOLS)
    for name, tool in tools.items():
        assert tool.description == TOOLS[name].about
        assert set(tool.input_schema["properties"]) == set(TOOLS[name].arguments)
        assert tuple(tool.input_schema.get("required", ())) == TOOLS[name].needed
        assert tool.annotations.read_only_hint is True


def test_what_is_recommended_satisfies_the_conditions(server, conversation):
    where = {"category": "lamps", "price": {"max": 50}}
    found = call(server, "recommend", user="u1", n=5, where=where).structured_content
    assert 1 <= len(found["items"]) <= 5
    for one in found["items"]:
        item = conversation.shop.item(one["item"])
        assert item.attributes["category"] == "lamps"
        assert item.price <= 50
        assert item.attributes["in_stock"]


def test_words_are_found_and_conditions_hold_beside_them(server, conversation):
    where = {"price": {"max": 10}}
    found = call(server, "find", text="blue mugs", n=3, where=where).structured_content
    assert found["where"]["colour"] == {"is": "blue"}
    assert found["items"]
    for one in found["items"]:
        item = conversation.shop.item(one["item"])
        assert (item.attributes["colour"], item.attributes["category"]) == ("blue", "mugs")
        assert item.price <= 10


def test_an_item_is_explained_and_advertised(server, conversation):
    item = call(server, "find", text="blue mugs").structured_content["items"][0]["item"]
    said = call(server, "explain", item=item, user="u1").structured_content
    assert said["text"]
    assert said["item"] == item
    ad = call(server, "make_ad", item=item, user="u1").structured_content
    assert conversation.shop.item(item).title in ad["fields"]["title"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("explain", {"item": "nothing"}, "no item 'nothing'"),
        ("make_ad", {"item": "../x"}, "no item"),
        ("recommend", {"where": {"colr": "blue"}}, "colr"),
        ("find", {"text": ""}, "empty"),
        ("find", {"text": "mugs", "n": 0}, "n"),
        ("recommend", {"n": 5000}, "n"),
    ],
)
def test_what_cannot_be_done_is_told_to_the_model(server, name, arguments, says):
    answer = call(server, name, **arguments)
    assert answer.is_error
    assert says in answer.content[0].text


def test_over_http_with_keys(server, tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.new("agent")
    with on_thread(http_app(server, keys)) as address:
        refused = httpx.post(f"{address}/mcp", json={})
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "wrong_key"
        assert httpx.post(f"{address}/mcp", json={}, headers={"Authorization": "Bearer gr_a_b"})
    with on_thread(http_app(server, None)) as address:
        found = call(f"{address}/mcp", "find", text="lamps").structured_content
        assert found["items"]
        rebound = httpx.post(f"{address}/mcp", json={}, headers={"Host": "evil.example"})
        assert rebound.status_code in (403, 421)
    assert key.startswith("gr_")


@pytest.mark.slow
def test_as_a_process_on_its_own_input_and_output():
    words = ["-m", "tests.serving.mcp_shop"]
    parameters = StdioServerParameters(
        command=sys.executable, args=words, cwd=str(REPOSITORY), env={"PYTHONPATH": str(REPOSITORY)}
    )
    answer = call(stdio_client(parameters), "find", text="blue mugs", n=2)
    assert len(answer.structured_content["items"]) == 2
