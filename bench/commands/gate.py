"""`dgbench compare | check | baseline`: is this faster or slower than that, and may it pass?"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as Xml
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.campaign.campaign import load_campaign
from bench.campaign.site import load_site
from bench.commands.common import campaign_options, effect_option, results_of
from deepgalaxy.errors import InputError

INCONCLUSIVE_EXIT_CODE = 3
NO_DATA_EXIT_CODE = 4


def add(commands: Any) -> None:
    """Describe the commands."""
    compare = commands.add_parser(
        "compare",
        help="the same points of two results' folders: ratios with intervals and verdicts",
        description=(
            "Compare every point that two folders of results share: ratio of throughput and of peak memory, first over "
            "second, with the 95% interval over launches, and a verdict. Machines may differ: that is the question."
        ),
        epilog="example: dgbench compare results/quick results/quick-new-mpi",
    )
    compare.add_argument("folders", nargs=2, type=Path, metavar="RESULTS", help="folders of results")
    compare.add_argument("--json", action="store_true", help="print as JSON")
    compare.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the ratios (also .pdf, .svg and .csv)")
    check = commands.add_parser(
        "check",
        help="hold a campaign's results against a baseline",
        description=(
            "Verdicts: pass, improved, regressed, inconclusive, no data. Exit code 0 when all pass or improved, 1 when "
            "one regressed, 3 when one is inconclusive, 4 when one has no data; the first of 1, 4, 3 that applies."
        ),
        epilog="example: dgbench check quick --baseline main --junit check.xml",
    )
    campaign_options(check)
    check.add_argument("--baseline", required=True, metavar="NAME", help="name below results/baselines/<site>")
    check.add_argument("--junit", type=Path, metavar="XML", help="write the verdicts for a CI system as well")
    check.add_argument("--mixed", action="store_true", help="compare also where machine or software differ")
    check.add_argument(
        "--ignore-machine",
        action="store_true",
        help="judge the code alone: leave the yardstick's own time, which is the machine, out (shared machines)",
    )
    for command in (compare, check):
        effect_option(command)
    baseline = commands.add_parser("baseline", help="make, renew or list baselines", epilog="dgbench baseline list")
    actions = baseline.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a baseline of a campaign's results; two launches a point or more")
    promote = actions.add_parser("promote", help="put new results in a baseline's place; the old go into its history")
    for action in (create, promote):
        campaign_options(action)
        action.add_argument("--name", default="main", help="of the baseline (main)")
        action.add_argument("--expect-failure", nargs="*", default=[], metavar="POINT", help="points that may fail")
    listed = actions.add_parser("list", help="baselines that there are")
    for command in (check, create, promote, listed):
        command.add_argument("--site", default="local", help="(local)")
    for command, work in (
        (compare, _compare),
        (check, _check),
        (create, _create),
        (promote, _promote),
        (listed, _list),
    ):
        command.set_defaults(run=work)


def _compare(arguments: argparse.Namespace) -> int:
    from bench.analysis.gate import compare, points
    from bench.store.results import Results

    for folder in arguments.folders:
        if not (folder / "runs").is_dir():
            raise InputError(f"{folder} is no folder of results: it has no runs")
    first, second = (points(Results(folder).records()) for folder in arguments.folders)
    rows = compare(first, second, _effect(arguments))
    _print(rows, as_json=arguments.json)
    if arguments.plot:
        _draw(rows, arguments)
    return 0


def _draw(rows: Sequence[Any], arguments: argparse.Namespace) -> None:
    from bench.report.comparison import comparison_figure

    if not arguments.plot.parent.is_dir():
        raise InputError(f"--plot {arguments.plot}: there is no folder {arguments.plot.parent}")
    title = " over ".join(str(folder) for folder in arguments.folders)
    plain = [msgspec.to_builtins(row) for row in rows]
    drawn = comparison_figure(plain, arguments.effect, arguments.plot.with_suffix(""), title)
    told = [f"wrote {path}" for path in drawn.files] if drawn else ["nothing to draw: the two share no point"]
    print(*told, sep="\n", file=sys.stderr)


def _check(arguments: argparse.Namespace) -> int:
    from bench.analysis.gate import Verdict, compare, overall, points
    from bench.store import baselines

    reference = baselines.read(baselines.locate(load_site(arguments.site).name, arguments.baseline))
    records = [
        r for r in results_of(arguments, load_campaign(arguments.campaign)).records() if r.site == reference.site
    ]
    if not arguments.mixed:
        baselines.require_same_facts(reference, records)
    effect, ignore = _effect(arguments), arguments.ignore_machine
    rows = compare(points(records), reference.points, effect, ignore_machine=ignore)
    _print(rows, as_json=arguments.json)
    if arguments.junit:
        _write_junit(arguments.junit, rows, reference.expected_failures)
    counted = Counter(row.verdict for row in rows if row.point not in reference.expected_failures)
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counted.most_common())
    print(f"against baseline {reference.name} of {reference.created_utc}: {told}", file=sys.stderr)
    codes = {Verdict.REGRESSED: 1, Verdict.NO_DATA: NO_DATA_EXIT_CODE, Verdict.INCONCLUSIVE: INCONCLUSIVE_EXIT_CODE}
    return codes.get(overall(counted), 0)


def _create(arguments: argparse.Namespace) -> int:
    from bench.store import baselines

    path = baselines.path(load_site(arguments.site).name, arguments.name)
    if path.exists():
        raise InputError(f"baseline {arguments.name} of {arguments.site} exists; `dgbench baseline promote` renews it")
    return _write(arguments, path)


def _promote(arguments: argparse.Namespace) -> int:
    from bench.store import baselines

    return _write(arguments, baselines.locate(load_site(arguments.site).name, arguments.name))


def _write(arguments: argparse.Namespace, path: Path) -> int:
    from bench.store import baselines

    records = list(results_of(arguments, load_campaign(arguments.campaign)).records())
    site = load_site(arguments.site).name
    new = baselines.from_records(site, arguments.name, records, arguments.expect_failure)
    if path.exists():
        new = baselines.promoted(new, baselines.read(path))
    baselines.write(path, new)
    print(f"{len(new.points)} points: wrote {path}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from bench.store import baselines

    for path in sorted(baselines.BASELINES.glob("*/*.json")):
        print(f"{path.parent.name} {path.stem}")
    return 0


def _effect(arguments: argparse.Namespace) -> float:
    effect: float = arguments.effect
    if not 0 < effect < 1:
        raise InputError(f"--effect {effect} is outside 0 to 1")
    return effect


def _print(rows: Sequence[Any], *, as_json: bool) -> None:
    import pandas as pd

    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
        return
    shown = [
        {
            "point": row.point,
            "metric": row.metric,
            "ratio": "-" if row.ratio != row.ratio else f"{row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]",
            "launches": f"{row.launches[0]} / {row.launches[1]}",
            "verdict": row.verdict.value,
        }
        for row in rows
    ]
    print(pd.DataFrame(shown).to_string(index=False) if shown else "no points")


def _write_junit(path: Path, rows: Sequence[Any], expected_failures: Sequence[str]) -> None:
    """A test case a point and metric; what is expected to fail is skipped."""
    from bench.store.results import write_atomically

    suite = Xml.Element("testsuite", name="dgbench check", tests=str(len(rows)))
    for row in rows:
        case = Xml.SubElement(suite, "testcase", classname=row.point, name=row.metric)
        message = f"{row.verdict.value}: {row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}] of the baseline"
        if row.point in expected_failures:
            Xml.SubElement(case, "skipped", message=f"expected to fail; {message}")
        elif row.verdict.value not in ("pass", "improved"):
            Xml.SubElement(case, "failure", message=message)
    write_atomically(path, Xml.tostring(suite, encoding="utf-8", xml_declaration=True))
