"""``whereupon requests``, ``erase``, ``audit`` and ``scrub``: deletions, decided and proven.

Who decides is named with ``--by``; who may is what the guard files say. The key of the store's hashes
is read from the environment, so that it stands in no list of processes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.api.config import settings_for
from whereupon.cli.exit_status import FINDINGS, fail, say, settles
from whereupon.cli.options import LARGEST, RULES, AsJson, RulesFolder, StoreUrl
from whereupon.cli.questions import existing_store, nobody
from whereupon.engine import Engine
from whereupon.errors import RequestError, UnknownNameError
from whereupon.guards.judge import Absence
from whereupon.records import Request, RequestOutcome
from whereupon.render.ledger import (
    approval_line,
    audit_line,
    audit_object,
    breaker_line,
    breaker_object,
    flaw_object,
    head_object,
    receipt_object,
    request_line,
    request_record,
)
from whereupon.render.records import JsonLines
from whereupon.rules.loading import open_rules

KEY = "WHEREUPON_DIGEST_KEY"
"""The variable that holds the key of hashes; former ones follow it, with commas between."""

Number: TypeAlias = Annotated[
    int, typer.Argument(metavar="REQUEST", max=LARGEST, help="The request's number.")
]
By: TypeAlias = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides this.")]

requests_app = typer.Typer(no_args_is_help=True, help="Requests for actions: look, and decide.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log: read, verify, export.")


@contextmanager
def _engine(url: str, rules: Path = RULES) -> Iterator[Engine]:
    """The engine on a store that is there already, under the host's key."""
    own, *former = (part.encode() for part in os.environ.get(KEY, "").split(","))
    book = open_rules(rules)
    settings = settings_for(book, digest_key=own, former_keys=former)
    with Engine(existing_store(url), book, settings=settings) as engine:
        try:
            yield engine
        except (RequestError, UnknownNameError) as error:
            fail(str(error), FINDINGS)


# --- requests -------------------------------------------------------------------------------------


@requests_app.command("list")
@settles
def requests_list(
    store: StoreUrl,
    outcome: Annotated[
        list[RequestOutcome] | None,
        typer.Option(help="Only those; give it again for more. By default those that wait."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="How many, newest first.")] = 100,
) -> None:
    """List requests, newest first, and every breaker that is open."""
    waiting = [each for each in RequestOutcome if each.is_open or each is RequestOutcome.FAILED]
    wanted = tuple(outcome or (RequestOutcome if everything else waiting))
    with _engine(store, rules) as engine:
        requests = engine.requests.list(*wanted, limit=limit)
        breakers = [each for each in engine.requests.breakers() if each.is_open]
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for breaker in breakers:
            out.write(breaker_object(breaker))
        for request in requests:
            out.write(request_record(request))
        return
    for line in [*map(breaker_line, breakers), *map(request_line, requests)]:
        sys.stdout.write(f"{line}\n")
    if not requests:
        sys.stdout.write("There are no such requests.\n")


@requests_app.command("show")
@settles
def requests_show(
    request: Number, store: StoreUrl, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """Show one request: its plan, who agreed, and what happened to it."""
    with _engine(store, rules) as engine:
        found, approvals = engine.requests.show(request), engine.requests.approvals(request)
        history = engine.audit.rows_of(request)
    if as_json:
        JsonLines(sys.stdout.buffer).write(request_record(found, approvals))
        return
    _show(found)
    for line in [*map(approval_line, approvals), *map(audit_line, history)]:
        sys.stdout.write(f"  {line}\n")


@requests_app.command("approve")
@settles
def requests_approve(
    request: Number,
    store: StoreUrl,
    by: By,
    plan: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="The plan that you saw; by default as kept."),
    ] = None,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Agree to a held request; it runs as soon as every guard agrees."""
    with _engine(store, rules) as engine:
        decided = engine.requests.approve(request, by=by, plan=plan)
        _finish(engine, decided, as_json=as_json)


@requests_app.command("cancel")
@settles
def requests_cancel(
    request: Number, store: StoreUrl, by: By, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """Call a held request off, for good."""
    with _engine(store, rules) as engine:
        _finish(engine, engine.requests.cancel(request, by=by), as_json=as_json)


@requests_app.command("retry")
@settles
def requests_retry(
    request: Number, store: StoreUrl, by: By, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """Have the host's handler called again for a request that failed."""
    with _engine(store, rules) as engine:
        _finish(engine, engine.requests.retry(request, by=by), as_json=as_json)


