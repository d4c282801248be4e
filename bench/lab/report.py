"""Tables of what a lab has shown, as files and text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.analysis.terms import terms_table
from bench.report.tables import as_markdown, write_pair
from bench.store.results import Results

NOTE = (
    "Shares of a step's time: computing (a wait), waiting for the slowest rank, exchange that no computing hides. "
    "Busy cores: of the whole machine, while gradients were under way. * the cores and not the links may limit here: "
    "no conclusion about the network."
)


def write_terms(results: Results) -> tuple[str, list[Path]]:
    """`terms.csv` and `terms.md` of a campaign on a lab, and the text to print; nothing where there is nothing."""
    table = terms_table(results.records())
    if table.empty:
        return "no point ended well", []
    shown = pd.DataFrame(
        {
            "site": table["site"],
            "launcher": table["launcher"],
            "backbone": table["backbone"],
            "workers": [
                f"{n}{'*' if o else ''}" for n, o in zip(table["workers"], table["oversubscribed"], strict=True)
            ],
            "step [s]": table["step_time_s"].map("{:.3f}".format),
            "computing": table["compute_share"].map("{:.1%}".format),
            "slowest rank": table["slowest_share"].map("{:.1%}".format),
            "exchange": table["exchange_share"].map("{:.1%}".format),
            "busy cores": table["machine_busy_share"].map("{:.0%}".format),
            "provenance": table["provenance"],
        }
    )
    files = write_pair(
        table, results.folder / "terms", f"# Where a step's time goes\n\n{as_markdown(shown)}\n\n{NOTE}\n"
    )
    return f"{shown.to_string(index=False)}\n\n{NOTE}", files
