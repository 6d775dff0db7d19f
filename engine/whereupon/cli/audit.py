"""``whereupon audit``: the audit log, which proves what was done."""

import sys
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail, print_to_stderr
from whereupon.cli.options import LARGEST, RULES, AsJson, RequestNumber, RulesFolder, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import DIGEST_KEY, keyed_engine
from whereupon.render.audit import (
    audit_line,
    audit_object,
    flaw_object,
    head_object,
    receipt_object,
)
from whereupon.render.records import JsonLines

app = typer.Typer(no_args_is_help=True)

KnownHead: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N:HASH", help="A head from an earlier audit export, kept outside of the store."
    ),
]


@app.callback()
def audit_commands() -> None:
    """Read, verify and export the audit log."""


@app.command("list")
@exits_with_status
def audit_list(
    store: StoreUrl,
    after: Annotated[
        int, typer.Option(min=0, max=LARGEST, help="Only the rows after this number.")
    ] = 0,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """List the rows of the log, oldest first."""
    with keyed_engine(store, rules) as engine:
        rows = list(engine.audit.rows(after))
    if as_json:
        print_objects(*map(audit_object, rows))
    else:
        print_lines(map(audit_line, rows))


@app.command("show")
@exits_with_status
def audit_show(
    request: RequestNumber, store: StoreUrl, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """Print the receipt of one request, which can be given to the requester."""
    with keyed_engine(store, rules) as engine:
        receipt = engine.audit.receipt(request)
    if as_json:
        print_objects(receipt_object(receipt))
    else:
        print_lines([receipt.text])


@app.command("verify")
@exits_with_status
def audit_verify(
    store: StoreUrl,
    head: KnownHead = None,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Find every row that was edited, removed or moved."""
    expected = _head(head) if head is not None else None
    with keyed_engine(store, rules) as engine:
        flaws, end = engine.audit.verify(kept=expected), engine.audit.head()
        has_key = bool(engine.pipeline.settings.digest_key)
    if as_json:
        print_objects(*map(flaw_object, flaws))
    else:
        print_lines(f"row {flaw.sequence}: {flaw.code} {flaw.message}" for flaw in flaws)
    if flaws:
        fail(f"the log is not as it was written: {len(flaws)} findings", FINDINGS)
    if not as_json:
        print_lines([f"{end.sequence if end else 0} rows, each as it was written."])
    if not has_key:
        print_to_stderr(
            f"whereupon: {DIGEST_KEY} is not set: a program that can write to the store can forge the log"
        )


@app.command("export")
@exits_with_status
def audit_export(store: StoreUrl, rules: RulesFolder = RULES) -> None:
    """Print the log as JSON Lines. The last line is its head; keep it outside of the store."""
    out = JsonLines(sys.stdout.buffer)
    with keyed_engine(store, rules) as engine:
        for row in engine.audit.rows():
            out.write(audit_object(row))
        head = engine.audit.head()
    if head is not None:
        out.write(head_object(head))


def _head(text: str) -> tuple[int, str]:
    sequence, _, digest = text.partition(":")
    if not sequence.isdecimal() or not digest:
        fail("a head is the number and the hash of a row, as 12:3fa1…")
    return int(sequence), digest
