"""``whereupon inbox``: what is in a person's inbox."""

from contextlib import closing
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import AsJson, MostResults, PersonId, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store, unknown_person
from whereupon.operations.inbox import Inboxes
from whereupon.render.inbox import inbox_line, inbox_object
from whereupon.scheduling import SystemClock


@exits_with_status
def inbox_command(
    person: PersonId,
    store: StoreUrl,
    unread: Annotated[bool, typer.Option("--unread", help="Leave out what is read.")] = False,
    before: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Go on behind this item: its cursor in the JSON."),
    ] = None,
    as_json: AsJson = False,
    limit: MostResults = 50,
) -> None:
    """List what is in a person's inbox, newest first: what they have read, and what they have not.

    What has expired is not listed.
    """
    with closing(existing_store(store)) as event_store:
        with event_store.reading() as session:
            if not session.identifiers([person], []):
                fail(unknown_person(session, person), FINDINGS)
        inboxes = Inboxes(event_store, SystemClock())
        try:
            items = inboxes.items(person, unread=unread, limit=limit, before=before)
        except ValueError as error:
            fail(f"--before: {error}")
    if as_json:
        print_objects(*map(inbox_object, items))
    else:
        print_lines(map(inbox_line, items) if items else ["There is nothing in this inbox."])
