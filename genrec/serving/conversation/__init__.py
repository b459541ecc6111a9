"""A conversation that recommends: words to a filter, a filter to cards, as typed events."""

from genrec.serving.conversation.events import (
    AdMade,
    Card,
    Cards,
    ChatEvent,
    Chosen,
    Done,
    Error,
    Explanation,
    FilterSet,
    Question,
    Token,
    read_event,
)
from genrec.serving.conversation.message import ACTIONS, ON_CARDS, Message
from genrec.serving.conversation.session_stores import open_sessions
from genrec.serving.conversation.sessions import (
    Session,
    Sessions,
    StaleSession,
    Turn,
    UnknownSession,
)
from genrec.serving.conversation.state import ChatState, Pending

__all__ = [
    "ACTIONS",
    "ON_CARDS",
    "AdMade",
    "Card",
    "Cards",
    "ChatEvent",
    "ChatState",
    "Chosen",
    "Done",
    "Error",
    "Explanation",
    "FilterSet",
    "Message",
    "Pending",
    "Question",
    "Session",
    "Sessions",
    "StaleSession",
    "Token",
    "Turn",
    "UnknownSession",
    "open_sessions",
    "read_event",
]
