"""A campaign's ads in the file of an ad platform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from genrec.creatives.ad_folder import read_ads
from genrec.creatives.campaign import Campaign
from genrec.creatives.export import Exported, ExportOptions, export
from genrec.creatives.media_folder import read_media
from genrec.creatives.review import APPROVE, stored_decisions
from genrec.errors import InputError
from genrec.stages.ads import stored_job
from genrec.stages.prepare import stored_data
from genrec.stages.run import Run


def export_ads(
    folder: Path,
    run: Run,
    platform: str,
    *,
    link: str = "",
    image_link: str = "",
    brand: str = "",
    approved: bool = True,
) -> Exported:
    """A campaign's ads as a platform takes them; those that a reviewer approved, or all.

    Raises:
        InputError: none is approved, or an address does not fit.
        ConfigError: there is no such platform, or it needs what is not given.
        ArtefactError: the folder holds no finished campaign.
    """
    asked = Campaign.parse(stored_job(folder)["campaign"], where=str(folder))
    ads = read_ads(folder)
    if approved:
        decided = stored_decisions(folder)
        ads = [ad for ad in ads if decided.get(ad.id) == APPROVE]
        if not ads:
            raise InputError(
                f"No ad in {folder} is approved. Review them and take the decisions in "
                "(genrec ads review FOLDER --decisions FILE), or export --all."
            )
    options = ExportOptions(
        asked.name, link, image_link, brand or asked.brief.brand.name or "", asked.brief.currency
    )
    files = {
        ad_id: [one.file for one in shown if one.file]
        for ad_id, shown in read_media(folder).items()
    }
    return export(platform, ads, stored_data(run).catalog, replace(options, files=files))
