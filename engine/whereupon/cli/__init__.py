"""The command line: ``whereupon COMMAND``, or ``python -m whereupon``.

Each command reads its options, asks the library and shows the answer; nothing is decided here.
Exit status: 0 done, 1 findings, 2 wrong usage (see `ending`).
"""

import typer

from whereupon.cli.asking import deliveries_command, explain_command, retry_command
from whereupon.cli.checking import lint_command, schema_command
from whereupon.cli.guarding import audit_app, erase_command, requests_app, scrub_command
from whereupon.cli.identifying import identify_command, identity_command
from whereupon.cli.importing import import_command
from whereupon.cli.replaying import replay_command
from whereupon.cli.testing import run_tests_command

app = typer.Typer(
    name="whereupon",
    help="A campaign-trigger rules engine that a backend embeds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_RULES, _STREAMS, _STORE = "Rules", "Streams of messages", "A store"
_DELETIONS = "Deletions"
app.command("replay", rich_help_panel=_STREAMS)(replay_command)
app.command("import", rich_help_panel=_STREAMS)(import_command)
app.command("lint", rich_help_panel=_RULES)(lint_command)
app.command("test", rich_help_panel=_RULES)(run_tests_command)
app.command("schema", rich_help_panel=_RULES)(schema_command)
app.command("explain", rich_help_panel=_STORE)(explain_command)
app.command("identity", rich_help_panel=_STORE)(identity_command)
app.command("identify", rich_help_panel=_STORE)(identify_command)
app.command("deliveries", rich_help_panel=_STORE)(deliveries_command)
app.command("retry", rich_help_panel=_STORE)(retry_command)
app.command("erase", rich_help_panel=_DELETIONS)(erase_command)
app.add_typer(requests_app, name="requests", rich_help_panel=_DELETIONS)
app.add_typer(audit_app, name="audit", rich_help_panel=_DELETIONS)
app.command("scrub", rich_help_panel=_DELETIONS)(scrub_command)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Run the command line; it exits with the command's status."""
    app(prog_name="whereupon")
