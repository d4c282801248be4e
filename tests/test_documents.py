"""What README and docs print can be typed: commands parse, links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from bench import REPOSITORY
from bench.cli import parser as dgbench
from deepgalaxy.cli import parser as deepgalaxy

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PARSERS = {"dgbench": dgbench, "deepgalaxy": deepgalaxy}


def commands(text):
    """Words of every command of ours in the fenced shell blocks, from its name on."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                command, words = words[:end], words[end + 1 :]
                start = next((i for i, word in enumerate(command) if word in PARSERS), None)
                if start is not None:
                    yield command[start:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_printed_is_one(document):
    for program, *words in commands(document.read_text()):
        assert PARSERS[program]().parse_args(words), (program, words)


def test_commands_are_found():
    assert len(list(commands((REPOSITORY / "README.md").read_text()))) > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_are_there(document):
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" not in target and not target.startswith("#"):
            assert (document.parent / target).is_file(), f"{document.name} leads to {target}"


def parsers(top):
    """A parser and those of its commands, and of theirs."""
    yield top
    for action in top._actions:
        for parser in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from parsers(parser)


@pytest.mark.parametrize("program", PARSERS)
def test_help_reads_as_text(program):
    """What argparse fills in is filled in, and a percent sign, which it wants doubled in some places only, is one."""
    for parser in parsers(PARSERS[program]()):
        told = parser.format_help()
        assert "%%" not in told and "%(" not in told, parser.prog