@requests_app.command("close-breaker")
@settles
def requests_close_breaker(
    guard: Annotated[str, typer.Argument(help="The guard file's id.")],
    store: StoreUrl,
    by: By,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Close a guard's breaker: what it held is judged again, and the count begins anew."""
    with _engine(store, rules) as engine:
        held = engine.requests.close(guard, by=by)
        now = engine.clock.now()
        told = [each for folded in engine.wake(now) for each in folded.emitted]
        done = [each for each in told if isinstance(each, Request)]
        engine.scrub()
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for request in done:
            out.write(request_record(request))
        return
    sys.stdout.write(f"The breaker of {guard} is closed; {held} requests were judged again.\n")
    for request in done:
        sys.stdout.write(f"{request_line(request)}\n")


def _finish(engine: Engine, request: Request, *, as_json: bool) -> None:
    """Show what became of a request, and clean up behind an erasure."""
    _tell(request, as_json=as_json)
    if request.outcome is RequestOutcome.RAN and not engine.scrub():
        say("whereupon: somebody is reading the store: run whereupon scrub later")


def _tell(request: Request, *, as_json: bool, tried: bool = False) -> None:
    if as_json:
        JsonLines(sys.stdout.buffer).write(request_record(request))
    else:
        _show(request, tried=tried)


def _show(request: Request, *, tried: bool = False) -> None:
    sys.stdout.write(f"{request_line(request)}\n")
    if request.plan is not None:
        counts = ", ".join(f"{n} {name}" for name, n in request.plan.counts.items()) or "nothing"
        gone = "went" if request.outcome is RequestOutcome.RAN and not tried else "would go"
        sys.stdout.write(f"  plan {request.plan.digest}: {counts} {gone}\n")


# --- erase ----------------------------------------------------------------------------------------


@settles
def erase_command(
    person: Annotated[str, typer.Argument(help="One of the person's user ids.")],
    store: StoreUrl,
    by: By,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what would go, and who objects.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Ask for a person to be deleted. Every guard has a say, as with a server's request."""
    if not (dry_run or yes):
        typed = typer.prompt(f"This erases {person} for good. Type their id to go on", err=True)
        if typed.strip() != person:
            fail("that is another id; nothing was done", FINDINGS)
    with _engine(store, rules) as engine:
        request = engine.requests.erase(person, by=by, dry_run=dry_run)
        if dry_run and not as_json:
            sys.stdout.write("This is what would happen; nothing was done.\n")
        if dry_run:
            _tell(request, as_json=as_json, tried=True)
        else:
            _finish(engine, request, as_json=as_json)
        if request.detail == Absence.PERSON:
            with engine.store.session() as session:
                say(f"whereupon: {nobody(session, person)}")
    if request.outcome is RequestOutcome.REFUSED:
        raise typer.Exit(FINDINGS)


@settles
def scrub_command(
    store: StoreUrl,
    rules: RulesFolder = RULES,
) -> None:
    """Take the bytes of erased people out of the database's logs and free pages."""
    with _engine(store, rules) as engine:
        done = engine.scrub()
    if not done:
        fail("somebody is reading or writing; try again in a moment", FINDINGS)
    sys.stdout.write("Nothing of those who were erased is left in pages or logs.\n")


# --- audit ----------------------------------------------------------------------------------------


@audit_app.command("list")
@settles
def audit_list(
    store: StoreUrl,
    after: Annotated[int, typer.Option(min=0, max=LARGEST, help="Only rows behind this one.")] = 0,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """List the log, oldest row first."""
    with _engine(store, rules) as engine:
        rows = list(engine.audit.rows(after))
    out = JsonLines(sys.stdout.buffer)
    for row in rows:
        if as_json:
            out.write(audit_object(row))
        else:
            sys.stdout.write(f"{audit_line(row)}\n")


@audit_app.command("show")
@settles
def audit_show(
    request: Number, store: StoreUrl, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """The receipt of one request: what can be handed to whoever asked for it."""
    with _engine(store, rules) as engine:
        receipt = engine.audit.receipt(request)
    if as_json:
        JsonLines(sys.stdout.buffer).write(receipt_object(receipt))
    else:
        sys.stdout.write(f"{receipt.text}\n")


@audit_app.command("verify")
@settles
def audit_verify(
    store: StoreUrl,
    head: Annotated[
        str | None,
        typer.Option(metavar="N:HASH", help="A head that was kept elsewhere, from audit export."),
    ] = None,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Find every row that was edited, removed or put elsewhere."""
    kept = _head(head) if head is not None else None
    with _engine(store, rules) as engine:
        flaws, end = engine.audit.verify(kept=kept), engine.audit.head()
        keyed = bool(engine.pipeline.settings.digest_key)
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for flaw in flaws:
            out.write(flaw_object(flaw))
    for flaw in [] if as_json else flaws:
        sys.stdout.write(f"row {flaw.sequence}: {flaw.code} {flaw.message}\n")
    if flaws:
        fail(f"the log is not as it was written: {len(flaws)} findings", FINDINGS)
    if not as_json:
        rows = end.sequence if end else 0
        sys.stdout.write(f"{rows} rows, each as it was written.\n")
    if not keyed:
        say(f"whereupon: {KEY} is not set: who can write the store can write the log anew")


@audit_app.command("export")
@settles
def audit_export(store: StoreUrl, rules: RulesFolder = RULES) -> None:
    """Print the log as JSON Lines; the last is its head, to be kept where the store is not."""
    out = JsonLines(sys.stdout.buffer)
    with _engine(store, rules) as engine:
        for row in engine.audit.rows():
            out.write(audit_object(row))
        head = engine.audit.head()
    if head is not None:
        out.write(head_object(head))


def _head(text: str) -> tuple[int, str]:
    sequence, _, own = text.partition(":")
    if not sequence.isdecimal() or not own:
        fail("a head is a row's number and its hash, as 12:3fa1…")
    return int(sequence), own
