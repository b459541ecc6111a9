"""Bodies of the chat's requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Twice what a conversation reads of a message: what is longer gets its own plain answer there.
LONGEST = 200_000


class SessionBody(BaseModel):
    """Whose chat it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    user: Annotated[str, StringConstraints(max_length=256)] = Field(
        "", description="Whose history counts; a guest when left out."
    )


class SessionAnswer(BaseModel):
    """A session. Its id is a secret: whoever has it may read and go on with the chat."""

    session: str
    user: str
    version: int = Field(description="Turns that are kept.")
    created: float = Field(description="Seconds since 1970.")
    expires: float = Field(description="Seconds since 1970; a turn puts it off.")


class KeptTurn(BaseModel):
    """A turn that is on the disk."""

    version: int = Field(description="Of the session after it, from 1.")
    time: float
    message: dict[str, Any] = Field(description="What the shopper sent.")
    events: list[dict[str, Any]] = Field(description="What was answered; see `/docs`.")


class TranscriptAnswer(SessionAnswer):
    """A session with all its turns."""

    turns: list[KeptTurn]


class ExportAnswer(TranscriptAnswer):
    """Everything that is kept of a session."""

    touched: float
    state: dict[str, Any] = Field(description="What the assistant has understood so far.")


class TurnBody(BaseModel):
    """Words, or something done to a card."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "something for breakfast under 4"}]},
    )

    text: str = Field("", max_length=LONGEST, description="What the shopper says.")
    action: Literal[
        "say", "more_like", "less_like", "hide", "why", "make_ad", "buy", "undo", "restart"
    ] = Field("say", description="What is done; all but `say`, `undo`, `restart` to a card.")
    item: Annotated[str, StringConstraints(max_length=256)] = Field(
        "", description="The card's item."
    )
    id: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="Your own; a message that is sent again under its id is answered once."
    )


class Evidence(BaseModel):
    """One thing that the shopper chose."""

    item: str
    title: str
    time: int | None = Field(None, description="Seconds since 1970.")


class TraitAnswer(BaseModel):
    """One thing that the history says."""

    kind: str
    text: str
    strength: float = Field(description="How many times the crowd's rate; 1 if not compared.")
    events: int = Field(description="How many events it rests on.")
    evidence: list[Evidence] = Field(description="The latest of them.")


class ProfileAnswer(BaseModel):
    """What the shop thinks of the shopper, and why."""

    user: str
    known: bool = Field(description="Whether there is a history.")
    events: int = 0
    left_out: int = Field(0, description="Events that no trait may use: sensitive items.")
    traits: list[TraitAnswer] = []
    likes: list[Evidence] = Field([], description="Items of this chat that they want more of.")
    rejected: list[Evidence] = Field([], description="Items that never come again in this chat.")
    where: dict[str, Any] = Field({}, description="Constraints that hold in this chat.")


class ForgottenAnswer(BaseModel):
    """What is gone."""

    sessions: int
    events: int


class ShopAnswer(BaseModel):
    """What a page shows before anybody has said anything."""

    name: str
    items: int
    currency: str
    suggestions: list[str]
    users: list[str] = Field(description="Some users, to try the shop as; only on this machine.")
