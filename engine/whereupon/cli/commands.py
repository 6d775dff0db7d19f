"""The commands by name. A command is imported when it runs, since it brings an engine or a database.

The docstring of a command is its help. The overview of all commands reads the first lines from the sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperGroup

_RULES, _STREAMS, _STORE = "Rules", "Streams of messages", "A store"
_DELETIONS, _RUNNING = "Deletions", "Running it"


@dataclass(frozen=True, slots=True)
class Heading:
    """A command in the overview.

    Attributes:
        home: ``MODULE:FUNCTION``. The module of a group of commands has them in its ``app``.
        panel: the title of the part of the overview that lists the command.
    """

    home: str
    panel: str


HEADINGS: Final[Mapping[str, Heading]] = MappingProxyType(
    {
        "replay": Heading("replay:replay_command", _STREAMS),
        "import": Heading("imports:import_command", _STREAMS),
        "init": Heading("init:init_command", _RULES),
        "lint": Heading("checks:lint_command", _RULES),
        "test": Heading("rule_tests:run_tests_command", _RULES),
        "graph": Heading("graph:graph_command", _RULES),
        "schema": Heading("checks:schema_command", _RULES),
        "doctor": Heading("doctor:doctor_command", _RUNNING),
        "send-test": Heading("send_test:send_test_command", _RUNNING),
        "run": Heading("run:run_command", _RUNNING),
        "serve": Heading("serve:serve_command", _RUNNING),
        "bounce": Heading("bounce:bounce_command", _RUNNING),
        "explain": Heading("questions:explain_command", _STORE),
        "identity": Heading("identity:identity_command", _STORE),
        "identify": Heading("identity:identify_command", _STORE),
        "deliveries": Heading("questions:deliveries_command", _STORE),
        "inbox": Heading("inbox:inbox_command", _STORE),
        "stats": Heading("stats:stats_command", _STORE),
        "entries": Heading("entries:entries_command", _STORE),
        "broadcast": Heading("broadcasts:broadcasts_command", _STORE),
        "broadcasts": Heading("broadcasts:broadcasts_command", _STORE),
        "suppression": Heading("suppression:suppression_command", _STORE),
        "retry": Heading("retry:retry_command", _STORE),
        "migrate": Heading("upkeep:migrate_command", _STORE),
        "prune": Heading("upkeep:prune_command", _STORE),
        "status": Heading("status:status_command", _STORE),
        "keys": Heading("keys:keys_commands", _STORE),
        "erase": Heading("deletions:erase_command", _DELETIONS),
        "scrub": Heading("deletions:scrub_command", _DELETIONS),
        "requests": Heading("requests:requests_commands", _DELETIONS),
        "audit": Heading("audit:audit_commands", _DELETIONS),
    }
)


class Commands(TyperGroup):
    """The group of all commands. It imports the one that runs."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See typer: the command in the overview, with its summary."""
        entry = super().get_command(ctx, cmd_name)
        if entry is not None:
            entry.help = summary_of(cmd_name)
        return entry

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See typer: the command that runs. The classes of its result differ between versions of typer."""
        name, entry, rest = super().resolve_command(ctx, args)
        return name, entry if name is None else command(name), rest


def summary_of(name: str) -> str:
    """The first line of a command's docstring, read from the source, which is faster than an import.

    It is empty in a program that is packed without sources.
    """
    module, _, function = HEADINGS[name].home.partition(":")
    try:
        source = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    _, _, behind = source.partition(f"\ndef {function}(")
    return behind.partition('"""')[2].partition("\n")[0].removesuffix('"""')


def command(name: str) -> Any:
    """Import a command; it is an object of typer's."""
    home, _, function = HEADINGS[name].home.partition(":")
    from whereupon.cli.configured import taking_config  # noqa: PLC0415 - the overview needs none of it

    module = import_module(f"whereupon.cli.{home}")
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    group = getattr(module, "app", None)
    if isinstance(group, typer.Typer):
        for each in group.registered_commands:
            if each.callback is not None:
                each.callback = taking_config(each.callback)
        app.add_typer(group, name=name)
        return typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    app.command(name)(taking_config(getattr(module, function)))
    return typer.main.get_command(app)
