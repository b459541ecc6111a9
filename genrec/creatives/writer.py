"""Jobs to ads: asks a copywriter, and puts down where each ad comes from.

Any writer will do that answers each request as if it were asked alone. What cannot be written is
an ad without texts that says why, so that one bad item costs no campaign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from genrec.creatives.ad import Ad
from genrec.creatives.brief import says
from genrec.creatives.campaign import Campaign
from genrec.creatives.channels import channel_named
from genrec.creatives.copy import FREE, Copy, CopyRequest
from genrec.creatives.copywriter import NOBODY
from genrec.creatives.jobs import Variant
from genrec.creatives.provenance import (
    ENGINE_VERSION,
    Provenance,
    digest,
    item_digest,
    profile_digest,
)
from genrec.data.catalog import Item
from genrec.errors import InputError

if TYPE_CHECKING:
    from genrec.profiles.profile import UserProfile


class Writer(Protocol):
    """Writes texts; equal requests give equal texts, in a batch and alone."""

    @property
    def identity(self) -> Mapping[str, str]:
        """All that its answers depend on beside the request: model, prompts, policy, options."""

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens that a paid or slow model read and wrote so far."""

    def write(self, requests: Sequence[CopyRequest]) -> list[Copy]:
        """A text for each request, in their order.

        Raises:
            InputError: a request that nothing can be written for.
        """


@dataclass(frozen=True, slots=True)
class AdRequest:
    """One job with what it is made from."""

    id: str
    item: Item
    profile: UserProfile | None
    variant: Variant


@dataclass(frozen=True)
class AdWriter:
    """Makes the ads of one campaign."""

    campaign: Campaign
    writer: Writer

    @cached_property
    def identity(self) -> dict[str, str]:
        """Of the copywriter."""
        return dict(self.writer.identity)

    @property
    def writer_key(self) -> str:
        """A hash of the copywriter."""
        return digest(self.identity)

    @cached_property
    def brief_key(self) -> str:
        """A hash of what the brief asks for; the brand's name stands in exports alone."""
        brief = self.campaign.brief.model_dump(mode="json")
        return digest({**brief, "brand": {"voice": self.campaign.brief.brand.voice}})

    @property
    def base(self) -> str:
        """A hash of all that decides every ad of the campaign alike."""
        return digest(ENGINE_VERSION, self.brief_key, self.identity)

    def make(self, requests: Sequence[AdRequest]) -> list[Ad]:
        """The ads, in the order of their requests."""
        found: dict[str, Ad] = {}
        asked: list[tuple[AdRequest, CopyRequest]] = []
        for request in requests:
            try:
                asked.append((request, self._copy_request(request)))
            except KeyError as missing:
                found[request.id] = self._failed(request, _unfilled(request.item, missing.args[0]))
        copies: Sequence[Copy | str]
        try:
            copies = self.writer.write([words for _, words in asked])
        except InputError:
            # One of them is at fault; the others are worth writing.
            copies = [self._alone(words) for _, words in asked]
        for (request, words), made in zip(asked, copies, strict=True):
            found[request.id] = (
                self._failed(request, made)
                if isinstance(made, str)
                else self._ad(request, words, made)
            )
        return [found[request.id] for request in requests]

    def _alone(self, words: CopyRequest) -> Copy | str:
        try:
            return self.writer.write([words])[0]
        except InputError as error:
            return str(error)

    def _copy_request(self, request: AdRequest) -> CopyRequest:
        return CopyRequest(
            item=request.item,
            profile=request.profile,
            channel=request.variant.placement,
            brief=self.campaign.brief.for_item(request.item, request.variant.language),
            language=request.variant.language,
            tone=self.campaign.brief.tone,
            seed=request.variant.seed,
        )

    def _ad(self, request: AdRequest, words: CopyRequest, copy: Copy) -> Ad:
        if lacking := _undisclosed(words, copy):
            why = (
                f"the disclosure '{lacking}' has no room in {copy.channel}, or may not stand there"
            )
            return self._failed(request, why)
        return Ad(
            id=request.id,
            item=request.item.id,
            channel=copy.channel,
            language=copy.language,
            fields=copy.fields,
            mode=copy.mode,
            written_by=copy.written_by,
            provenance=self.provenance(
                request,
                model=copy.model,
                adapter=copy.adapter,
                prompt_hash=copy.prompt_hash,
                evidence=tuple(str(one) for one in copy.evidence),
            ),
            statements=tuple(_plain(one) for one in copy.statements),
            score=round(copy.score, 6),
            notes=self._told(copy.notes),
        )

    def _told(self, notes: Sequence[str]) -> tuple[str, ...]:
        # Nobody is known on purpose where the brief's intensity is none.
        quiet = self.campaign.brief.intensity == "none"
        return tuple(note for note in notes if not (quiet and note == NOBODY))

    def _failed(self, request: AdRequest, why: str) -> Ad:
        return Ad(
            id=request.id,
            item=request.item.id,
            channel=request.variant.placement,
            language=request.variant.language,
            fields={},
            mode=self.campaign.write.mode,
            written_by="",
            provenance=self.provenance(request),
            failure=why,
        )

    def provenance(self, request: AdRequest, **written: Any) -> Provenance:
        """What decides an ad, and what its text adds to that."""
        return Provenance(
            seed=request.variant.seed,
            profile=profile_digest(request.profile),
            item=item_digest(request.item),
            brief=self.brief_key,
            policy=self.identity.get("policy", ""),
            writer=self.writer_key,
            **written,
        )


def _unfilled(item: Item, name: str) -> str:
    known = name == "title" or name in item.attributes
    what = f"has too long a value for {{{name}}}" if known else f"has no value for {{{name}}}"
    return f"the item {what}, which the brief asks for"


def _undisclosed(words: CopyRequest, copy: Copy) -> str:
    """The first disclosure that a reader of the ad might not see; empty if there is none.

    Platforms choose among the bodies of an ad, so that it stands in each.
    """
    bodies = [
        copy.fields[one.name]
        for one in channel_named(copy.channel).fields
        if one.role == "body" and copy.fields.get(one.name) and copy.written_by != FREE
    ]
    return next(
        (
            line
            for line in words.brief.disclosures
            if not all(says(text, line) for text in bodies or [copy.text])
        ),
        "",
    )


def _plain(statement: Any) -> dict[str, Any]:
    values = asdict(statement)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in values.items()}
