"""Runtime settings into a site file, whose other lines stay as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.campaign.files import named_file, read_toml
from bench.campaign.site import Site
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.runtime import Settings

TABLE = re.compile(r"^(#[^\n]*\n)*\[runtime\][^\n]*\n(?:(?!\[)[^\n]*\n?)*", re.MULTILINE)
"""The table, comments right above it included, up to the next table."""

NAME = re.compile(r"^name\s*=.*$", re.MULTILINE)


def write_runtime(settings: Settings, path: Path, site_name: str, remark: str) -> None:
    """Put the settings that are not the default into the table `[runtime]` of a site file; make it where it is missing.

    site_name: the site whose file a new one begins as, under the new file's name: other settings, other curves
    remark: a comment above the table, one line

    Raises
    ------
    InputError: a file that is no site's, or can't be written
    """
    new = not path.exists()
    source = named_file(site_name, REPOSITORY / "jobs" / "sites", "site") if new else path
    read_toml(source, Site)
    defaults = msgspec.structs.asdict(Settings())
    changed = {k: v for k, v in msgspec.structs.asdict(settings).items() if v != defaults[k]}
    rest = TABLE.sub("", source.read_text()).rstrip()
    if new:
        rest = NAME.sub(lambda _: f"name = {_toml(path.stem)}", rest, count=1)
    lines = [f"{name} = {_toml(value)}" for name, value in changed.items()]
    text = "\n".join([rest, "", f"# {remark}", "[runtime]", *lines]) + "\n"
    write_atomically(path, text.encode())
    if read_toml(path, Site).runtime != settings:
        raise InputError(f"{path}: its [runtime] can't be replaced; remove it there by hand")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
