"""Copy from a finished run: its data, one user's profile, and a copywriter."""

from __future__ import annotations

from genrec.creatives.copy import FREE, RANK, Copy, CopyBrief, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.memory import Bm25, Memory
from genrec.errors import ConfigError
from genrec.llm.text import TEXT_MODELS, TextModel, open_text_model
from genrec.stages.prepare import stored_data
from genrec.stages.profile import builder_of
from genrec.stages.run import Run

OFFLINE_MODEL = "smollm2-135m"


def write_copy(
    run: Run,
    item: str,
    *,
    user: str = "",
    channel: str = "push",
    mode: str = RANK,
    language: str = "en",
    tone: str = "plain",
    brief: CopyBrief | None = None,
    text: str = "",
    adapter: str = "",
    policy: str = "general",
    n: int = 1,
    seed: int = 0,
) -> list[Copy]:
    """Up to ``n`` different texts about an item, best first.

    Args:
        item: an id of the run's catalogue.
        user: for whom; empty for anybody.
        text: the text model, as of ``genrec serve --text``; free mode takes the offline one.
        adapter: folder of an adapter of it.

    Raises:
        InputError: the data have no such item or user.
        ConfigError: a channel, mode, language, tone, policy or model that there is not.
        ArtefactError: the run has no data yet.
    """
    dataset = stored_data(run)
    wanted = dataset.catalog[item]
    profile = memory = None
    if user:
        dataset.history(user)
        builder = builder_of(run, dataset)
        profile = builder.profiles()[user]
        memory = Memory(dataset, Bm25(), usable=builder.goods.usable)
    writer = Copywriter(
        mode=mode,
        writer=_text_model(mode, text, adapter),
        guard=Guard(Policy.load(policy)),
        memory=memory,
        candidates=max(n, 4),
    )
    request = CopyRequest(wanted, profile, channel, brief or CopyBrief(), language, tone, seed)
    return writer.candidates_for(request)[:n]


def _text_model(mode: str, text: str, adapter: str) -> TextModel | None:
    if mode == RANK:
        if text or adapter:
            raise ConfigError("Mode rank asks no text model: leave --text and --adapter out.")
        return None
    if adapter:
        model: TextModel = TEXT_MODELS.load("transformers")(text or OFFLINE_MODEL, adapter=adapter)
        return model
    return open_text_model(text or OFFLINE_MODEL) if text or mode == FREE else None
