"""The commands by name, each imported when it is the one that is asked for.

What a command brings with it (the engine, a database, coloured text) the others need not wait for, nor
the overview of them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperGroup

_RULES, _STREAMS, _STORE = "Rules", "Streams of messages", "A store"
_DELETIONS = "Deletions"


@dataclass(frozen=True, slots=True)
class Heading:
    """One command in the overview.

    Attributes:
        home: ``MODULE:NAME`` of its function, or of its application of several commands.
        panel: under which it stands.
        summary: the beginning of its help; a test keeps the two in step.
    """

    home: str
    panel: str
    summary: str


HEADINGS: Final[Mapping[str, Heading]] = MappingProxyType(
    {
        "replay": Heading(
            "replay:replay_command",
            _STREAMS,
            "Show what the rules would have made of streams of messages: who, what, when, and why not.",
        ),
        "import": Heading("history:import_command", _STREAMS, "Bring history into a real store."),
        "init": Heading(
            "init:init_command",
            _RULES,
            "Make a rules folder to begin with: a rule, its test, two events, the settings, and the schema.",
        ),
        "lint": Heading(
            "checks:lint_command",
            _RULES,
            "Check every rule file and every test file of a folder: all findings at once.",
        ),
        "test": Heading(
            "rule_tests:run_tests_command",
            _RULES,
            "Run every *.test.yaml of a folder through the real engine, on a frozen clock.",
        ),
        "schema": Heading(
            "checks:schema_command",
            _RULES,
            "Print the JSON Schema of rule files, for editors to complete and check them by.",
        ),
        "explain": Heading(
            "questions:explain_command",
            _STORE,
            "Say why a person did, or did not, enter a rule, and what came of it; the newest message first.",
        ),
        "identity": Heading(
            "identity:identity_command",
            _STORE,
            "Say who somebody is: their ids, who claimed which device by which message, what it brought.",
        ),
        "identify": Heading(
            "identity:identify_command",
            _STORE,
            "Identify somebody; with --dry-run, say what that would claim, and what would then trigger.",
        ),
        "deliveries": Heading(
            "questions:deliveries_command",
            _STORE,
            "List deliveries of the outbox, newest first: waiting, sent, held back, or given up (dead).",
        ),
        "retry": Heading(
            "retry:retry_command",
            _STORE,
            "Put dead deliveries back into the outbox, due now, under their old idempotency keys.",
        ),
        "migrate": Heading(
            "upkeep:migrate_command",
            _STORE,
            "Make a store's tables, or bring them up to date, under a role that may.",
        ),
        "prune": Heading(
            "upkeep:prune_command",
            _STORE,
            "Let go of what is done with and older than the rules' settings have it kept",
        ),
        "status": Heading(
            "status:status_command",
            _STORE,
            "Say who is inside of rules that these rules leave alone: unknown, unreadable, or switched off.",
        ),
        "erase": Heading(
            "deletions:erase_command",
            _DELETIONS,
            "Ask for a person to be deleted. Every guard has a say, as with a server's request.",
        ),
        "scrub": Heading(
            "deletions:scrub_command",
            _DELETIONS,
            "Take the bytes of erased people out of the database's logs and free pages.",
        ),
        "requests": Heading(
            "deletions:requests_app", _DELETIONS, "Requests for actions: look, and decide."
        ),
        "audit": Heading("deletions:audit_app", _DELETIONS, "The audit log: read, verify, export."),
    }
)


class Commands(TyperGroup):
    """Knows the headings of its commands, and imports the one that is to run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See typer: the command of that name, whose classes have other names in other versions of it."""
        name, heading, rest = super().resolve_command(ctx, args)
        return name, heading if name is None else command(name), rest


def command(name: str) -> Any:
    """The command itself, as typer's own object."""
    module, _, member = HEADINGS[name].home.partition(":")
    found = getattr(import_module(f"whereupon.cli.{module}"), member)
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
        return typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    app.command(name)(found)
    return typer.main.get_command(app)
