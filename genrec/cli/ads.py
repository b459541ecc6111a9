"""``genrec ads``: plan and write a campaign, review it, export it, make one ad again."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from genrec.errors import InputError

if TYPE_CHECKING:
    from genrec.stages.run import Observer, Run

MAKE = "make"


class _AdsGroup(TyperGroup):
    """``genrec ads RUN …`` is short for ``genrec ads make RUN …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


ads_app = typer.Typer(
    cls=_AdsGroup,
    help="Write a campaign's ads (genrec ads RUN --campaign FILE), review and export them.",
    no_args_is_help=True,
)

AdsFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A campaign's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


@ads_app.command(MAKE)
def make(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options to change, e.g. budget.jobs=500")
    ] = None,
    campaign: Annotated[str, typer.Option(help="A shipped campaign's name, or a .yaml file.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="The ads' folder; ads/NAME when left out; goes on there.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it takes and costs; write nothing.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one, of Ray all.", min=0)] = 0,
    part_jobs: Annotated[
        int, typer.Option(help="Ads that a kill can cost; 0: 200, or 5 by a text model.", min=0)
    ] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Ads that all campaigns share; in the user's cache.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Share no ads.")] = False,
    no_folders: Annotated[
        bool, typer.Option("--no-folders", help="Tables only, no folder for each ad.")
    ] = False,
    image: Annotated[
        bool, typer.Option("--image", help="Make a picture for each ad (picture: in the file).")
    ] = False,
    video: Annotated[
        bool, typer.Option("--video", help="Make a film for each ad (film: in the file).")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM chain that signs pictures and films.")
    ] = None,
    certificate_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the ads of a campaign; the same command goes on where it was stopped."""
    if not campaign:
        raise InputError("Say which campaign: --campaign NAME or --campaign FILE.yaml.")
    if no_cache and cache is not None:
        raise InputError("--cache does not go with --no-cache.")
    from genrec.cli.run import drawn
    from genrec.creatives.campaign import Campaign
    from genrec.shipped import user_cache
    from genrec.stages.ads import AdOptions, make_ads, plan_ads

    asked = Campaign.load(campaign, overrides or [])
    wanted: dict[str, Any] = {"picture": {}} if image else {}
    asked = asked.with_media(wanted | ({"film": {}} if video else {}))
    target = into or Path("ads") / asked.name
    options = AdOptions(
        engine=engine,
        workers=workers,
        part_jobs=part_jobs,
        cache=None if no_cache else cache or user_cache("ads"),
        folders=not no_folders,
        certificate=certificate,
        key=certificate_key,
    )
    with drawn(quiet=quiet) as observer:
        run = _run(folder, observer)
        if plan:
            found = plan_ads(run, asked, target, options)
        else:
            found = make_ads(run, asked, target, options)
    if json:
        print(json_text.dumps(found, indent=1, ensure_ascii=False))
    elif plan:
        _print_plan(found)
    else:
        _print_report(found, target)


def _run(folder: Path, observer: Observer | None = None) -> Run:
    from genrec.cli.run import stored_recipe
    from genrec.recipe import Recipe
    from genrec.stages.run import Observer, Run
    from genrec.workspace import Workspace

    workspace = Workspace(folder)
    return Run(Recipe.parse(stored_recipe(workspace)), workspace, observer or Observer())


def _print_plan(found: dict[str, Any]) -> None:
    if found["at_most"]:
        print(
            f"at most {found['deliveries']:,} ads: the recommender chooses the items when the "
            "campaign is written"
        )
        return
    print(f"{found['deliveries']:,} deliveries, {found['distinct']:,} distinct ads")
    print(f"{found['cached']:,} are there already, {found['to_write']:,} are to be written")
    if "seconds" in found:
        print(
            f"by the rate measured last: {found['seconds']:,.1f} s, "
            f"{found['tokens_in'] + found['tokens_out']:,} tokens, cost {found['cost']:,.4f}"
        )
    else:
        print("time and cost: not measured yet; write some first, such as budget.jobs=50")
    for name in ("pictures", "films"):
        if f"{name}_at_most" in found:
            print(f"at most {found[f'{name}_at_most']:,} {name}; equal ones are made once")
    print(f"planned in {found['planned_in']:.2f} s")


def _print_report(found: dict[str, Any], into: Path) -> None:
    whole = f"{found['deliveries']:,} deliveries of {found['ads']:,} ads"
    part = f"{found['ads']:,} of {found['distinct']:,} ads"
    print(
        f"{part if found['left'] else whole} in {into}: "
        f"{found['written']:,} written, {found['cached']:,} from earlier, "
        f"{found['failed']:,} failed, {found['seconds']:.1f} s"
    )
    if media := found.get("media"):
        _print_media(media)
    if found["left"]:
        print(
            f"stopped by {found['stopped']}; {found['left']:,} are left, in left.parquet: raise it "
            "and repeat the command"
        )
    if found["broken_parts"]:
        print(f"{found['broken_parts']:,} damaged parts were made again")
    for one in found["problems"][:8]:
        print(f"  {one['kind']}: {one['what']} ({one['ads']:,} ads)")
    if len(found["problems"]) > 8:
        print(f"  and {len(found['problems']) - 8} more kinds: see report.json")
    print(f"review: {into / 'review.html'}")


def _print_media(media: dict[str, Any]) -> None:
    backgrounds = ", ".join(f"{count:,} {name}" for name, count in media["backgrounds"].items())
    adapted = f", {media['with_adapter']:,} with an adapter" if media["with_adapter"] else ""
    print(
        f"{media['pictures']:,} pictures and {media['films']:,} films: {media['made']:,} made, "
        f"{media['cached']:,} from earlier, {media['failed']:,} not possible, "
        f"{media['seconds']:.1f} s; backgrounds: {backgrounds or 'none'}{adapted}"
    )
    signer = "a certificate made on the spot" if media["self_signed"] else media["signed_by"]
    print(f"signed by {signer}")
    if media["left"]:
        print(f"stopped by {media['stopped']}; {media['left']:,} pictures or films are left")


@ads_app.command()
def review(
    folder: AdsFolder,
    decisions: Annotated[
        Path | None, typer.Option(help="A file that the review page downloaded: take it in.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to this machine; decisions are kept.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port to serve at; 0 takes a free one.", min=0)] = 8090,
    json: Json = False,
) -> None:
    """Take in decisions of the review page, or serve the page so that it keeps them itself."""
    from genrec.creatives.review import merge_decisions, read_decisions
    from genrec.creatives.review_server import ReviewServer

    if serve:
        if decisions is not None:
            raise InputError("--decisions does not go with --serve.")
        try:
            server = ReviewServer(folder, port)
        except OSError as error:
            raise InputError(
                f"Port {port} cannot be used: {error.strerror}. Try another."
            ) from error
        typer.echo(f"Review at {server.url} (Ctrl-C ends it)", err=True)
        with server:
            server.serve_forever()
        return
    counts = merge_decisions(folder, read_decisions(decisions) if decisions else {"decisions": []})
    if json:
        print(json_text.dumps(counts, indent=1))
    else:
        print(", ".join(f"{count:,} {name}" for name, count in counts.items()))


@ads_app.command()
def again(
    folder: AdsFolder,
    ad_id: Annotated[str, typer.Argument(metavar="AD_ID", help="Or the beginning of one.")],
    run: Annotated[Path | None, typer.Option(help="The run's folder, if it was moved.")] = None,
) -> None:
    """Make one ad again alone, and say whether it is the same, byte by byte."""
    from genrec.creatives.campaign import Campaign
    from genrec.stages.ads import make_again, make_media_again, run_of, stored_job

    asked = Campaign.parse(stored_job(folder)["campaign"], where=str(folder))
    opened = _run(run or run_of(folder))
    stored, made = make_again(folder, ad_id, opened, asked)
    beside = make_media_again(folder, ad_id, opened, asked)
    print(json_text.dumps(made.to_dict(), indent=1, ensure_ascii=False))
    if stored.to_json() != made.to_json():
        typer.echo(
            f"{stored.id} came out differently: the model behind it does not repeat itself.",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"{stored.id}: identical, {len(made.to_json().encode()):,} bytes", err=True)
    for one in beside:
        typer.echo(one.words, err=True)
    if not all(one.same for one in beside):
        raise typer.Exit(1)


@ads_app.command()
def export(
    folder: AdsFolder,
    to: Annotated[str, typer.Option(help="google, performance-max, meta or json.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    link: Annotated[str, typer.Option(help="Item pages: https://shop.example/p/{item_id}")] = "",
    image_link: Annotated[
        str, typer.Option(help="Pictures, with {item_id} in it, or {file} of the ad.")
    ] = "",
    brand: Annotated[str, typer.Option(help="Business name; the brief's when left out.")] = "",
    all_ads: Annotated[
        bool, typer.Option("--all", help="Also ads that no reviewer approved.")
    ] = False,
    run: Annotated[Path | None, typer.Option(help="The run's folder, if it was moved.")] = None,
    json: Json = False,
) -> None:
    """Write approved ads for an ad platform; what does not fit its limits is listed."""
    from genrec.stages.ads import run_of
    from genrec.stages.ads_export import export_ads
    from genrec.workspace import write_text

    chosen = _run(run or run_of(folder))
    made = export_ads(
        folder, chosen, to, link=link, image_link=image_link, brand=brand, approved=not all_ads
    )
    write_text(out, made.text)
    if json:
        values = {"rows": made.rows, "left_out": made.left_out, "file": str(out)}
        print(json_text.dumps(values, indent=1, ensure_ascii=False))
        return
    print(f"{made.rows:,} rows in {out}, {len(made.left_out):,} left out")
    reasons: dict[str, list[str]] = {}
    for line in made.left_out:
        which, _, why = line.partition(": ")
        reasons.setdefault(why, []).append(which)
    for why, ads in list(reasons.items())[:10]:
        others = f" and {len(ads) - 1:,} more" if len(ads) > 1 else ""
        print(f"  {ads[0]}{others}: {why}")
    if len(reasons) > 10:
        print(f"  and {len(reasons) - 10:,} more reasons: --json has all")
