"""The route of OpenAI's form: a text model goes on with a chat, or the shop assistant does."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Response
from fastapi.responses import StreamingResponse

from genrec.errors import ConfigError
from genrec.serving import assistant, schemas
from genrec.serving.assistant import SHOP_MODEL, Assistant
from genrec.serving.chat import Chats, failed, server_sent, whole_answer
from genrec.serving.guards import POSTED, Guard, errors
from genrec.serving.keys import ApiKey
from genrec.serving.options import ServeConfig
from genrec.serving.problems import RequestProblem
from genrec.serving.service import Service
from genrec.serving.shopfront import Shopfront


def add_completions(
    app: FastAPI,
    service: Service,
    config: ServeConfig,
    allowed: Guard,
    shopfront: Shopfront | None = None,
) -> None:
    """The route; without a shopfront it has text models only."""
    chats = Chats(waiting=config.queue, timeout=config.timeout)
    shop = Assistant(shopfront) if shopfront is not None else None
    Caller = Annotated[ApiKey | None, Depends(allowed)]  # noqa: N806

    @app.post(
        "/v1/chat/completions",
        response_model=schemas.ChatAnswer,
        response_model_exclude_none=True,
        responses={
            200: {"content": {"text/event-stream": {}}},
            **errors(*POSTED, 404, 501, 504),
        },
        tags=["chat"],
    )
    async def complete(body: schemas.ChatBody, key: Caller) -> Any:
        """Go on with a conversation, in the form of OpenAI; `stream` sends pieces.

        The model `genrec-shop` is the shop assistant: it shows items as text, and calls those of
        the tools recommend, find, explain and make_ad that the request passes.
        """
        service.refuse_when_draining()
        model = service.current.text_model
        if shop is not None and body.model == SHOP_MODEL:
            return await _from_shop(shop, body, key)
        if model is None and shop is None:
            raise RequestProblem(
                501,
                "no_text_model",
                "No text model is loaded, so there is no chat. /v1/recommend works.",
            )
        if model is None or body.model != model.name:
            there = [SHOP_MODEL] * (shop is not None) + [model.name for model in (model,) if model]
            raise RequestProblem(
                404, "unknown_model", f"No model '{body.model}' here; ask {' or '.join(there)}."
            )
        if any(one.role == "tool" or one.content is None for one in body.messages):
            raise RequestProblem(
                422, "bad_request", f"The model {model.name} calls no tools; send it texts alone."
            )
        pieces = chats.pieces(model, body)
        if body.stream:
            return StreamingResponse(server_sent(pieces, model), media_type="text/event-stream")
        try:
            return await whole_answer(pieces, model)
        except ConfigError as error:
            raise failed(error) from error


async def _from_shop(shop: Assistant, body: schemas.ChatBody, key: ApiKey | None) -> Response | Any:
    owner = key.id if key else ""
    feed = await anyio.to_thread.run_sync(lambda: shop.feed(body, owner=owner))
    if body.stream:
        return StreamingResponse(assistant.streamed(feed, body), media_type="text/event-stream")
    return await assistant.whole(feed, body)
