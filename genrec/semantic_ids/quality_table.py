"""Quality reports side by side, as rows of a table. Knows figures, not where they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genrec.semantic_ids.quality import QualityReport

_Cell = Callable[[QualityReport], str]


def quality_rows(reports: Sequence[QualityReport]) -> list[tuple[str, list[str]]]:
    """What each figure is, and its value in each report; "-" where it was not measured."""
    rows: list[tuple[str, _Cell]] = [
        ("quantiser", lambda one: one.quantizer or "-"),
        ("items", lambda one: f"{one.items:,}"),
        ("codes of an item", lambda one: f"{len(one.entropy)}, {_kind(one)}"),
        ("unique as quantised", lambda one: f"{one.unique_share_before:.1%}"),
        ("share an ID before; after", lambda one: _collisions(one)),
        ("largest group with one ID", lambda one: f"{one.largest_collision}"),
        ("entropy, bits a level", lambda one: _levels(one.entropy, ".1f")),
        ("perplexity a level", lambda one: _levels(one.perplexity, ".0f")),
        ("codes in use", lambda one: _levels(one.used, ".0%")),
        ("reconstruction error", lambda one: _number(one.reconstruction_error, ".3f")),
        ("neighbours kept", lambda one: _against(one.neighbours_kept, one.chance_kept)),
        ("bought next", lambda one: _against(one.bought_next, one.chance_kept)),
        ("purity by category", lambda one: _pure(one)),
        ("cold items", lambda one: _number(one.cold_items, ",")),
        ("their neighbours kept", lambda one: _against(one.cold_neighbours_kept, one.chance_kept)),
    ]
    return [(name, [cell(one) for one in reports]) for name, cell in rows]


def _kind(one: QualityReport) -> str:
    return "ordered" if one.ordered else "unordered"


def _collisions(one: QualityReport) -> str:
    return f"{one.collisions_before:,}; {one.collisions_after}"


def _levels(values: Sequence[float], form: str) -> str:
    """All levels, or of many the lowest and the highest."""
    if not values:
        return "-"
    if len(values) > 5:
        return f"{min(values):{form}} to {max(values):{form}}"
    return " ".join(f"{value:{form}}" for value in values)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _against(values: Sequence[float], chance: Sequence[float]) -> str:
    """Shares of codes in common, at most of two prefixes, and what chance gives at the first."""
    if not values:
        return "-"
    # Whole IDs are unique, so the longest prefix is never shared.
    shares = " ".join(f"{value:.1%}" for value in values[:2])
    return f"{shares} (chance {chance[0]:.1%})" if chance else shares


def _pure(one: QualityReport) -> str:
    if one.purity is None or one.chance_purity is None:
        return "-"
    return f"{one.purity:.0%} (chance {one.chance_purity:.0%})"
