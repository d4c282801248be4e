"""Calibrations as files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.analysis.calibration import SCHEMA_VERSION, Calibration
from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing
from deepgalaxy.spec import to_json


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it as JSON, whole or not at all.

    Raises
    ------
    InputError: the file can't be written
    """
    with replacing(path) as partial:
        partial.write_bytes(to_json(calibration))


def read_calibration(path: Path) -> Calibration:
    """A calibration from its file.

    Raises
    ------
    InputError: the file is missing, or holds no valid calibration
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except OSError as error:
        raise InputError(f"--calibration {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, InputError) as error:
        raise InputError(f"--calibration {path}: {error}; `dgbench calibrate` writes such files") from None
    if found.schema != SCHEMA_VERSION:
        raise InputError(f"--calibration {path}: schema {found.schema} is not {SCHEMA_VERSION}, which is read here")
    return found
