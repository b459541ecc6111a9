"""The chat over HTTP: sessions, turns as server-sent events, the profile, pictures of items."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Header, Response
from fastapi.responses import JSONResponse, StreamingResponse

from genrec.serving import shopfront_schemas as schemas
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.sessions import Session, UnknownSession
from genrec.serving.feed import Feed
from genrec.serving.guards import POSTED, Guard, errors
from genrec.serving.keys import ApiKey, RateLimits
from genrec.serving.problems import RequestProblem
from genrec.serving.service import Service
from genrec.serving.shopfront import Shopfront
from genrec.serving.shopfront_pictures import Pictures
from genrec.serving.shopfront_profile import profile_view
from genrec.serving.welcome import welcome

# Seconds of silence after which a stream says that it is still there.
BEAT = 10.0
# Milliseconds after which a client that lost its connection asks again.
RETRY = 1000
_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
_READ = (401, 404, 429, 503)


def add_shopfront(
    app: FastAPI, service: Service, shopfront: Shopfront, allowed: Guard, *, local: bool
) -> None:
    """The routes of the chat.

    Args:
        local: whether only this machine can call; names of users are suggested then alone.
    """
    limits, options = RateLimits(), shopfront.options
    pictures = Pictures()
    Caller = Annotated[ApiKey | None, Depends(allowed)]  # noqa: N806

    def owner_of(key: ApiKey | None) -> str:
        return key.id if key else ""

    def within(name: str, rate: float, what: str) -> None:
        if wait := limits.take_of(name, rate):
            raise RequestProblem(
                429, "rate_limit", f"At most {rate:g} {what} a minute.", retry_after=wait
            )

    def found(session: str, key: ApiKey | None) -> Session:
        return shopfront.sessions.get(session, owner=owner_of(key))

    @app.get(
        "/v1/shop",
        response_model=schemas.ShopAnswer,
        responses=errors(401, 429),
        tags=["chat"],
    )
    def shop(_: Caller) -> Any:
        """What is sold here, and what one might ask for."""
        return welcome(shopfront.shop, users=local)

    @app.post(
        "/v1/chat/sessions",
        status_code=201,
        response_model=schemas.SessionAnswer,
        responses=errors(*POSTED),
        tags=["chat"],
    )
    def create(key: Caller, body: schemas.SessionBody | None = None) -> Any:
        """Open a chat. Its id is a secret of whoever opened it."""
        service.refuse_when_draining()
        within(f"sessions of {owner_of(key)}", options.sessions_a_minute, "new chats")
        made = shopfront.open(user=body.user if body else "", owner=owner_of(key))
        return _facts(made)

    @app.get(
        "/v1/chat/sessions/{session}",
        response_model=schemas.TranscriptAnswer,
        responses=errors(*_READ),
        tags=["chat"],
    )
    def transcript(session: str, key: Caller) -> Any:
        """A chat with all its turns."""
        facts = _facts(found(session, key))
        turns = shopfront.sessions.turns(session, owner=owner_of(key))
        kept = [
            {
                "version": one.version,
                "time": one.time,
                "message": one.message,
                "events": list(one.events),
            }
            for one in turns
        ]
        return {**facts, "turns": kept}

    @app.get(
        "/v1/chat/sessions/{session}/export",
        response_model=schemas.ExportAnswer,
        responses=errors(*_READ),
        tags=["chat"],
    )
    def export(session: str, key: Caller, response: Response) -> Any:
        """Everything that is kept of a chat, as a file."""
        response.headers["Content-Disposition"] = 'attachment; filename="chat.json"'
        return shopfront.sessions.export(session, owner=owner_of(key))

    @app.delete(
        "/v1/chat/sessions/{session}",
        status_code=204,
        response_class=Response,
        responses=errors(*_READ),
        tags=["chat"],
    )
    def delete(session: str, key: Caller) -> None:
        """Delete a chat for good."""
        shopfront.sessions.delete(session, owner=owner_of(key))

    @app.post(
        "/v1/chat/sessions/{session}/turns",
        response_class=StreamingResponse,
        responses={**_STREAM, **errors(*POSTED, 404)},
        tags=["chat"],
    )
    async def turn(session: str, body: schemas.TurnBody, key: Caller) -> Any:
        """Say something; the answer comes as events, and the last, `done`, once it is kept."""
        service.refuse_when_draining()
        within(f"turns of {session}", options.turns_a_minute, "messages")
        message = Message(body.text, body.action, body.item, id=body.id)

        def say() -> Feed:
            return shopfront.say(session, message, owner=owner_of(key))

        feed = await anyio.to_thread.run_sync(say)
        return _stream(_said(feed))

    @app.get(
        "/v1/chat/sessions/{session}/events",
        response_class=StreamingResponse,
        responses={**_STREAM, **errors(*_READ, 422)},
        tags=["chat"],
    )
    async def events(
        session: str,
        key: Caller,
        last_event_id: Annotated[str, Header(max_length=32)] = "",
    ) -> Any:
        """What was said after an event, to the end of the turn that is under way."""
        version, number = _place(last_event_id)

        def missed() -> list[Feed]:
            live = shopfront.under_way(session, owner=owner_of(key))
            turns = shopfront.sessions.turns(session, owner=owner_of(key))
            kept = [Feed(one.version, one.events, ended=True) for one in turns]
            # A turn may have been kept between the two looks; it comes once.
            last = kept[-1].version if kept else 0
            return [*kept, *(one for one in live if one.version > last)]

        feeds = await anyio.to_thread.run_sync(missed)
        wanted = [feed for feed in feeds if feed.version >= version]
        return _stream(_all_said(wanted, version, number))

    @app.get(
        "/v1/chat/sessions/{session}/profile",
        response_model=schemas.ProfileAnswer,
        responses=errors(*_READ),
        tags=["chat"],
    )
    def profile(session: str, key: Caller) -> Any:
        """What the shop thinks of the shopper, and what each thought rests on."""
        return profile_view(shopfront.shop, found(session, key).state)

    @app.post(
        "/v1/chat/sessions/{session}/forget",
        response_model=schemas.ForgottenAnswer,
        responses=errors(*POSTED, 404),
        tags=["chat"],
    )
    def forget(session: str, key: Caller) -> Any:
        """Forget the session's user: profile, posted events and all their chats."""
        service.refuse_when_draining()
        user = found(session, key).user
        if not user:
            shopfront.sessions.delete(session, owner=owner_of(key))
            return schemas.ForgottenAnswer(sessions=1, events=0)
        gone = shopfront.forget(user)
        return schemas.ForgottenAnswer(sessions=gone, events=service.events.forget(user))

    @app.get(
        "/v1/pictures/{item_id:path}",
        response_class=Response,
        responses={200: {"content": {"image/webp": {}}}, **errors(401, 404, 429)},
        tags=["recommend"],
    )
    def picture(item_id: str, _: Caller) -> Response:
        """An item's picture, drawn anew from its pixels: never the file itself."""
        drawn = pictures.of(shopfront.shop.catalog, item_id)
        if drawn is None:
            raise RequestProblem(404, "no_picture", f"The item '{item_id}' has no picture.")
        return Response(drawn, media_type="image/webp", headers=_PICTURE)

    async def unknown(_: Any, error: Exception) -> JSONResponse:
        problem = RequestProblem(404, "unknown_session", str(error).partition("\n")[0])
        return JSONResponse(problem.answer.model_dump(), 404)

    app.add_exception_handler(UnknownSession, unknown)


