"""``genrec profile``: a user's traits, segments, drift, forgetting."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrec.cli.printing import PIPE_WIDTH
from genrec.cli.run import drawn, stored_recipe
from genrec.errors import InputError
from genrec.recipe import Recipe
from genrec.workspace import Workspace

if TYPE_CHECKING:
    from genrec.profiles.drift import Window
    from genrec.profiles.profile import UserProfile
    from genrec.profiles.segments import Segment, Segments
    from genrec.stages.run import Run


def profile_command(
    folder: Path,
    overrides: list[str],
    user: str,
    *,
    segments: bool,
    forget: str,
    drift: bool,
    windows: str,
    summary: bool,
    text: str,
    intensity: float,
    as_json: bool,
    quiet: bool,
) -> None:
    if forget and (user or segments or drift or summary):
        raise InputError("--forget goes alone: it deletes, and shows nothing of the user.")
    if not (forget or user or segments):
        raise InputError("Say what: --user ID, --segments, or --forget ID.")
    if (drift or summary or windows or text) and not user:
        raise InputError("--drift, --windows, --summary and --text are about a --user.")
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace), where=str(folder), overrides=overrides)
    spans = _windows(windows)
    from genrec.stages.run import Run

    with drawn(quiet=quiet) as observer:
        run = Run(recipe, workspace, observer)
        if forget:
            values, lines = _forget(run, forget)
        elif user:
            values, lines = _user(
                run,
                user,
                drift=drift or bool(spans),
                spans=spans,
                summary=summary or bool(text),
                text=text,
                intensity=intensity,
            )
        else:
            values, lines = _segments(run)
    if as_json:
        print(json.dumps(values, indent=1, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=PIPE_WIDTH)
        for line in lines:
            console.print(line)


def _user(
    run: Run,
    user: str,
    *,
    drift: bool,
    spans: tuple[Window, Window] | None,
    summary: bool,
    text: str,
    intensity: float,
) -> tuple[dict[str, Any], list[Any]]:
    from genrec.stages.profile import drift_of, profiles_of, segment_of, summary_of

    if drift:
        changed = drift_of(run, user, spans)
        return changed.to_dict(), [Text(str(changed))]
    profile = profiles_of(run)[user].at(intensity)
    if summary:
        from genrec.llm.text import open_text_model

        said = summary_of(run, user, open_text_model(text) if text else None, intensity=intensity)
        lines = [Text(one.text) for one in said.sentences] or [Text(str(said))]
        lines += [Text(f"  dropped: {one} ({why})", "dim") for one, why in said.dropped]
        return said.to_dict(), [*lines, Text(f"  by {said.model}", "dim")]
    segment = segment_of(run, user)
    values = {**profile.to_dict(), "segment": None if segment is None else segment.id}
    return values, _profile_lines(profile, segment)


def _profile_lines(profile: UserProfile, segment: Segment | None) -> list[Any]:
    head = f"User {profile.user}: {profile.events:,} events"
    if profile.left_out:
        head += f", of which {profile.left_out:,} are left out (rules {profile.version})"
    lines: list[Any] = [Text(head, "bold")]
    if segment is not None:
        lines.append(Text(f"Segment {segment.id}: {segment.name} ({segment.users:,} users)"))
    if not profile.traits:
        return [*lines, Text("Nothing is known yet.")]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (
        ("", "right"),
        ("trait", "left"),
        ("strength", "right"),
        ("events", "right"),
    ):
        table.add_column(name, justify="right" if side == "right" else "left")
    for number, trait in enumerate(profile.traits, 1):
        strength = "" if trait.strength == 1 else f"{trait.strength:.1f}"
        # As text: what stands in a shop's title is no markup.
        table.add_row(*map(Text, (f"{number:>3}.", trait.text, strength, f"{trait.events:,}")))
    return [*lines, table]


def _segments(run: Run) -> tuple[dict[str, Any], list[Any]]:
    from genrec.stages.profile import segments_of

    found: Segments = segments_of(run)
    values = {
        "segments": [one.to_dict() for one in found.segments],
        "users_in_none": found.withheld,
        "floor": found.config.floor,
    }
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "segment", "users", "what lifts it"):
        table.add_column(name, justify="right" if name == "users" else "left")
    for one in found.segments:
        lifts = [
            f"{value} {here:.0%} ({all_:.0%} of all)" for _, _, value, here, all_ in one.traits
        ]
        table.add_row(*map(Text, (one.id, one.name, f"{one.users:,}", ", ".join(lifts[:3]))))
    floor = found.config.floor
    if not found.segments:
        note = (
            f"No segment: no {floor:,} users share a like that sets them apart. Fewer visits or a "
            "smaller lift make more likes (profiles.visits, profiles.lift), segments.floor a "
            "smaller segment."
        )
        return values, [Text(note)]
    note = f"{found.withheld:,} users are in no segment; none is made of fewer than {floor:,}."
    return values, [table, Text(note, "dim")]


def _forget(run: Run, user: str) -> tuple[dict[str, Any], list[Any]]:
    from genrec.stages.profile import forget_user

    done = forget_user(run, user)
    values = {"forgotten": done.user, "was_known": done.known, "still_in": list(done.still)}
    lines = [f"Forgotten: profile, evidence, segment and summaries of user {user} are deleted."]
    if not done.known:
        lines = [f"The run knew no user {user}. They would be left out from now on."]
    lines += [
        f"  {place} still holds their events or was trained on them: remove them from the source "
        "and run again."
        for place in done.still
    ]
    return values, [Text(line) for line in lines]


def _windows(text: str) -> tuple[Window, Window] | None:
    """Two windows of days: ``2017-01-01:2017-06-30,2017-07-01:2017-12-31``."""
    if not text:
        return None
    from genrec.profiles.drift import Window

    try:
        days = [[_seconds(day) for day in part.split(":")] for part in text.split(",")]
        (first, second), (third, fourth) = days
    except ValueError:
        raise InputError(
            f"--windows is '{text}'. Give two windows of days, such as "
            "2017-01-01:2017-06-30,2017-07-01:2017-12-31"
        ) from None
    day = 86_400
    return Window(first, second + day), Window(third, fourth + day)


def _seconds(day: str) -> int:
    return int(datetime.strptime(day.strip(), "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
