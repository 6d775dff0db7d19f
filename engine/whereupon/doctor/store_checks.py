"""Checks of the store: reachable, migrated, with its grants and its key, and what waits in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from whereupon.api.config import is_known_key, is_new_to_keys, settings_for
from whereupon.config import Config
from whereupon.doctor.api_key_checks import check_api_keys
from whereupon.doctor.findings import error, ok, warning
from whereupon.errors import ConfigInvalidError, StoreError
from whereupon.messages.times import format_duration
from whereupon.ports import Backlog, Finding, Session
from whereupon.records import DeliveryState
from whereupon.rules.model import Rulebook
from whereupon.storage import open_store

if TYPE_CHECKING:
    from whereupon.storage.inspection import StoreFacts

_SKEW, _WRONG_SKEW = timedelta(seconds=2), timedelta(seconds=30)
_LATE = timedelta(minutes=15)
_LITTLE = 500_000_000
"""Bytes that a disk with a database should have free."""

_HARMFUL = {
    ("fsync", "off"): "a crash of the server loses or damages what was accepted",
    ("full_page_writes", "off"): "a crash of the server may damage the database",
    ("synchronous_commit", "off"): "a crash of the server loses messages that were accepted",
    ("default_transaction_read_only", "on"): "nothing can be recorded",
}


def check_store(
    config: Config, store: str | None, now: Callable[[], datetime]
) -> Iterator[Finding]:
    """Everything about the store; nothing in it is changed."""
    if store is None:
        advice = (
            'Set store = "sqlite:///shop.db" in whereupon.toml, or WHEREUPON_STORE, or --store.'
        )
        yield error("No store is named.", advice)
        return
    if store == "memory://":
        advice = "Use SQLite or PostgreSQL outside of tests."
        yield warning("The store is in memory, and keeps nothing.", advice)
        return
    from whereupon.storage.inspection import inspect_store  # noqa: PLC0415 - imports the database

    try:
        facts = inspect_store(store, schema=config.settings.schema)
    except StoreError as refused:
        yield error(f"The store cannot be used: {refused}.", _ADVICE.get(refused.code, _DEFAULT))
        return
    yield from _database(facts, now)
    if facts.version == facts.newest and not facts.missing_grants:
        yield from _contents(config, store, now())


def _database(facts: "StoreFacts", now: Callable[[], datetime]) -> Iterator[Finding]:
    yield ok(f"The store is {facts.shown}, {facts.product}.")
    yield _version(facts.version, facts.newest)
    yield _skew(now() - facts.clock)
    for name, value in facts.settings.items():
        if (name, value) in _HARMFUL:
            said = f"The server has {name} = {value}: {_HARMFUL[name, value]}."
            yield warning(said, f"Have the administrator set {name} otherwise.")
    for grant in facts.missing_grants:
        yield error(f"The role lacks {grant}.", f"Run: GRANT {grant} TO the role of the store.")
    if facts.free is not None and facts.free < _LITTLE:
        said = f"The disk of the database has {facts.free // 1_000_000} MB left."
        yield warning(said, "Make room, or run whereupon prune.")


_DEFAULT = "Correct the address, or start the database."
_ADVICE = {
    "no-store": "Run whereupon migrate --store URL, or start whereupon run once.",
    "missing-extra": "Run: pip install 'whereupon[postgres]'.",
    "unreachable": "Start the database, and look at the host, the port and the password.",
}


def _version(found: str | None, newest: str) -> Finding:
    if found is None:
        advice = "Run whereupon migrate, or open an engine under a role that may make tables."
        return warning("There are no tables yet.", advice)
    if found < newest:
        advice = "Run whereupon migrate, or open an engine under a role that may change tables."
        return warning(f"A migration is pending: from version {found} to {newest}.", advice)
    if found > newest:
        said = f"The tables have version {found}, and this library knows them up to {newest}."
        return error(said, "Upgrade whereupon here.")
    return ok(f"The tables have version {found}, the newest.")


def _skew(skew: timedelta) -> Finding:
    if abs(skew) <= _SKEW:
        return ok("The clocks of this machine and of the database agree.")
    direction = "ahead of" if skew > timedelta(0) else "behind"
    seconds = format_duration(timedelta(seconds=round(abs(skew).total_seconds())))
    said = f"This machine's clock is {seconds} {direction} the database's."
    advice = "Set both by a time service; leases and waits go by the clocks of the processes."
    return error(said, advice) if abs(skew) > _WRONG_SKEW else warning(said, advice)


def _contents(config: Config, store: str, now: datetime) -> Iterator[Finding]:
    """What is in it: whether the key is its own, and what waits."""
    try:
        kept = open_store(store, make=False, migrate=False, schema=config.settings.schema)
    except StoreError as refused:
        yield error(f"The store cannot be opened: {refused}.", _DEFAULT)
        return
    with closing(kept), kept.reading() as session:
        yield from _key(config, session)
        yield from _backlog(session.backlog(), now)
        yield from check_api_keys(session, now, needed=config.settings.server is not None)


def _key(config: Config, session: Session) -> Iterator[Finding]:
    try:
        own, *former = config.digest_keys
    except ConfigInvalidError:  # the check of the keys has said it
        return
    book = Rulebook()
    if is_known_key(session, settings_for(book, digest_key=own)):
        yield ok("The store was hashed under this digest_key.")
    elif is_new_to_keys(session):
        yield ok("Nothing in the store is hashed yet; it takes any digest_key.")
    elif any(is_known_key(session, settings_for(book, digest_key=key)) for key in former):
        yield ok("The store was hashed under a former key, which is still recognised.")
    else:
        said = "The store was hashed under another digest_key, and refuses to open with this one."
        yield error(said, "Give that one, or put it behind the new one after a comma.")


def _backlog(backlog: Sequence[Backlog], now: datetime) -> Iterator[Finding]:
    """What waits, without a word about whom it is for."""
    for state, channel, number, oldest in backlog:
        match state:
            case DeliveryState.HELD:
                advice = f"Configure the channel {channel} in a process that does due work."
                yield warning(f"{number} deliveries for {channel} are held.", advice)
            case DeliveryState.DEAD:
                advice = f"See whereupon deliveries --state dead; then whereupon retry --all --channel {channel}."
                yield warning(f"{number} deliveries for {channel} are dead.", advice)
            case DeliveryState.PAUSED:
                advice = "See whereupon status: it says who paused what, and since when."
                yield warning(f"{number} deliveries for {channel} are paused.", advice)
            case DeliveryState.PENDING if oldest is not None and now - oldest > _LATE:
                age = format_duration(timedelta(minutes=(now - oldest) // timedelta(minutes=1)))
                advice = "Look whether a process does due work: whereupon run, or engine.start()."
                said = (
                    f"The oldest of {number} pending deliveries for {channel} is due since {age}."
                )
                yield warning(said, advice)
            case _:
                yield ok(f"{number} deliveries for {channel} are pending.")