_PICTURE = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def _facts(session: Session) -> dict[str, Any]:
    return {
        "session": session.id,
        "user": session.user,
        "version": session.version,
        "created": session.created,
        "expires": session.expires,
    }


def _place(last_event_id: str) -> tuple[int, int]:
    """A version and a number from an event's id, such as ``3.12``; from the start without one."""
    if not last_event_id:
        return 0, 0
    version, _, number = last_event_id.partition(".")
    if not (version.isascii() and version.isdigit() and number.isascii() and number.isdigit()):
        raise RequestProblem(
            422, "bad_request", "Last-Event-ID is no event of this chat, such as 3.12."
        )
    return int(version), int(number)


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _said(feed: Feed, after: int = 0) -> AsyncIterator[str]:
    if not after:
        yield f"retry: {RETRY}\n\n"
    async for number, piece in feed.listen(after, beat=BEAT):
        yield ": still here\n\n" if piece is None else _event(feed.version, number, piece)


async def _all_said(feeds: list[Feed], version: int, number: int) -> AsyncIterator[str]:
    yield f"retry: {RETRY}\n\n"
    for feed in feeds:
        async for event in _said(feed, feed.place(version, number)):
            yield event


def _event(version: int, number: int, piece: dict[str, Any]) -> str:
    data = json.dumps(piece, ensure_ascii=False)
    return f"id: {version}.{number}\nevent: {piece['kind']}\ndata: {data}\n\n"
