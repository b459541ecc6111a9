"""Makes semantic IDs unique. Knows codes and distances, not how they were learned."""

from __future__ import annotations

import numpy as np

from genrec.errors import ConfigError, InputError

RULES = ("reassign", "append")


def shared_ids(codes: np.ndarray) -> list[np.ndarray]:
    """Rows that share all codes, one array (two rows or more, ascending) per shared ID."""
    if not len(codes):
        return []
    order = np.lexsort(codes.T[::-1])
    starts = np.flatnonzero((codes[order[1:]] != codes[order[:-1]]).any(axis=1)) + 1
    return [np.sort(group) for group in np.split(order, starts) if len(group) > 1]


def append_level(codes: np.ndarray, taken: np.ndarray | None = None) -> np.ndarray:
    """One more level that counts the items which share all codes before (as TIGER does).

    Args:
        codes: shape (items, levels).
        taken: full IDs already in use, shape (others, levels + 1); counting goes on after them.

    Returns:
        Shape (items, levels + 1), int32.
    """
    used: dict[bytes, int] = {}
    codes = np.ascontiguousarray(codes, np.int32)
    if taken is not None:
        for row in np.ascontiguousarray(taken, np.int32):
            prefix = row[:-1].tobytes()
            used[prefix] = max(used.get(prefix, 0), int(row[-1]) + 1)
    last = np.empty(len(codes), np.int32)
    for number, row in enumerate(codes):
        prefix = row.tobytes()
        last[number] = used.get(prefix, 0)
        used[prefix] = int(last[number]) + 1
    return np.column_stack([codes, last]).astype(np.int32)


def reassign(
    codes: np.ndarray,
    distances: np.ndarray,
    codebook_sizes: tuple[int, ...],
    taken: np.ndarray | None = None,
) -> np.ndarray:
    """Moves all but the nearest of the items that share an ID to the nearest free last code.

    Where all last codes under a prefix are in use, an item moves to the prefix with the nearest
    code at the level before that has room.

    Args:
        codes: shape (items, levels).
        distances: of each item to each last-level code, shape (items, codebook_sizes[-1]); codes
            at infinite distance are used last.
        taken: IDs that others already have and keep, shape (others, levels).

    Raises:
        InputError: there are more items than IDs under the items' first codes.
    """
    codes = np.array(codes, dtype=np.int32)
    used: dict[tuple[int, ...], set[int]] = {}
    for row in [] if taken is None else taken.tolist():
        used.setdefault(tuple(row[:-1]), set()).add(row[-1])
    mine = distances[np.arange(len(codes)), codes[:, -1]]
    waiting = []
    for row in np.argsort(mine, kind="stable"):
        prefix, last = tuple(codes[row, :-1].tolist()), int(codes[row, -1])
        room = used.setdefault(prefix, set())
        if last in room:
            waiting.append(row)
        else:
            room.add(last)
    for row in waiting:
        free = _prefix_with_room(tuple(codes[row, :-1].tolist()), used, codebook_sizes)
        if free is None:
            raise InputError(
                f"More than {int(np.prod(codebook_sizes[1:])):,} items share their first code. "
                "Raise codebook_size or levels, or take collisions: append."
            )
        room = used.setdefault(free, set())
        last = next(int(c) for c in np.argsort(distances[row], kind="stable") if int(c) not in room)
        room.add(last)
        codes[row] = (*free, last)
    return codes


def _prefix_with_room(
    prefix: tuple[int, ...], used: dict[tuple[int, ...], set[int]], sizes: tuple[int, ...]
) -> tuple[int, ...] | None:
    if len(used.get(prefix, ())) < sizes[-1]:
        return prefix
    if len(prefix) < 2:
        return None
    # Code numbers carry no order, so any other code of the level before serves equally well.
    for step in range(1, sizes[-2]):
        other = (*prefix[:-1], (prefix[-1] + step) % sizes[-2])
        if len(used.get(other, ())) < sizes[-1]:
            return other
    return None


def check_rule(rule: str) -> None:
    """Raises ConfigError when there is no such collision rule."""
    if rule not in RULES:
        raise ConfigError(f"No collision rule '{rule}'; valid names: {', '.join(RULES)}")
