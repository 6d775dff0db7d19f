"""The arguments and options that several commands share, with their help."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.messages.model import SenderClass
from whereupon.render.choices import Skipping


def readable(paths: list[Path] | None) -> list[Path] | None:
    """Refuse files that are not there before anything is read; ``-`` is standard input."""
    for path in paths or ():
        if str(path) != "-" and not path.exists():
            message = f"there is no file {str(path)!r}"
            raise typer.BadParameter(message)
        if path.is_dir():
            message = f"{str(path)!r} is a folder; name the files in it"
            raise typer.BadParameter(message)
    return paths


def paths_of(streams: list[Path]) -> list[Path]:
    """The files to read, ``-`` as what standard input is called."""
    return [Path("/dev/stdin") if str(path) == "-" else path for path in streams]


Streams: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="STREAM...",
        callback=readable,
        help="Files of messages, one JSON object a line (.gz too); - is standard input.",
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
        help="The rules folder; by default rules, if there is one.",
    ),
]
RulesArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="[DIR]", exists=True, file_okay=False, help="The rules folder."),
]
SourceClass: TypeAlias = Annotated[
    SenderClass, typer.Option(help="Whom the messages came from: it decides what they may ask for.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead.")]
Skips: TypeAlias = Annotated[
    Skipping,
    typer.Option(
        help="What is shown of who did not enter: like ones counted together, each, or nothing."
    ),
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show the summary alone, without the timeline.")
]
StoreUrl: TypeAlias = Annotated[
    str,
    typer.Option(
        "--store", metavar="URL", help="The event store, as sqlite:///shop.db or postgresql://…"
    ),
]

LARGEST = 2**63 - 1
"""The largest number that a database can be asked about."""

RULES = Path("rules")
"""Where the rules are unless somebody says otherwise."""
