"""``whereupon erase`` and ``scrub``: the deletion of a person, and of the bytes that it leaves."""

import sys
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail, print_to_stderr
from whereupon.cli.options import RULES, AsJson, By, Confirmed, PersonId, RulesFolder, StoreUrl
from whereupon.cli.requests import print_outcome, print_request
from whereupon.cli.stores import keyed_engine, unknown_person
from whereupon.guards.judge import Absence
from whereupon.records import RequestOutcome


@exits_with_status
def erase_command(
    person: PersonId,
    store: StoreUrl,
    by: By,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Change nothing; show the plan, and which guards object."),
    ] = False,
    yes: Confirmed = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Request the deletion of a person. The guards judge it like a request from a server."""
    if not (dry_run or yes):
        typed = typer.prompt(f"This erases {person} for ever. Type their id to go on", err=True)
        if typed.strip() != person:
            fail("that is another id; nothing was done", FINDINGS)
    with keyed_engine(store, rules) as engine:
        request = engine.requests.erase(person, by=by, dry_run=dry_run)
        if dry_run and not as_json:
            sys.stdout.write("This is what would happen; nothing was done.\n")
        if dry_run:
            print_request(request, as_json=as_json, dry_run=True)
        else:
            print_outcome(engine, request, as_json=as_json)
        if request.detail == Absence.PERSON:
            with engine.store.session() as session:
                print_to_stderr(f"whereupon: {unknown_person(session, person)}")
    if request.outcome is RequestOutcome.REFUSED:
        raise typer.Exit(FINDINGS)


@exits_with_status
def scrub_command(
    store: StoreUrl,
    rules: RulesFolder = RULES,
) -> None:
    """Remove the bytes of erased persons from the database's logs and free pages."""
    with keyed_engine(store, rules) as engine:
        done = engine.scrub()
    if not done:
        fail("the store is being read or written; try again in a moment", FINDINGS)
    sys.stdout.write("Nothing of erased persons is left in pages or logs.\n")
