"""Sweeps: tables of fields, some of them lists, as one dictionary a combination."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepgalaxy.errors import InputError


def combinations(
    fields: Mapping[str, Any],
    together: Sequence[Sequence[str]] = (),
    without: Sequence[Mapping[str, Any]] = (),
) -> Iterator[dict[str, Any]]:
    """The cross product of the lists in `fields`, the last one innermost.

    together: groups of fields whose lists are walked in step instead (the first with the first, ...)
    without: combinations to leave out: those that have, of every field named, one of the values given

    Raises
    ------
    InputError: lists of different lengths in a group, a field in two groups or in none of `fields`
    """
    lists = {name: list(value) if isinstance(value, list) else [value] for name, value in fields.items()}
    axes = _axes(lists, together)
    unknown = {name for one in without for name in one} - set(fields)
    if unknown:
        raise InputError(f"exclude names {', '.join(sorted(unknown))}, which the points do not have")
    refused = [{name: value if isinstance(value, list) else [value] for name, value in one.items()} for one in without]
    for choice in itertools.product(*axes):
        values: dict[str, Any] = {name: value for part in choice for name, value in part}
        if not any(all(values[name] in allowed for name, allowed in one.items()) for one in refused):
            yield {name: values[name] for name in fields}


def _axes(lists: dict[str, list[Any]], together: Sequence[Sequence[str]]) -> list[list[list[tuple[str, Any]]]]:
    """What the product runs over: for each field or group, its choices as (name, value) pairs."""
    group_of: dict[str, tuple[str, ...]] = {}
    for group in map(tuple, together):
        for name in group:
            if name not in lists:
                raise InputError(f"zip names {name}, which the points do not have")
            if name in group_of:
                raise InputError(f"zip names {name} twice")
            group_of[name] = group
        lengths = {name: len(lists[name]) for name in group}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise InputError(f"zip needs lists of one length: {told}")
    axes: list[list[list[tuple[str, Any]]]] = []
    for name, _values in lists.items():
        group = group_of.get(name, (name,))
        if name == group[0]:  # a group stands where its first field does
            axes.append([list(zip(group, each, strict=True)) for each in zip(*(lists[n] for n in group), strict=True)])
    return axes
