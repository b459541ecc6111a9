"""The routes. Each takes a typed body, asks the service, and answers typed JSON."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import polars as pl
from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from genrec.data.catalog import Item
from genrec.errors import InputError
from genrec.recommenders.base import Recommendation
from genrec.serving import schemas
from genrec.serving.assistant import SHOP_MODEL
from genrec.serving.batching import Job
from genrec.serving.completions import add_completions
from genrec.serving.edge import BodyLimits, Metrics, Observed
from genrec.serving.error_answers import handle_errors
from genrec.serving.events import Event
from genrec.serving.guards import POSTED, Guard, errors, guards
from genrec.serving.keys import KeyFile
from genrec.serving.options import ServeConfig
from genrec.serving.problems import RequestProblem
from genrec.serving.service import Service
from genrec.serving.shopfront import Shopfront
from genrec.serving.shopfront_page import add_page
from genrec.serving.shopfront_routes import add_shopfront

log = logging.getLogger(__name__)

ABOUT = """Recommendations from a trained genrec model.

Errors have one form: `{"error": {"code", "message", "problems"}}`. Answers carry `X-Request-Id`,
which the service's log knows too.
"""

# Seconds for the last batch and the store, when all requests are done with.
CLOSING = 5.0
# Items of a catalogue whose answers are kept.
SHOWN_ITEMS = 10_000


def create_app(
    service: Service,
    config: ServeConfig | None = None,
    *,
    keys: KeyFile | None = None,
    metrics: Metrics | None = None,
    shopfront: Shopfront | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        keys: who may call; ``None`` lets everyone in, but nobody reload models.
        metrics: shared with whoever made the batcher.
        shopfront: the chat that recommends, with its page; ``None`` leaves both out.
    """
    config, metrics = config or ServeConfig(), metrics or Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        # The server has answered or given up everything by now.
        if shopfront is not None:
            await asyncio.to_thread(shopfront.close, min(config.drain, CLOSING))
        await asyncio.to_thread(service.close, min(config.drain, CLOSING))

    app = FastAPI(
        title="genrec", version="1", description=ABOUT, lifespan=lifespan, redirect_slashes=False
    )
    # The first added is the innermost.
    app.add_middleware(BodyLimits, config=config)
    if config.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    app.add_middleware(Observed, metrics=metrics)
    service.watch_reload = lambda outcome: metrics.reloads.labels(outcome).inc()
    handle_errors(
        app,
        {
            "/v1/recommend": partial(_problems_of_request, service),
            "/v1/events": partial(_problems_of_events, service),
        },
    )
    allowed, admin = guards(keys)
    _add_recommending(app, service, config, allowed)
    _add_events(app, service, metrics, allowed)
    _add_models(app, service, allowed, admin, sells=shopfront is not None)
    add_completions(app, service, config, allowed, shopfront)
    if shopfront is not None:
        add_shopfront(app, service, shopfront, allowed, local=config.is_local)
        add_page(app)
    _add_state(app, service, metrics)
    return app


def _add_recommending(app: FastAPI, service: Service, config: ServeConfig, allowed: Guard) -> None:
    @app.post(
        "/v1/recommend",
        response_model=schemas.RecommendAnswer,
        responses=errors(*POSTED, 404, 504),
        dependencies=[Depends(allowed)],
        tags=["recommend"],
    )
    async def recommend(body: schemas.RecommendBody, request: Request) -> Any:
        """The best items after a history, or for a user."""
        if body.n > config.max_n:
            many = RequestProblem(
                422, "bad_request", f"n is {body.n}; the most here is {config.max_n}."
            )
            others = await asyncio.to_thread(
                service.current.problems_with, body.history, body.where
            )
            raise RequestProblem.together([many, *others])
        service.refuse_when_draining()
        service.batcher.check_room()
        loop = asyncio.get_running_loop()
        end = loop.time() + config.timeout
        try:
            async with asyncio.timeout_at(end):
                events = service.read_at_once(body.history, body.user, body.where)
                prepare = partial(
                    service.prepare,
                    history=body.history,
                    user=body.user,
                    n=body.n,
                    where=body.where,
                    exclude_seen=body.exclude_seen,
                    events=events,
                )
                asked = await asyncio.to_thread(prepare) if events is None else prepare()
                job = service.submit(asked, timeout=end - loop.time())
                found = await _answer_of(job, service, request)
        except TimeoutError:
            raise RequestProblem(
                504, "timeout", f"No answer within {config.timeout:g} s. Try again later."
            ) from None
        if found is None:
            # Nobody reads this any more.
            return Response(status_code=499)
        if body.explain:
            found = service.explained(asked, found)
        answer = schemas.RecommendAnswer(
            items=[_recommended(one, asked.loaded.shown) for one in found],
            available=asked.available,
            model=asked.loaded.version,
        )
        # Written straight from the model, not by way of plain values.
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get(
        "/v1/items/{item_id:path}",
        response_model=schemas.ItemAnswer,
        responses=errors(401, 404, 429),
        dependencies=[Depends(allowed)],
        tags=["recommend"],
    )
    def item(item_id: str) -> Any:
        """One item of the catalogue."""
        catalog = service.current.catalog
        if not catalog.has(item_id):
            raise RequestProblem(
                404, "unknown_item", f"The catalogue has no item '{item_id}'. Check the id."
            )
        return JSONResponse(_shown(catalog[item_id]).model_dump(mode="json"))


