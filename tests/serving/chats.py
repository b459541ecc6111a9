"""The corner shop with a counter to talk at: over HTTP, on a thread, or without a server."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.testclient import TestClient

from genrec.serving.app import create_app
from genrec.serving.batching import Batcher
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.session_stores import open_sessions
from genrec.serving.conversation.shop import Shop
from genrec.serving.events import SqliteEvents
from genrec.serving.loaded import Loaded
from genrec.serving.service import Service
from genrec.serving.shopfront import Shopfront, ShopfrontOptions
from tests.serving.conversation.shop import corner_shop


def counter(folder, conversation=None, **options) -> Shopfront:
    """A counter whose sessions lie in a folder."""
    made = conversation or Conversation(corner_shop())
    sessions = open_sessions(f"sqlite:///{folder / 'chats.sqlite'}")
    return Shopfront(lambda: made, sessions, ShopfrontOptions(**options))


@contextmanager
def app_of(folder, front: Shopfront, **given):
    """The whole service around a counter; the service closes both."""
    sold: Shop = front.shop
    loaded = Loaded(sold.recommender, sold.dataset, "first", conversation=front.conversation)
    service = Service(loaded, SqliteEvents(folder / "events.sqlite"), Batcher(max_wait_ms=0))
    yield create_app(service, shopfront=front, **given)


@contextmanager
def client_of(folder, front: Shopfront | None = None, **given):
    """A client of the whole service."""
    with (
        app_of(folder, front or counter(folder), **given) as app,
        TestClient(app, raise_server_exceptions=False) as client,
    ):
        yield client


@dataclass
class Chat:
    """One session of a client."""

    client: TestClient
    id: str
    headers: dict[str, str]

    @staticmethod
    def open(client, *, key: str = "", **body) -> Chat:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = client.post("/v1/chat/sessions", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return Chat(client, answer.json()["session"], headers)

    @property
    def path(self) -> str:
        return f"/v1/chat/sessions/{self.id}"

    def post(self, text: str = "", **others):
        return self.client.post(
            f"{self.path}/turns", json={"text": text, **others}, headers=self.headers
        )

    def say(self, text: str = "", **others) -> list[dict]:
        """The events of an answer."""
        answer = self.post(text, **others)
        assert answer.status_code == 200, answer.text
        return [data for _, data in events(answer.text)]

    def kept(self) -> dict:
        answer = self.client.get(self.path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


def events(text: str) -> list[tuple[str, dict]]:
    """Ids and data of a stream's events."""
    found = []
    for part in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
        if "data" in lines:
            data = json.loads(lines["data"])
            assert lines["event"] == data["kind"]
            found.append((lines["id"], data))
    return found


def kinds(said: list[dict]) -> list[str]:
    return [one["kind"] for one in said]


def cards(said: list[dict]) -> list[dict]:
    return [card for one in said if one["kind"] == "cards" for card in one["cards"]]
