"""The command line: ``whereupon COMMAND``, or ``python -m whereupon``.

Each command reads its options, asks the library and shows the answer; nothing is decided here.
Exit status: 0 done, 1 findings, 2 wrong usage (see `ending`).
"""

import typer

from whereupon.cli.replaying import replay_command

app = typer.Typer(
    name="whereupon",
    help="A campaign-trigger rules engine that a backend embeds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("replay")(replay_command)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Run the command line; it exits with the command's status."""
    app(prog_name="whereupon")
