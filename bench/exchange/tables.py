"""The scaling table as a file that other programs read."""

from __future__ import annotations

import io

import pandas as pd

from deepgalaxy.errors import InputError
from deepgalaxy.words import Provenance


def as_csv(table: pd.DataFrame) -> bytes:
    """A scaling table as CSV, one row a point, failed points with their outcome and empty figures.

    Raises
    ------
    InputError: a row without provenance
    """
    _require_provenance(table)
    text: str = table.to_csv(index=False)
    return text.encode()


def as_parquet(table: pd.DataFrame) -> bytes:
    """The same as Parquet (Apache Arrow), with the type of every column.

    Raises
    ------
    InputError: a row without provenance
    """
    _require_provenance(table)
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _require_provenance(table: pd.DataFrame) -> None:
    known = {p.value for p in Provenance}
    for value in table["provenance"]:
        if value not in known:
            raise InputError(f"a row of provenance {value!r} can't be exported; allowed: {', '.join(sorted(known))}")
