"""What several commands share: their options, and a campaign with its site, points and results."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import REPOSITORY
from bench.campaign.campaign import Campaign, expand, load_campaign
from bench.campaign.counts import parse_counts
from bench.campaign.plan import Experience, Planned, plan
from bench.campaign.site import Launcher, Site, load_site
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.spec import RunSpec

SOME_FAILED_EXIT_CODE = 1

EFFECT = 0.05
"""Smallest relative change that matters to a gate, where nothing else is asked."""


def campaign_options(command: argparse.ArgumentParser) -> None:
    """A campaign and where its results lie."""
    command.add_argument("campaign", help="name in jobs/campaigns, or a file")
    command.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/<campaign>)")
    command.add_argument("--json", action="store_true", help="print as JSON")


def site_options(command: argparse.ArgumentParser) -> None:
    """Where to run, and which of the points."""
    option = command.add_argument
    option("--site", default="local", help="name in jobs/sites, or a file (local)")
    option("--launcher", choices=[x.value for x in Launcher], help="instead of the site's")
    option("--oversubscribe", action="store_true", help="also points that have no cores of their own")
    option("--force", action="store_true", help="also points that, as measured, run out of memory")
    option("--workers", metavar="COUNTS", help="only these counts: 128, or 4,8,16, or 4:1024")
    option("--points", type=Path, metavar="FILE", help="only points whose keys the file lists, one a line")
    option("--task", type=int, metavar="N", help="only the N-th line of --points, from 0: a task of a job array")


def effect_option(command: argparse.ArgumentParser) -> None:
    """What a gate takes for a change."""
    command.add_argument(
        "--effect", type=float, default=EFFECT, metavar="SHARE", help=f"smallest change that matters ({EFFECT})"
    )


@dataclass(frozen=True)
class Sweep:
    """A campaign on a site, the points that were asked for, and its results."""

    campaign: Campaign
    site: Site
    specs: list[RunSpec]
    results: Results

    @classmethod
    def asked_for(cls, arguments: argparse.Namespace, site: Site | None = None) -> Sweep:
        """What the command line names. site: instead of the one that it names

        Raises
        ------
        InputError: an unknown campaign or site, wrong fields, points that there are none of
        """
        campaign = load_campaign(arguments.campaign)
        site = site or asked_site(arguments)
        specs = _chosen(expand(campaign, site, arguments.oversubscribe), arguments)
        return cls(campaign, site, specs, results_of(arguments, campaign))

    def planned(self, *, force: bool) -> list[Planned]:
        """What is left to do."""
        experience = Experience(self.results.summaries(), self.site)
        return plan(self.specs, self.site, experience, repeats=self.campaign.repeats, force=force)


def asked_site(arguments: argparse.Namespace) -> Site:
    """The site, with the launcher that the command line may name."""
    site = load_site(arguments.site)
    if arguments.launcher:
        site = msgspec.structs.replace(site, launcher=Launcher(arguments.launcher))
    return site


def results_of(arguments: argparse.Namespace, campaign: Campaign) -> Results:
    """The folder of a campaign's results."""
    return Results(arguments.results or REPOSITORY / "results" / campaign.name)


def described(site: Site) -> str:
    """A site in a few words."""
    return f"{site.name}: {site.slots} slots ({site.cores_per_worker} cores a worker), {site.launcher.value}"


def _chosen(specs: list[RunSpec], arguments: argparse.Namespace) -> list[RunSpec]:
    if arguments.workers:
        counts = parse_counts(arguments.workers)
        specs = [spec for spec in specs if spec.workers in counts]
    if arguments.points:
        keys = _lines(arguments.points)
        if arguments.task is not None:
            if not 0 <= arguments.task < len(keys):
                raise InputError(
                    f"--task {arguments.task} is outside 0 to {len(keys) - 1}, lines of {arguments.points}"
                )
            keys = keys[arguments.task : arguments.task + 1]
        by_key = {spec.key: spec for spec in specs}
        specs = [by_key[key] for key in keys if key in by_key]  # in the file's order: largest first, say
    elif arguments.task is not None:
        raise InputError("--task needs --points")
    if not specs:
        raise InputError(f"campaign {arguments.campaign} has no point that was asked for")
    return specs


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--points {path}: {error}") from None
