"""The arguments and options that several commands share, with their help."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.messages.model import SenderClass
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
        help="Ask about a replay of this stream; repeat it for more streams.",
    ),
]
RulesFolder: TypeAlias = Annotated[
    Path,
    typer.Option("--rules", metavar="DIR", exists=True, file_okay=False, help="The rules folder."),
]
RulesIfAny: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="The rules folder; by default rules, if that folder exists.",
    ),
]
RulesArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="[DIR]", exists=True, file_okay=False, help="The rules folder."),
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
        "--store", metavar="URL", help="The event store, as sqlite:///shop.db or postgresql://…"
    ),
]
StoreIfAny: TypeAlias = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Ask this event store.")
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
