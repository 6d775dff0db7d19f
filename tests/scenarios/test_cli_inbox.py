"""`whereupon inbox`, and what `identity` says of an inbox, as operators use them."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon

from whereupon import Engine
from whereupon.channels import Inbox
from whereupon.scheduling.clocks import FrozenClock

RULE: dict[str, object] = {
    "campaign": "news",
    "description": "Tell people in the app.",
    "when": "told",
    "reentry": "every_time",
    "whereupon": [{"send": "inbox", "title": "{{ properties.title }}", "kind": "transactional"}],
}


@pytest.fixture
def store(database: str) -> str:
    """A store in which ada has read the first of two items, and has one that has expired."""
    now = datetime.now(UTC)  # noqa: TID251 - the command asks the system's clock
    clock = FrozenClock(now - timedelta(days=31))
    with Engine.open(database, rules=book_of(RULE), clock=clock) as engine:
        engine.channel("inbox", Inbox())
        for title in ("old", "read", "\x1b[31mnew"):
            engine.track("told", user_id="ada", properties={"title": title})
            engine.run_due()
            clock.move_to(max(clock.now() + timedelta(minutes=1), now - timedelta(hours=1)))
        engine.mark_read("ada", engine.inbox("ada")[-1].key)
    return database


def test_an_inbox_is_listed_for_people(store: str) -> None:
    """Newest first, read or not; what has expired is left out, and no text moves the cursor."""
    listed = whereupon("inbox", "ada", "--store", store)
    assert (listed.status, listed.stderr) == (0, "")
    newest, oldest = listed.stdout.splitlines()
    assert "  unread  inbox (news)  “" in newest
    assert "\x1b" not in newest
    assert oldest.endswith("inbox (news)  “read”")
    assert "  read 2" in oldest


def test_an_inbox_is_listed_as_objects_in_pages(store: str) -> None:
    """The cursor of the last one leads to the next page."""
    (first,) = whereupon("inbox", "ada", "--store", store, "--json", "--limit", "1").records
    assert (first["rule"], first["send_kind"], first["read_at"]) == ("news", "transactional", None)
    behind = ("--before", first["cursor"], "--json")
    (second,) = whereupon("inbox", "ada", "--store", store, *behind).records
    assert second["content"] == {"title": "read"}
    (unread,) = whereupon("inbox", "ada", "--store", store, "--unread", "--json").records
    assert unread == first


def test_an_unknown_person_or_place_is_said(store: str) -> None:
    """Each with its own status: the first is a finding, the second a wrong use."""
    unknown = whereupon("inbox", "adda", "--store", store)
    assert (unknown.status, "adda" in unknown.stderr) == (1, True)
    wrong = whereupon("inbox", "ada", "--store", store, "--before", "x")
    assert (wrong.status, "not a cursor" in wrong.stderr) == (2, True)
    empty = whereupon("inbox", "ada", "--store", store, "--before", "0.x")
    assert (empty.status, empty.stdout) == (0, "There is nothing in this inbox.\n")


def test_identity_says_how_many_items_an_inbox_keeps(store: str) -> None:
    """As many as the store holds: the due work has removed the one that has expired."""
    assert "Their inbox has 2 items" in whereupon("identity", "ada", "--store", store).stdout
    (identity,) = whereupon("identity", "ada", "--store", store, "--json").of_kind("identity")
    assert identity["inbox"] == 2