def _add_events(app: FastAPI, service: Service, metrics: Metrics, allowed: Guard) -> None:
    @app.post(
        "/v1/events",
        response_model=schemas.EventsAnswer,
        responses=errors(*POSTED, 409),
        dependencies=[Depends(allowed)],
        tags=["events"],
    )
    def post_events(body: schemas.EventsBody) -> Any:
        """Keep what users chose; later recommendations for them follow from it."""
        service.refuse_when_draining()
        events = [Event(one.id, one.user, one.item, one.kind, one.time) for one in body.events]
        added = service.post(events)
        metrics.events.inc(added)
        return schemas.EventsAnswer(added=added, repeated=len(events) - added)


def _add_models(
    app: FastAPI, service: Service, allowed: Guard, admin: Guard, *, sells: bool
) -> None:
    @app.get(
        "/v1/models",
        response_model=schemas.ModelsAnswer,
        responses=errors(401, 429),
        dependencies=[Depends(allowed)],
        tags=["models"],
    )
    def models() -> Any:
        """The models in service."""
        loaded = service.current
        found = [schemas.ModelAnswer(id=loaded.version, created=loaded.loaded, kind="recommender")]
        if (text := loaded.text_model) is not None:
            found.append(schemas.ModelAnswer(id=text.name, created=loaded.loaded, kind="text"))
        if sells:
            found.append(schemas.ModelAnswer(id=SHOP_MODEL, created=loaded.loaded, kind="shop"))
        return schemas.ModelsAnswer(data=found)

    @app.post(
        "/v1/admin/reload",
        response_model=schemas.ReloadAnswer,
        responses=errors(*POSTED, 403, 409, 501),
        dependencies=[Depends(admin)],
        tags=["models"],
    )
    def reload(body: schemas.ReloadBody | None = None) -> Any:
        """Load a run, verify it and swap; answers when that is done."""
        service.refuse_when_draining()
        before, now = service.reload(body.folder if body else None)
        return schemas.ReloadAnswer(before=before, model=now)


def _add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", response_model=schemas.StateAnswer, tags=["state"])
    async def healthz() -> Any:
        """The process answers."""
        return schemas.StateAnswer(status="ok", model=service.current.version)

    @app.get(
        "/readyz",
        response_model=schemas.StateAnswer,
        responses={503: {"model": schemas.StateAnswer, "description": "Not now; says why."}},
        tags=["state"],
    )
    def readyz(response: Response) -> Any:
        """Whether requests should be sent here."""
        problems = service.problems()
        response.status_code = 503 if problems else 200
        return schemas.StateAnswer(
            status="not_ready" if problems else "ok",
            model=service.current.version,
            problems=problems,
        )

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        tags=["state"],
    )
    async def metrics_text() -> Response:
        """Figures for Prometheus."""
        metrics.waiting.set(service.batcher.waiting)
        metrics.model.clear()
        metrics.model.labels(service.current.version).set(1)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _problems_of_request(
    service: Service, body: Mapping[str, Any], refused: InputError | None
) -> list[RequestProblem]:
    where = body.get("where")
    return service.current.problems_with(
        _texts(body.get("history")), where if isinstance(where, dict) else None, refused
    )


def _problems_of_events(
    service: Service, body: Mapping[str, Any], _: InputError | None
) -> list[RequestProblem]:
    events = body.get("events")
    given = events if isinstance(events, list) else []
    return service.current.problems_with(
        _texts([one.get("item") for one in given if isinstance(one, dict)])
    )


def _texts(given: Any) -> list[str]:
    """The texts of a list of whatever, but for empty ones."""
    return [one for one in given if isinstance(one, str) and one] if isinstance(given, list) else []


async def _answer_of(
    job: Job, service: Service, request: Request
) -> Sequence[Recommendation] | None:
    """The job's answer; ``None`` if the client left. However it ends, nothing stays queued."""
    answer = asyncio.wrap_future(job.answer)
    left = asyncio.create_task(_gone(request))
    either: set[asyncio.Future[Any]] = {answer, left}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    except asyncio.CancelledError:
        if job.answer.cancelled():
            # The worker found its deadline passed before ours rang.
            raise TimeoutError from None
        raise
    finally:
        left.cancel()
        if not answer.done():
            service.batcher.cancel(job)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _recommended(one: Recommendation, shown: dict[str, schemas.ItemAnswer]) -> schemas.Recommended:
    """A recommendation as it is answered.

    Args:
        shown: items that were answered before; to be read and written.
    """
    item = shown.get(one.item.id)
    if item is None:
        item = _shown(one.item)
        if len(shown) < SHOWN_ITEMS:
            shown[one.item.id] = item
    return schemas.Recommended(item=item, score=float(one.score), reason=one.reason)


def _shown(item: Item) -> schemas.ItemAnswer:
    return schemas.ItemAnswer(
        id=item.id,
        title=item.title,
        text=item.text,
        price=item.price,
        attributes={name: _plain(value) for name, value in item.attributes.items()},
    )


def _plain(value: object) -> Any:
    """An attribute as JSON has it."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, list | tuple | pl.Series):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return str(value)
