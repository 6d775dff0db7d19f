"""The arguments and options that several commands share, with their help."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.configured import (
    required_store,
    rules_if_any,
    rules_in_use,
    store_if_any,
)
from whereupon.messages.model import SenderClass
from whereupon.messages.times import parse_duration
from whereupon.render.choices import SkipDetail

LARGEST = 2**63 - 1
"""The largest integer that a database can hold."""

RULES = Path("rules")
"""The default rules folder."""


def readable(paths: list[Path] | None) -> list[Path] | None:
    """Reject paths that are not files before anything is read; ``-`` is standard input."""
    for path in paths or ():
        if str(path) != "-" and not path.exists():
            message = f"there is no file {str(path)!r}"
            raise typer.BadParameter(message)
        if path.is_dir():
            message = f"{str(path)!r} is a folder; name the files in it"
            raise typer.BadParameter(message)
    return paths


def paths_of(streams: list[Path]) -> list[Path]:
    """The files to read; ``-`` becomes the path of standard input."""
    return [Path("/dev/stdin") if str(path) == "-" else path for path in streams]


def duration(text: str) -> timedelta:
    """Read an option that is a duration."""
    length = parse_duration(text)
    if length is None:
        message = f"{text!r} is not a duration such as 90s, 15m, 2h or 7d"
        raise typer.BadParameter(message)
    return length


Streams: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="STREAM...",
        callback=readable,
        help="Files of messages, one JSON object a line (.gz too); - is standard input.",
    ),
]
StreamsToReplay: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--stream",
        metavar="STREAM",
        callback=readable,
        is_eager=True,  # before the store, which it replaces
        help="Ask about a replay of this stream; repeat it for more streams.",
    ),
]
RulesFolder: TypeAlias = Annotated[
    Path,
    typer.Option("--rules", metavar="DIR", callback=rules_in_use, help="The rules folder."),
]
RulesIfAny: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="DIR",
        callback=rules_if_any,
        help="The rules folder; by default that of whereupon.toml, or rules, if that folder exists.",
    ),
]
RulesArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="[DIR]", callback=rules_in_use, help="The rules folder."),
]
SourceClass: TypeAlias = Annotated[
    SenderClass,
    typer.Option(help="Who sent the messages; a client may ask for less than a server."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
SkipsShown: TypeAlias = Annotated[
    SkipDetail,
    typer.Option(
        help="How to show the messages that entered no rule: similar ones counted, each, or none."
    ),
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the summary without the timeline.")
]
StoreUrl: TypeAlias = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        callback=required_store,
        default_factory=str,
        show_default="that of whereupon.toml",
        help="The event store, as sqlite:///shop.db or postgresql://…",
    ),
]
StoreIfAny: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        callback=store_if_any,
        help="Ask this event store; by default that of whereupon.toml.",
    ),
]
MostResults: TypeAlias = Annotated[
    int, typer.Option(min=1, max=LARGEST, help="The most results, newest first.")
]
PersonId: TypeAlias = Annotated[str, typer.Argument(help="One of the person's user ids.")]
Confirmed: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
RequestNumber: TypeAlias = Annotated[
    int, typer.Argument(metavar="REQUEST", max=LARGEST, help="The number of the request.")
]
By: TypeAlias = Annotated[
    str, typer.Option("--by", metavar="NAME", help="The name of the decider.")
]
