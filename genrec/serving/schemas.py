"""Bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from genrec.data.filter_language import ItemFilter
from genrec.errors import InputError

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
# The last second of the year 9999.
LATEST = 253_402_300_799
# The type of pydantic's error of a filter that its own parser refused.
REFUSED_FILTER = "refused_filter"


def _parsed(where: Any) -> Any:
    # Its own parser says which place is wrong; pydantic alone lists each kind that it tried.
    try:
        return ItemFilter.parse(where) if isinstance(where, dict) else where
    except InputError as error:
        raise PydanticCustomError(REFUSED_FILTER, "no filter", {"error": error}) from error


class RecommendBody(BaseModel):
    """Whose list, how long, and which items are allowed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"history": [], "n": 5, "where": {"price": {"max": 10}}}],
        },
    )

    history: list[Id] | None = Field(
        None, description="Item ids, oldest first; may be empty. Either this or `user`."
    )
    user: Id | None = Field(
        None, description="A user of the data set, or one whose events were posted."
    )
    n: int = Field(10, ge=1, description="How many items.", strict=True)
    where: Annotated[ItemFilter | None, BeforeValidator(_parsed)] = Field(
        None, description="Which items are allowed."
    )
    exclude_seen: bool = Field(
        default=False, description="Leave out items of the history.", strict=True
    )
    explain: bool = Field(
        default=False, description="Say why, from the user's history.", strict=True
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> RecommendBody:
        if (self.history is None) == (self.user is None):
            raise ValueError("give either 'history' or 'user'")
        return self


class ItemAnswer(BaseModel):
    """One item of the catalogue."""

    id: str
    title: str
    text: str = ""
    price: float | None = None
    attributes: dict[str, Any] = Field(default={}, description="Further columns; unknown left out.")


class Recommended(BaseModel):
    """One item of a list."""

    item: ItemAnswer
    score: float = Field(description="Higher is better; comparable within one list only.")
    reason: str = Field("", description="Why, from the history; empty when not asked for.")


class RecommendAnswer(BaseModel):
    """A list, best first."""

    items: list[Recommended]
    available: int = Field(
        description="Items that the filter allows, before `at_most`; fewer than `n` shorten the "
        "list."
    )
    model: str = Field(description="Version of the model that answered.")


class EventBody(BaseModel):
    """One user chose one item."""

    model_config = ConfigDict(extra="forbid")

    id: Id = Field(description="Your own id, such as a UUID. Equal ids are one event.")
    user: Id
    item: Id
    time: int | None = Field(
        None, ge=0, le=LATEST, strict=True, description="Seconds since 1970; now when left out."
    )
    kind: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "choose"


class EventsBody(BaseModel):
    """Events to keep, all or none."""

    model_config = ConfigDict(extra="forbid")

    events: list[EventBody] = Field(min_length=1, max_length=1000)


class EventsAnswer(BaseModel):
    """What became of the events; all of them are on the disk."""

    added: int = Field(description="Events that were new.")
    repeated: int = Field(description="Events that were there already.")


class ReloadBody(BaseModel):
    """Which run to load."""

    model_config = ConfigDict(extra="forbid")

    folder: str | None = Field(
        None, min_length=1, description="A run's folder on the server; that in service if left out."
    )


class ReloadAnswer(BaseModel):
    """The swap that was made."""

    before: str
    model: str


class StateAnswer(BaseModel):
    """How the service is."""

    status: Literal["ok", "not_ready"]
    model: str = ""
    problems: list[str] = []


class ModelAnswer(BaseModel):
    """A model in service."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "genrec"
    kind: Literal["recommender", "text", "shop"]


class ModelsAnswer(BaseModel):
    """All models in service."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class TextPart(BaseModel):
    """A part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class MessageBody(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class FunctionBody(BaseModel):
    """A function that the client can run."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of the arguments.")


class ToolBody(BaseModel):
    """A tool that the client can run."""

    type: Literal["function"]
    function: FunctionBody


class ChatBody(BaseModel):
    """A conversation to go on with, in the form of OpenAI; further keys are passed over."""

    model: str
    messages: list[MessageBody] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1, le=4096)
    max_completion_tokens: int | None = Field(None, ge=1, le=4096)
    temperature: float | None = Field(None, ge=0, le=2)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=0)
    n: Literal[1] | None = None
    stream: bool | None = None
    user: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        None, description="For the shop assistant: whose history counts."
    )
    tools: list[ToolBody] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


class CalledFunction(BaseModel):
    """What a tool is called with."""

    name: str
    arguments: str = Field(description="JSON.")


class ToolCall(BaseModel):
    """A tool that the client should run."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ReplyMessage(BaseModel):
    """The model's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """One answer."""

    index: int = 0
    message: ReplyMessage
    finish_reason: Literal["stop", "tool_calls"] = "stop"


class ChatAnswer(BaseModel):
    """The next turn, in the form of OpenAI."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
