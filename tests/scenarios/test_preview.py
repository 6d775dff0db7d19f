"""Previews of an identify: what it would claim and trigger; and that a preview changes nothing."""

from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path

import pytest
from tests.rule_files import File, broadcast, campaign
from tests.stores import tables_in
from tests.worlds import HOUR, World, world

from whereupon import MessageRejectedError
from whereupon.ports import Store

THANKS = campaign("thanks", "purchase", whereupon=[{"send": "push", "title": "Thanks"}])
CART = campaign(
    "cart",
    "Product Added",
    who={"plan": "pro"},
    exit="purchase",
    whereupon=[{"wait": "2h"}, {"send": "email", "subject": "Your cart"}],
)
RULES: tuple[File, ...] = (THANKS, CART)


def visited(*, store: str | Store, rules: tuple[File, ...] = RULES) -> World:
    """An unknown visitor has put something into a cart, and bought something else before."""
    made = world(*rules, store=store)
    made.track("purchase", anonymous="phone", message_id="bought", at=0)
    made.track("Product Added", anonymous="phone", message_id="added", at=1)
    made.track("Product Added", anonymous="laptop", message_id="elsewhere", at=2)
    return made


def test_a_preview_says_what_would_be_claimed_decided_sent_and_waited_for(home: Store) -> None:
    """In the order in which it happened; messages that are not claimed are left out."""
    made = visited(store=home)
    preview = made.engine.preview_identify("ada", anonymous_id="phone", traits={"plan": "pro"})
    assert [(m.message_id, m.subject, m.before) for m in preview.claimed] == [
        ("bought", "purchase", None),
        ("added", "Product Added", None),
    ]
    assert [(d.message_id, d.rule, d.reason, d.retroactive) for d in preview.decisions] == [
        ("bought", "thanks", None, True),
        ("added", "cart", None, True),
    ]
    assert [(d.person, d.channel, d.content) for d in preview.deliveries] == [
        ("ada", "push", {"title": "Thanks"})
    ]
    (waiting,) = preview.waiting
    assert (waiting.rule, waiting.person, waiting.message_id) == ("cart", "ada", "added")
    assert waiting.due_at is not None
    assert (waiting.due_at - made.clock.now()).total_seconds() == 2 * HOUR * 60


def test_a_preview_comes_true(home: Store) -> None:
    """The identify then decides and sends the same, under the same idempotency keys."""
    made = visited(store=home)
    preview = made.engine.preview_identify("ada", anonymous_id="phone", traits={"plan": "free"})
    done = made.identify("ada", {"plan": "free"}, anonymous="phone")
    assert list(preview.decisions) == done.decisions
    assert [d.reason for d in preview.decisions] == [None, "who"]
    keys = [delivery.idempotency_key for delivery in made.deliveries()]
    assert [delivery.idempotency_key for delivery in preview.deliveries] == keys


def test_a_preview_changes_nothing_in_the_database(tmp_path: Path) -> None:
    """Not a byte of its file: no row, no key, no claim."""
    database = tmp_path / "shop.db"
    made = visited(store=f"sqlite:///{database}")
    made.home.close()
    before, rows = sha256(database.read_bytes()).digest(), tables_in(f"sqlite:///{database}")
    asked = world(*RULES, store=f"sqlite:///{database}")
    preview = asked.engine.preview_identify("ada", anonymous_id="phone", traits={"plan": "pro"})
    assert len(preview.claimed) == len(preview.decisions) == 2
    asked.home.close()
    assert sha256(database.read_bytes()).digest() == before
    assert tables_in(f"sqlite:///{database}") == rows


def test_a_preview_leaves_everything_as_it_is_on_every_store(home: Store) -> None:
    """Counts, keys and claims are the same afterwards, and a second preview gives the same answer."""
    made = visited(store=home)
    with home.session() as session:
        before, key = session.counts(), session.allocate(1)
    first = made.engine.preview_identify("ada", anonymous_id="phone")
    again = made.engine.preview_identify("ada", anonymous_id="phone")
    with home.session() as session:
        assert session.counts() == before
        assert session.allocate(1) == key + 1
        assert session.identifiers(["ada"], []) == []
    assert (first.claimed, len(first.decisions)) == (again.claimed, len(again.decisions))


def test_a_preview_shows_whose_a_message_is_now_and_that_it_triggers_nothing_again(
    home: Store,
) -> None:
    """An identify with an earlier time takes over what a later claim brought."""
    made = visited(store=home)
    made.identify("ben", anonymous="phone", at=30)
    preview = made.engine.preview_identify(
        "ada", anonymous_id="phone", timestamp=made.clock.now().replace(minute=3)
    )
    assert {message.before for message in preview.claimed} == {"ben"}
    assert {decision.reason for decision in preview.decisions} == {"claimed-before"}
    assert preview.deliveries == ()


def test_a_preview_shows_what_would_end(home: Store) -> None:
    """A purchase that turns out to be hers ends the waiting cart."""
    made = world(*RULES, store=home)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("Product Added", "ada", message_id="added", at=1)
    made.track("purchase", anonymous="phone", at=2)
    preview = made.engine.preview_identify("ada", anonymous_id="phone")
    assert [(e.rule, e.person, e.message_id) for e in preview.ended] == [("cart", "ada", "added")]


def test_a_preview_of_a_suppressed_person_says_so(home: Store) -> None:
    """It would claim nothing."""
    made = visited(store=home)
    made.track("Suppress Person", "ada", at=3)
    preview = made.engine.preview_identify("ada", anonymous_id="phone")
    assert (preview.silenced, preview.claimed, preview.decisions) == (True, (), ())


def test_a_preview_names_the_broadcasts_that_a_step_would_start(home: Store) -> None:
    """A campaign's `track` may start one."""
    rules = (
        campaign("restock", "purchase", whereupon=[{"track": "sold out"}]),
        broadcast("back-soon", "sold out"),
    )
    made = visited(store=home, rules=rules)
    preview = made.engine.preview_identify("ada", anonymous_id="phone")
    assert preview.broadcasts == ("back-soon",)


def test_a_preview_refuses_what_an_identify_would(home: Store) -> None:
    """With the same code and sentence."""
    made = world(store=home)
    with pytest.raises(MessageRejectedError) as refused:
        made.engine.preview_identify("guest", anonymous_id="phone")
    assert refused.value.code == "junk-id"


def test_a_preview_is_a_value(home: Store) -> None:
    """Nobody changes what was said."""
    preview = world(store=home).engine.preview_identify("ada")
    with pytest.raises(FrozenInstanceError):
        preview.silenced = True  # type: ignore[misc]
