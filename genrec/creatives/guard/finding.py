"""What a check says: a verdict, and one finding for each thing that was refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One refusal.

    Attributes:
        kind: ``number``, ``price``, ``colour``, ``material``, ``certificate``, ``superlative``,
            ``offer``, ``name``, ``forbidden``, ``profanity``, ``pii``, ``hidden``, ``length``,
            ``missing`` or ``empty``.
        span: first and past-the-last position in the text that was checked; ``(0, 0)`` for what is
            missing.
        said: the text there.
        why: why it may not stand.
        rule: which rule refused it: of the policy (``policy:general/health``) or of the guard.
    """

    kind: str
    span: tuple[int, int]
    said: str
    why: str
    rule: str

    @property
    def quoted(self) -> str:
        """What was said, fit for a terminal: what is not seen there by its code point."""
        return "".join(one if one.isprintable() else f"U+{ord(one):04X}" for one in self.said)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text may be shown; ``findings`` in the order of the text."""

    ok: bool
    findings: tuple[Finding, ...]

    @staticmethod
    def of(findings: list[Finding]) -> Verdict:
        return Verdict(
            not findings, tuple(sorted(dict.fromkeys(findings), key=lambda one: one.span))
        )


CLEAN = Verdict(ok=True, findings=())
