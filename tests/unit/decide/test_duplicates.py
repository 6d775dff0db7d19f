"""Message ids: unique within a class of sender; a duplicate with other content is reported."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from whereupon import Engine
from whereupon.messages.model import Source
from whereupon.pipeline.ingestion import Ingested
from whereupon.records import RequestOutcome

RULE = """
campaign: thanks
description: Thank people for an order.
when: Order Completed
reentry: every_time
whereupon:
  - send: push
    title: "Thanks"
"""

Raw = dict[str, JsonValue]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with one rule."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "thanks.yaml").write_text(RULE)
    return folder


def order(message_id: str, user: str = "ada", **more: JsonValue) -> Raw:
    """An order with this id."""
    usual: Raw = {"type": "track", "event": "Order Completed", "userId": user}
    return {**usual, "messageId": message_id, **more}


def deletion(message_id: str) -> Raw:
    """A request to delete Ada."""
    return order(message_id, event="Delete Person")


def codes(result: Ingested) -> list[str]:
    """The codes of all notices."""
    return [each.code for each in result.warnings]


@pytest.mark.parametrize("squat", ["order", "page", "deletion", "later in one batch"])
def test_a_clients_message_takes_no_id_from_a_server(place: str, rules: Path, squat: str) -> None:
    """In either order, the order and the deletion from the server take effect."""
    pages: dict[str, list[Raw]] = {
        "order": [order("m-1"), order("m-2")],
        "page": [{"type": "page", "anonymousId": "a-1", "messageId": f"m-{n}"} for n in (1, 2)],
        "deletion": [deletion("m-1"), deletion("m-2")],
        "later in one batch": [order("m-2"), order("m-1")],
    }
    with Engine.open(place, rules=rules) as engine:
        first = engine.ingest(pages[squat], source="client")
        assert (first.accepted, first.duplicates) == (2, 0)
        bought, deleted = engine.ingest([order("m-1")]), engine.ingest([deletion("m-2")])
        assert [each.outcome for each in bought.decisions] == ["entered"]
        assert RequestOutcome.RAN in {each.outcome for each in deleted.requests}
        assert (bought.warnings, deleted.warnings) == ([], [])
        again = engine.ingest([order("m-1"), deletion("m-2")])
        assert (again.accepted, again.duplicates) == (0, 2)
        once_more = engine.ingest(pages[squat], source="client")
        assert (once_more.accepted, once_more.duplicates) == (0, 2)


def test_what_is_erased_of_one_class_is_not_erased_of_the_other(place: str, rules: Path) -> None:
    """The digest that remains of an erased id belongs to its class of sender; within the class the id stays used."""
    with Engine.open(place, rules=rules) as engine:
        engine.ingest([order("m-1")], source="client")
        engine.ingest([deletion("m-2")])
        assert engine.ingest([order("m-1")], source="client").duplicates == 1
        assert engine.ingest([deletion("m-2")]).duplicates == 1
        assert engine.ingest([order("m-1")]).accepted == 1
        assert engine.ingest([order("m-2")], source="client").accepted == 1


def test_both_merges_of_one_id_are_kept(place: str) -> None:
    """Records named after a message are kept apart as the messages are, and shown with the ids that were sent."""
    with Engine.open(place) as engine:
        for user in ("ada", "bob", "cy"):
            engine.identify(user)
        pairs: list[tuple[Source, str]] = [("server", "bob"), ("client", "cy")]
        for source, other in pairs:
            raw: Raw = {"type": "alias", "userId": "ada", "previousId": other, "messageId": "m"}
            engine.ingest([raw], source=source)
        (held,) = engine.requests.list(RequestOutcome.HELD)
        engine.requests.approve(held.key, by="eve")
        merged = engine.identity("ada").merges
    assert sorted((each.person, each.message_id) for each in merged) == [("bob", "m"), ("cy", "m")]


@pytest.mark.parametrize(
    ("second", "differing"),
    [
        (order("m"), None),
        (order("m", properties={"total": 5}), None),
        (order("m", "bob"), "person"),
        (order("m", event="Order Refunded"), "event"),
        ({"type": "page", "userId": "ada", "messageId": "m"}, "type and name"),
        (order("m", "bob", event="Delete Person"), "event and person"),
    ],
)
def test_a_duplicate_that_differs_is_reported(
    place: str, second: Raw, differing: str | None
) -> None:
    """By type, event or person; a repeated message still changes nothing."""
    with Engine.open(place) as engine:
        for batches in ([[order("m")], [second]], [[order("m"), second]]):
            result = [engine.ingest(batch) for batch in batches][-1]
            assert result.duplicates == 1 + (len(batches) == 1)
            assert codes(result) == ["duplicate-differs"] * (differing is not None)
            assert all(f"another {differing};" in each.message for each in result.warnings)
            assert "bob" not in str(result.warnings)


def test_a_request_that_is_repeated_about_another_person_is_reported(place: str) -> None:
    """For a message that asked for an action, the request says which person it was about."""
    suppression = order("m", event="Suppress Person")
    with Engine.open(place) as engine:
        engine.identify("ada")
        engine.ingest([suppression], source="client")
        result = engine.ingest([{**suppression, "userId": "bob"}], source="client")
    assert (result.duplicates, codes(result)) == (1, ["duplicate-differs"])


def test_an_id_of_a_client_is_shown_as_it_was_sent(place: str, rules: Path) -> None:
    """In decisions, deliveries, explanations and requests."""
    with Engine.open(place, rules=rules) as engine:
        result = engine.ingest([order("m-1"), deletion("m-2")], source="client")
        shown: list[str | None] = [decision.message_id for decision in result.decisions]
        shown += [request.message_id for request in result.requests]
        shown += [delivery.message_id for delivery in engine.deliveries()]
        shown += [why.message_id for why in engine.explain("ada", "thanks")]
        shown += [held.message_id for held in engine.requests.list(RequestOutcome.HELD)]
    assert sorted(map(str, shown)) == ["m-1", "m-1", "m-1", "m-2", "m-2"]
