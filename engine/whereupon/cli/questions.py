"""``whereupon explain`` and ``deliveries``: questions to a store."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, fail, settles
from whereupon.cli.options import LARGEST, RULES, AsJson, RulesIfAny, StoreUrl, paths_of, readable
from whereupon.engine import Engine
from whereupon.errors import StoreError, UnknownNameError
from whereupon.insight import Explanation, explain_rule
from whereupon.messages.streams import StreamReader
from whereupon.messages.times import format_instant
from whereupon.operations.pruner import kept_since
from whereupon.ports import Session, Store
from whereupon.records import DeliveryState, RetainedKind
from whereupon.render.formatting import clean
from whereupon.render.outbox import outbox_line
from whereupon.render.records import JsonLines, explanation_object, outbox_object
from whereupon.replay.stream_replay import read_streams, replay, throwaway_store
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rule, Rulebook, RuleKind
from whereupon.rules.spelling import nearest
from whereupon.storage import open_store

_MOST_SEARCHED = 10_000
_SQLITE_FILE = "sqlite:///"


@settles
def explain_command(
    person: Annotated[str, typer.Argument(help="One of the person's user ids.")],
    rule: Annotated[str, typer.Argument(help="The rule's id: its file's name without .yaml.")],
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="Ask this event store.")
    ] = None,
    streams: Annotated[
        list[Path] | None,
        typer.Option(
            "--stream",
            metavar="STREAM",
            callback=readable,
            help="Replay this stream first, and ask about that; give it again for more streams.",
        ),
    ] = None,
    rules: RulesIfAny = None,
    as_json: AsJson = False,
    limit: Annotated[
        int, typer.Option(min=1, max=LARGEST, help="How many messages, newest first.")
    ] = 20,
) -> None:
    """Say why a person did, or did not, enter a rule, and what came of it; the newest message first.

    Of a broadcast it says whether they were in its audience, and why not.
    """
    book = rules_asked(rules, store)
    known = book.rule(rule)
    if known is None and book.rules:
        hint = nearest(rule, [each.id for each in book.rules])
        fail(f"there is no rule called {rule!r} in {rules or RULES}{hint}")
    with store_asked(store, streams or [], book) as asked, asked.reading() as session:
        try:
            explanations = explain_rule(session, person, rule, known, limit)
        except UnknownNameError:
            fail(nobody(session, person), FINDINGS)
        since = {
            kind: kept_since(session, kind) for kind in (RetainedKind.SKIPS, RetainedKind.ENTRIES)
        }
    _show_explanations(explanations, person, known or rule, as_json=as_json)
    if not as_json:
        _show_what_is_gone(since)


def rules_asked(folder: Path | None, store: str | None) -> Rulebook:
    """The rules to explain by: of the folder, or of the usual one.

    A store tells of its decisions without any; a replay has nothing to decide by.
    """
    if folder is None and store is not None and not RULES.is_dir():
        return Rulebook()
    if folder is None and not RULES.is_dir():
        fail(f"there is no folder {str(RULES)!r} to replay by; name the rules folder: --rules DIR")
    return open_rules(folder or RULES)


@contextmanager
def store_asked(url: str | None, streams: Sequence[Path], book: Rulebook) -> Iterator[Store]:
    """The store to ask: the one at the URL, or a throwaway one after a replay of the streams."""
    if (url is None) == (not streams):
        fail("say where to look: --store URL, or --stream STREAM to replay first; one of the two")
    if url is not None:
        with closing(existing_store(url)) as store:
            yield store
        return
    with throwaway_store() as throwaway:
        replay(
            read_streams(paths_of(list(streams)), StreamReader()),
            lambda clock: Engine.open(throwaway, rules=book, clock=clock),
            lambda _: None,
        )
        with closing(open_store(throwaway)) as store:
            yield store


def existing_store(url: str) -> Store:
    """The store at that URL; a question makes neither a file nor tables where there are none."""
    path = url.removeprefix(_SQLITE_FILE).partition("?")[0]
    if url.startswith(_SQLITE_FILE) and path and not Path(path).exists():
        raise StoreError(code="no-store", reason=f"there is no file {path}")
    return open_store(url, make=False)


def nobody(session: Session, person: str) -> str:
    """That nobody is known by that id, and who is by one near it."""
    ids = [known.user_id for known in session.persons_after(0, _MOST_SEARCHED)]
    near = get_close_matches(person, ids, n=3)
    hint = f"; near it: {', '.join(map(clean, near))}" if near else ""
    return f"nobody is known as {person!r} here{hint}"


def _show_explanations(
    explanations: Sequence[Explanation], person: str, rule: Rule | str, *, as_json: bool
) -> None:
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for explanation in explanations:
            out.write(explanation_object(explanation))
        return
    for explanation in explanations:
        changed = " The rule has been changed since." if explanation.reworded else ""
        sys.stdout.write(f"{clean(explanation.sentence)}{changed}\n")
    if not explanations:
        why, name = "no message of theirs named", rule if isinstance(rule, str) else rule.id
        if isinstance(rule, Rule) and rule.kind is RuleKind.BROADCAST:
            why = "nothing has set off"
        sys.stdout.write(f"{clean(person)} is known, but {why} {clean(name)}.\n")


def _show_what_is_gone(since: Mapping[RetainedKind, datetime | None]) -> None:
    """What nobody can tell any more, since it is older than it is kept."""
    for kind, instant in since.items():
        if instant is not None:
            what = (
                "why somebody did not enter" if kind is RetainedKind.SKIPS else "entries that ended"
            )
            sys.stdout.write(
                f"Older than what is kept (keep: {kind} in the settings): "
                f"{what} before {format_instant(instant)}.\n"
            )


# --- the outbox -------------------------------------------------------------------------------


@settles
def deliveries_command(
    store: StoreUrl,
    state: Annotated[
        list[DeliveryState] | None,
        typer.Option(help="Only those in this state; give it again for more states."),
    ] = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="How many, newest first.")] = 100,
) -> None:
    """List deliveries of the outbox, newest first: waiting, sent, held back, or given up (dead)."""
    with closing(existing_store(store)) as kept, kept.reading() as session:
        deliveries = session.deliveries(state or tuple(DeliveryState), limit)
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for delivery in deliveries:
            out.write(outbox_object(delivery))
        return
    for delivery in deliveries:
        sys.stdout.write(f"{outbox_line(delivery)}\n")
    if not deliveries:
        sys.stdout.write("There are no such deliveries.\n")
