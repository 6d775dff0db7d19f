"""The guards of an action in their order, and what each action does if none objects."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import campaign, guard
from tests.stores import contents
from tests.worlds import DAY, HOUR, NOON, World, after, message, world

from whereupon.decide import Settings
from whereupon.engine import Engine
from whereupon.guards.judge import (
    DEFAULT_POLICY,
    GuardFacts,
    Policy,
    Refusal,
    default_policy,
    judge,
    policy_on,
)
from whereupon.identity.algebra import IdentityPolicy
from whereupon.messages.model import MessageType, Origin, SenderClass
from whereupon.messages.semantic_events import ActionName, Registry
from whereupon.pipeline.ingestion import WireMessage
from whereupon.ports import Store
from whereupon.records import DeliveryState, RequestOutcome
from whereupon.rules.model import Consent, Guard

DEVICE: JsonValue = {"device": {"token": "t-1", "type": "ios"}}
DELETE = Registry().named(ActionName.DELETE_PERSON)
DELETE_DEVICE = Registry().named(ActionName.DELETE_DEVICE)


def shop() -> World:
    """A world with purchases, in which ada waits for a push."""
    made = world(
        campaign("thanks", "purchase", whereupon=[{"wait": "1d"}, {"send": "push", "title": "Hi"}])
    )
    made.track("purchase", "ada", anonymous="anon-1", at=0, message_id="m")
    return made


# --- the guards -------------------------------------------------------------------------------------


def test_the_guards_object_in_their_order() -> None:
    """Properties, identity, source, liveness and so on: the first guard that objects decides."""
    refuse = Policy({SenderClass.SERVER: Consent.REFUSE})
    seen = GuardFacts(asked_at=NOON, now=NOON)
    bad = message("m", name="Delete Device", anonymous="anon-1", origin=Origin.IMPORT)
    assert judge(bad, DELETE_DEVICE, replace(refuse, enabled=False), seen).reason == "disabled"
    assert judge(bad, DELETE_DEVICE, refuse, seen).reason is Refusal.INVALID
    bad = bad.changed(body=b'{"context": {"device": {"token": "t"}}}')
    assert judge(bad, DELETE_DEVICE, refuse, seen).reason is Refusal.NOT_IDENTIFIED
    bad = bad.changed(user_id="ada")
    gone = replace(seen, silenced_by="deleted", is_theirs=False)
    assert judge(bad, DELETE_DEVICE, refuse, gone).reason == "deleted"
    theirs = replace(seen, is_theirs=False)
    assert judge(bad, DELETE_DEVICE, refuse, theirs).reason is Refusal.NOT_THEIRS
    assert judge(bad, DELETE_DEVICE, refuse, seen).reason is Refusal.SOURCE
    assert judge(bad, DELETE_DEVICE, DEFAULT_POLICY, seen).reason is Refusal.NOT_LIVE
    bad = bad.changed(origin=Origin.LIVE, timestamp=after(-73 * HOUR))
    assert judge(bad, DELETE_DEVICE, DEFAULT_POLICY, seen).reason is Refusal.STALE
    good = bad.changed(timestamp=after(-72 * HOUR))
    ended = replace(seen, is_open=False)
    assert judge(good, DELETE_DEVICE, DEFAULT_POLICY, ended).reason is Refusal.ENDED
    assert judge(good, DELETE_DEVICE, DEFAULT_POLICY, seen).outcome is RequestOutcome.RAN


@pytest.mark.parametrize(
    ("name", "data", "context", "missing"),
    [
        ("Delete Device", {}, {}, "context.device.token"),
        ("Delete Device", {}, {"device": "odd"}, "context.device.token"),
        ("Device Created or Updated", {}, {"device": {"token": ""}}, "context.device.token"),
        ("Delete Object", {}, {}, "properties.objectId"),
        ("Delete Relationship", {"objectId": None}, {}, "properties.objectId"),
        ("Report Delivery Event", {"deliveryId": "d"}, {}, "properties.metric"),
        ("Report Delivery Event", {"metric": "opened"}, {}, "properties.deliveryId"),
        ("Report Delivery Event", {"deliveryId": "d", "metric": "odd"}, {}, "properties.metric"),
        ("Report Delivery Event", {"deliveryId": "d", "metric": []}, {}, "properties.metric"),
        ("Report Content Event", {}, {}, "properties.actionType"),
        ("Delete Device", {}, {"device": {"token": {"a": 1}}}, "context.device.token"),
        ("Device Created or Updated", {}, {"device": {"token": " "}}, "context.device.token"),
        ("Delete Object", {"objectId": ["acme"]}, {}, "properties.objectId"),
        ("Delete Object", {"objectId": True}, {}, "properties.objectId"),
        ("Delete Object", {"objectId": "a", "objectTypeId": {}}, {}, "properties.objectTypeId"),
        ("Delete Relationship", {"objectId": {}}, {}, "properties.objectId"),
        ("Report Content Event", {"actionType": {}}, {}, "properties.actionType"),
    ],
)
def test_a_request_without_what_it_needs_is_refused(
    name: str, data: JsonValue, context: JsonValue, missing: str
) -> None:
    """The detail names what is missing, or what is accepted."""
    made = world()
    result = made.track(name, "ada", data, context=context)
    (request,) = result.requests
    assert (request.outcome, request.reason) == ("refused", "invalid-properties")
    assert missing in (request.detail or "")
    assert not made.devices()


def test_a_token_that_no_database_can_look_up_is_refused_and_the_rest_goes_in(place: str) -> None:
    """A browser can send anything; no other sender's messages are lost."""
    with Engine.open(place) as engine:
        context = {"device": {"token": "a\0b"}}
        sent = {"type": "track", "event": "Delete Device", "userId": "ada", "context": context}
        result = engine.ingest([sent, {"type": "identify", "userId": "bob"}])
        assert (result.accepted, result.rejected) == (2, [])
        (request,) = result.requests
        assert (request.outcome, request.reason) == ("refused", "invalid-properties")
        assert request.detail == "context.device.token is a text without NUL"


def test_a_number_names_the_object_that_a_group_call_made(tmp_path: Path) -> None:
    """Some senders have only floats: 5.0 is the id 5 in the group call, and in the request, too."""

    def objects() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
            return connection.execute("SELECT type_id, object_id FROM whereupon_thing").fetchall()

    with Engine.open(f"sqlite:///{tmp_path}/shop.db") as engine:
        engine.ingest([{"type": "group", "userId": "ada", "groupId": 5.0}])
        assert objects() == [("1", "5")]
        engine.track("Delete Object", user_id="ada", properties={"objectId": 5.0})
        assert objects() == []


@pytest.mark.parametrize("name", ["Delete Person", "User Deleted", "Suppress Person"])
def test_an_anonymous_deletion_is_refused_for_ever(name: str) -> None:
    """A later claim does not lift the refusal, and deletes nothing."""
    made = world(campaign("thanks", "*"))
    made.identify("ada", {"plan": "pro"})
    made.track(name, anonymous="anon-1", at=1, message_id="d")
    made.identify("ada", anonymous="anon-1", at=2)
    made.track(name, anonymous="anon-1", at=1, arrives=3, message_id="late")
    made.alias("ada", "anon-1")
    assert [outcome for _, outcome, _ in made.requests()] == ["refused", "refused"]
    assert {reason for _, _, reason in made.requests()} == {"not-identified"}
    assert made.attributes("ada") == {"plan": "pro"}
    assert made.decided == []
    assert (made.owners()["d"], made.messages()["d"].body) == (None, b"")


def test_a_client_is_held_and_a_server_runs() -> None:
    """A browser's write key is public."""
    made = shop()
    made.track("Delete Person", "ada", source="client")
    assert made.person("ada") is not None
    made.track("Delete Person", "ada", source="server")
    assert made.person("ada") is None
    assert made.requests() == [
        ("Delete Person", "cancelled", "person-erased"),
        ("Delete Person", "ran", None),
    ]


@pytest.mark.parametrize("word", ["run", "hold", "refuse"])
@pytest.mark.parametrize("source", ["server", "client"])
def test_a_guard_file_says_run_hold_or_refuse(word: str, source: str) -> None:
    """Separately for each class of sender; a class without a setting keeps its default."""
    made = world(guard("deletions", ["Delete Person"], sources={source: word}))
    made.identify("ada")
    result = made.track("Delete Person", "ada", source=source)
    outcome = {"run": "ran", "hold": "held", "refuse": "refused"}[word]
    assert [request.outcome for request in result.requests] == [outcome]
    assert (made.person("ada") is None) == (word == "run")
    other = made.track("Delete Person", "ben", source={"server": "client"}.get(source, "server"))
    assert [request.outcome for request in other.requests] == [
        {"server": "held", "client": "ran"}[source]
    ]


def guards(*policies: tuple[str, dict[str, Consent], int]) -> list[Guard]:
    """Guard files about deletions."""
    return [
        Guard(name, "Who may.", (ActionName.DELETE_PERSON,), sources, timedelta(hours=hours))
        for name, sources, hours in policies
    ]


def test_of_several_guard_files_the_strictest_word_counts() -> None:
    """Separately for each sender; the shortest time wins."""
    policy = policy_on(
        DELETE.name,
        guards(
            ("a", {SenderClass.CLIENT: Consent.RUN, SenderClass.SERVER: Consent.HOLD}, 48),
            ("b", {SenderClass.CLIENT: Consent.REFUSE}, 24),
            ("c", {SenderClass.CLIENT: Consent.HOLD, SenderClass.SERVER: Consent.RUN}, 90),
        ),
    )
    assert policy == Policy(
        {SenderClass.SERVER: Consent.HOLD, SenderClass.CLIENT: Consent.REFUSE},
        timedelta(hours=24),
        guards=("a", "b", "c"),
    )


def test_a_guard_file_about_something_else_says_nothing() -> None:
    """Actions that no file mentions keep their defaults."""
    files = guards(("a", {SenderClass.SERVER: Consent.REFUSE}, 1))
    assert policy_on(ActionName.DELETE_OBJECT, files) == DEFAULT_POLICY
    assert policy_on(DELETE_DEVICE.name, files) == default_policy(DELETE_DEVICE.name)


def test_an_import_deletes_nothing() -> None:
    """History is not a request."""
    made = shop()
    made.engine.take([message("d", name="Delete Person", user="ada", origin=Origin.IMPORT)])
    assert made.requests() == [("Delete Person", "refused", "not-live")]
    assert made.person("ada") is not None


@pytest.mark.parametrize(
    ("age", "outcome"), [(72 * HOUR, "ran"), (72 * HOUR + 1, "refused"), (30 * DAY, "refused")]
)
def test_a_stale_request_is_refused(age: float, outcome: str) -> None:
    """By default after 72 hours."""
    made = world()
    made.track("Delete Person", "ada", at=0, arrives=age)
    assert made.requests() == [("Delete Person", outcome, None if outcome == "ran" else "stale")]


def test_the_same_message_asks_once() -> None:
    """A client that sends its request again deletes nobody a second time."""
    made = world()
    made.track("Delete Person", "ada", message_id="d", at=0)
    made.identify("ada", at=1)
    result = made.track("Delete Person", "ada", message_id="d", at=2)
    assert (result.duplicates, result.requests, len(made.requests())) == (1, [], 1)
    assert made.person("ada") is not None


def test_what_harms_nobody_needs_no_consent() -> None:
    """Browsers and imports may register devices and report metrics."""
    made = world(guard("d", ["Create or Update Device"], sources={"client": "refuse"}))
    made.track("Device Created or Updated", "ada", context=DEVICE, source="client")
    assert list(made.devices()) == ["t-1"]


# --- delete -----------------------------------------------------------------------------------------


def test_a_semantic_message_is_consumed() -> None:
    """No campaign sees it, and it counts as no person's event."""
    made = world(campaign("all", "*"))
    made.track("Device Created or Updated", "ada", context=DEVICE, message_id="d")
    assert (made.decided, made.messages()["d"].body, made.owners()["d"]) == ([], b"", None)


def test_delete_leaves_nothing_of_the_person() -> None:
    """Messages, identifiers, devices, entries, deliveries and skips are gone; other people's stay."""
    made = shop()
    made.track("purchase", "ben", at=0)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("Device Created or Updated", "ada", context=DEVICE, at=0)
    made.group("ada", "acme", {"size": 3}, at=0)
    made.track("Report Delivery Event", "ada", {"deliveryId": "d", "metric": "opened"}, at=0)
    made.identify("other", at=0)
    made.alias("ada", "other", at=1)
    made.run(DAY + 1)
    made.track("Delete Person", "ada", at=DAY + 2)
    schema = made.memory.schema
    assert made.person("ada") is None
    assert [p.user_id for p in schema.persons.rows.values()] == ["ben"]
    assert [value for _, value in schema.identifiers.rows] == ["ben"]
    assert [d.person for d in made.deliveries()] == ["ben"]
    assert (made.devices(), schema.relationships.rows) == ({}, {})
    assert "'ada'" not in repr(contents(made.memory))
    assert "other" not in repr(schema.merges.rows)
    made.run(9 * DAY)
    assert [d.person for d in made.deliveries()] == ["ben"]


@pytest.mark.parametrize("together", [True, False])
def test_a_deletion_in_one_batch_with_the_person_leaves_nothing(together: bool) -> None:
    """Made and erased in one transaction or in several, the result is the same."""
    made = shop()
    items: list[WireMessage] = [
        {"type": "track", "event": "Device Created or Updated", "userId": "zoe", "context": DEVICE},
        {"type": "track", "event": "purchase", "anonymousId": "anon-z"},
        {"type": "identify", "userId": "zoe", "anonymousId": "anon-z", "traits": {"a": "zoe"}},
        {"type": "identify", "userId": "zoe-2", "traits": {"b": "zoe"}},
        {"type": "alias", "userId": "zoe", "previousId": "zoe-2"},
        {
            "type": "track",
            "event": "Report Content Event",
            "userId": "zoe",
            "properties": {"actionType": "click"},
        },
        {"type": "track", "event": "Delete Person", "userId": "zoe"},
    ]
    for batch in [items] if together else [[item] for item in items]:
        assert not made.engine.ingest(batch).rejected
    assert "zoe" not in repr(contents(made.memory))
    assert "anon-z" not in repr(contents(made.memory))


def test_the_answer_to_a_deletion_names_the_person_once() -> None:
    """The answer names the person; the stored record does not."""
    made = shop()
    result = made.track("Delete Person", "ada")
    assert [request.person for request in result.requests] == ["ada"]
    assert [request.person for request in made.engine.requests()] == [None]


def test_late_messages_bring_nobody_back() -> None:
    """What happened before the deletion belongs to nobody; what happens after it makes a new, empty person."""
    made = shop()
    made.identify("ada", {"plan": "pro", "unsubscribed": True}, at=1)
    made.track("Delete Person", "ada", at=5)
    made.identify("ada", {"plan": "pro"}, at=4, arrives=6)
    made.track("purchase", anonymous="anon-1", at=5, arrives=6)
    made.track("Device Created or Updated", "ada", context=DEVICE, at=3, arrives=6)
    assert made.person("ada") is None
    assert made.devices() == {}
    assert made.requests()[-1] == ("Create or Update Device", "refused", "deleted")
    made.track("purchase", "ada", at=7)
    assert made.attributes("ada") == {}


def test_a_deletion_that_arrives_late_does_not_move_the_tombstone_back() -> None:
    """The later of two deletions counts."""
    made = shop()
    made.track("Delete Person", "ada", at=9)
    made.track("Delete Person", "ada", at=5, arrives=10)
    made.track("purchase", "ada", at=7, arrives=11)
    assert made.person("ada") is None


def test_a_deletion_of_nobody_makes_nobody() -> None:
    """The tombstone also covers older messages that arrive later."""
    made = world()
    result = made.track("Delete Person", "zoe", at=5)
    assert [request.outcome for request in result.requests] == ["ran"]
    made.identify("zoe", at=4, arrives=6)
    assert made.person("zoe") is None


def test_others_on_the_device_of_somebody_deleted_are_heard() -> None:
    """Their messages are recorded, whatever browser sends them."""
    made = shop()
    made.identify("ben", anonymous="anon-1", at=20)
    made.track("purchase", anonymous="anon-1", at=21, message_id="his")
    made.track("Suppress Person", "ada", at=22)
    made.track("purchase", "ben", anonymous="anon-1", at=21.5, arrives=23, message_id="own")
    owners = made.owners()
    assert (owners["own"], owners["his"]) == ("ben", "ben")


# --- suppress ---------------------------------------------------------------------------------------


def test_suppress_deletes_and_ignores_until_unsuppressed() -> None:
    """By user id and by claimed anonymous ids; nothing is restored."""
    made = shop()
    made.track("Suppress Person", "ada", at=1)
    made.track("purchase", "ada", at=2)
    made.track("purchase", anonymous="anon-1", at=3)
    made.track("Device Created or Updated", "ada", context=DEVICE, at=4)
    assert (made.person("ada"), made.devices()) == (None, {})
    assert made.requests()[-1] == ("Create or Update Device", "refused", "suppressed")
    made.track("Unsuppress Person", "ada", at=5)
    made.track("purchase", "ada", at=2.5, arrives=6)
    assert made.person("ada") is None
    made.track("purchase", "ada", anonymous="anon-1", at=7)
    assert made.attributes("ada") == {}


def test_deleting_somebody_suppressed_leaves_them_suppressed() -> None:
    """Only an unsuppress request lifts the suppression."""
    made = shop()
    made.track("User Suppressed", "ada", at=1)
    made.track("User Deleted", "ada", at=2)
    made.track("purchase", "ada", at=3)
    assert made.person("ada") is None
    made.track("User Unsuppressed", "ada", at=4)
    made.track("purchase", "ada", at=5)
    assert made.person("ada") is not None


def test_unsuppressing_somebody_deleted_restores_nothing() -> None:
    """The tombstone still covers what happened before the deletion."""
    made = shop()
    made.track("Delete Person", "ada", at=5)
    made.track("Unsuppress Person", "ada", at=6)
    made.track("purchase", "ada", at=4, arrives=7)
    assert made.person("ada") is None


def test_a_suppression_of_two_people_on_a_device_outlasts_a_deletion() -> None:
    """The device of the suppressed person stays suppressed when the other person is deleted."""
    made = shop()
    made.identify("ben", anonymous="anon-1", at=20)
    made.track("Suppress Person", "ben", at=21)
    made.track("Delete Person", "ada", at=22)
    made.track("purchase", anonymous="anon-1", at=23, message_id="late")
    assert "late" not in made.messages()


# --- devices, objects, reports ----------------------------------------------------------------------


def test_a_device_is_the_last_persons_to_register_it() -> None:
    """A token belongs to one person; its platform and properties are those of the last registration."""
    made = world()
    made.track("Device Created or Updated", "ada", {"v": 1}, context=DEVICE, at=0)
    made.track("Device Created or Updated", "ben", {"v": 2}, context=DEVICE, at=1)
    device = made.devices()["t-1"]
    ben = made.person("ben")
    assert ben is not None
    assert (device.person_key, device.platform, device.attributes) == (ben.key, "ios", {"v": 2})
    made.track("Delete Person", "ada", at=2)
    assert list(made.devices()) == ["t-1"]
    made.track("Delete Device", "ben", context=DEVICE, at=3)
    assert made.devices() == {}


@pytest.mark.parametrize("name", ["Device Deleted", "Delete Device"])
def test_a_client_may_delete_a_device_of_the_senders_own(home: Store, name: str) -> None:
    """A phone asks for it at every logout; the owner at that moment counts, and no other person's device goes."""
    made = World(store=home)
    sent: dict[str, JsonValue] = {}

    def asked(user: str, source: str = "client") -> tuple[str, str | None, str | None]:
        (request,) = made.track(name, user, sent, context=DEVICE, source=source).requests
        return request.outcome.value, request.reason, request.detail

    made.track("Device Created or Updated", "ada", context=DEVICE, source="client")
    assert asked("ben")[:2] == ("refused", "not-theirs")
    assert asked("ada") == ("ran", None, None)
    assert asked("ada") == ("ran", None, "unknown-device")
    made.track("Device Created or Updated", "ada", context=DEVICE, source="client")
    made.track("Device Created or Updated", "ben", context=DEVICE, source="client")
    assert asked("ada")[:2] == ("refused", "not-theirs")
    made.alias("ben", "ada")
    assert asked("ada") == ("ran", None, None)
    assert made.engine.requests.list(RequestOutcome.HELD) == []


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ({"sources": {"client": "refuse"}}, "refused"),
        ({"sources": {"client": "hold"}}, "held"),
        ({"approvals": 1}, "held"),
        ({"stale_after": "1h"}, "ran"),
    ],
)
def test_a_guard_file_may_still_keep_clients_from_their_devices(
    keys: dict[str, JsonValue], outcome: str
) -> None:
    """A key without a setting keeps its default; no request waits for a device without an owner."""
    made = world(guard("devices", ["Delete Device"], **keys))
    made.track("Device Created or Updated", "ada", context=DEVICE, source="client")
    (request,) = made.track("Device Deleted", "ada", context=DEVICE, source="client").requests
    assert request.outcome == outcome
    other: JsonValue = {"device": {"token": "t-2"}}
    (request,) = made.track("Device Deleted", "ada", context=other, source="client").requests
    assert request.outcome == ("refused" if outcome == "refused" else "ran")


def test_devices_move_with_a_merge() -> None:
    """The devices become the survivor's."""
    made = world()
    made.identify("ben")
    made.track("Device Created or Updated", "ada", context=DEVICE)
    made.alias("ben", "ada")
    ben = made.person("ben")
    assert ben is not None
    assert made.devices()["t-1"].person_key == ben.key


@pytest.mark.parametrize(
    ("name", "user", "data", "code"),
    [
        ("Delete Person", "zoe", {}, "unknown-person"),
        ("User Deleted", "zoe", {}, "unknown-person"),
        ("Suppress Person", "zoe", {}, "unknown-person"),
        ("Unsuppress Person", "zoe", {}, "unknown-person"),
        ("Unsuppress Person", "Ada@Example.com", {}, "not-suppressed"),
        ("Device Deleted", "zoe", {}, "unknown-device"),
        ("Delete Object", None, {"objectId": "acme", "objectTypeId": 2}, "unknown-object"),
        ("Delete Object", None, {"objectId": "else"}, "unknown-object"),
        ("Delete Relationship", "zoe", {"objectId": "acme"}, "unknown-person"),
        ("Delete Relationship", "ben", {"objectId": "acme"}, "unknown-relationship"),
    ],
)
def test_what_takes_nothing_away_is_no_plain_success(
    home: Store, name: str, user: str | None, data: JsonValue, code: str
) -> None:
    """It ran, because late messages are kept out all the same; a notice names what was missing."""
    made = World(store=home)
    made.group("Ada@Example.com", "acme")
    made.identify("ben")
    result = made.track(name, user, data, context=DEVICE, anonymous="anon-1")
    (request,), (notice,) = result.requests, result.warnings
    assert (request.outcome, request.reason, request.detail) == ("ran", None, code)
    assert (notice.code, notice.message_id) == (code, request.message_id)
    assert "there was nothing to" in notice.message


@pytest.mark.parametrize(
    ("asked", "source", "hint"),
    [
        ("ada@example.com", "server", "'Ada@Example.com' is known"),
        ("ADA@EXAMPLE.COM", "server", "'Ada@Example.com' is known"),
        ("Ada@Example. com", "server", "'Ada@Example.com' is known"),
        ("ADA@EXAMPLE.COM", "client", None),
        ("ada@example.org", "server", None),
    ],
)
def test_a_deletion_of_nobody_hints_at_an_id_that_is_written_otherwise(
    home: Store, asked: str, source: str, hint: str | None
) -> None:
    """The ids differ by case or white space only; a browser gets no hint."""
    made = World(store=home)
    made.identify("Ada@Example.com")
    (notice,) = made.track("Delete Person", asked, source=source).warnings
    assert (hint or "nothing to take away") in notice.message
    assert ("is known, and differs by case" in notice.message) is (hint is not None)
    assert made.person("Ada@Example.com") is not None


def test_what_is_there_is_taken_away_without_a_word() -> None:
    """Also if the same batch has made it."""
    made = world()
    made.group("ada", "acme")
    result = made.engine.ingest(
        [
            {"type": "group", "userId": "ada", "groupId": "new"},
            {"type": "track", "event": "Delete Relationship", "userId": "ada"}
            | {"properties": {"objectId": "new"}},
            {"type": "track", "event": "Delete Object", "userId": "ada"}
            | {"properties": {"objectId": "new"}},
            {"type": "track", "event": "Delete Object", "userId": "ada"}
            | {"properties": {"objectId": "acme"}},
            {"type": "track", "event": "Suppress Person", "userId": "ada"},
            {"type": "track", "event": "Unsuppress Person", "userId": "ada"},
        ]
    )
    assert [request.detail for request in result.requests] == [None] * 5
    assert result.warnings == []


def test_objects_and_relationships_come_and_go() -> None:
    """A group call makes both; the type is 1 if none is given."""
    made = world()
    made.group("ada", "acme", {"size": 3})
    made.group("ada", "math", {"objectTypeId": 2})
    made.group("ben", "acme", {"size": 4})
    schema = made.memory.schema
    assert {place: thing.attributes for place, thing in schema.objects.rows.items()} == {
        ("1", "acme"): {"size": 4},
        ("2", "math"): {"objectTypeId": 2},
    }
    ties = {(tie.type_id, tie.object_id) for tie in schema.relationships.rows.values()}
    assert ties == {("1", "acme"), ("2", "math")}
    made.track("Delete Relationship", "ada", {"objectId": "math", "objectTypeId": "2"})
    made.track("Delete Relationship", "zoe", {"objectId": "acme"})
    made.track("Object Deleted", "ada", {"objectId": "acme"})
    assert list(schema.objects.rows) == [("2", "math")]
    assert made.person("zoe") is None
    ties = {(tie.type_id, tie.object_id) for tie in schema.relationships.rows.values()}
    assert ("2", "math") not in ties


def test_a_group_call_without_traits_leaves_the_object_as_it_is() -> None:
    """It says only that the person belongs to it, unless the object is gone; then it is there again."""
    made = world()
    made.group("ada", "acme", {"size": 3})
    made.group("ben", "acme")
    made.group("ben", "acme", {"objectTypeId": 1, "relationshipAttributes": {"role": "admin"}})
    made.group("ben", "new")
    things = made.memory.schema.objects.rows
    known = {place: thing.attributes for place, thing in things.items()}
    assert known == {("1", "acme"): {"size": 3}, ("1", "new"): {}}
    made.track("Object Deleted", None, {"objectId": "acme"})
    made.group("ada", "acme")
    assert things["1", "acme"].attributes == {}


@pytest.mark.parametrize("first", [{"size": 3}, None])
def test_group_calls_of_one_batch_are_taken_in_their_order(first: JsonValue) -> None:
    """What was said of an object stays, whichever call says it; what deletes it comes last."""
    made = world()
    calls = [("ada", first), ("ben", {"size": 3} if first is None else None), ("eve", None)]
    batch: list[dict[str, object]] = [
        {"type": "group", "userId": user, "groupId": "acme", "traits": traits}
        for user, traits in calls
    ]
    made.engine.ingest(batch)
    things = made.memory.schema.objects.rows
    assert [thing.attributes for thing in things.values()] == [{"size": 3}]
    gone = {"type": "track", "event": "Object Deleted", "properties": {"objectId": "acme"}}
    made.engine.ingest([batch[2], gone])
    assert list(things) == []
    made.engine.ingest([batch[0], gone, batch[2]])
    assert len(things) == 1


def test_a_server_sets_an_object_without_its_people() -> None:
    """The other properties are its attributes. A client's is refused, since it names nobody who could be asked."""
    made = world()
    made.track("Object Created or Updated", None, {"objectId": "acme", "size": 3})
    made.track(
        "Object Created or Updated",
        "ada",
        {"objectId": 7, "objectTypeId": 2, "size": 4},
        source="client",
    )
    things = made.memory.schema.objects.rows
    assert {place: thing.attributes for place, thing in things.items()} == {
        ("1", "acme"): {"size": 3}
    }
    assert made.requests()[-1][1] == "refused"
    assert made.person("ada") is None
    made.track("Object Deleted", None, {"objectId": "acme"})
    assert list(things) == []


def test_reports_are_kept_by_delivery_or_content() -> None:
    """Every metric of the list is kept, also without a person."""
    made = world()
    made.track(
        "Report Delivery Event", None, {"deliveryId": "d", "metric": "opened"}, anonymous="a"
    )
    made.track("Report Content Event", "ada", {"actionType": "click", "deliveryId": "e"})
    assert [
        (report.kind, report.subject, report.metric, report.person)
        for report in made.memory.schema.reports.rows.values()
    ] == [("delivery", "d", "opened", None), ("content", "e", "click", "ada")]


# --- merge ------------------------------------------------------------------------------------------


def test_a_clients_alias_of_two_persons_is_held() -> None:
    """A merge deletes one of them; a browser may still claim its own anonymous id."""
    made = world()
    made.identify("ada")
    made.identify("ben")
    made.alias("ada", "ben", source="client")
    assert made.person("ada") != made.person("ben")
    made.track("purchase", anonymous="anon-1", message_id="m")
    made.alias("ada", "anon-1", source="client")
    assert made.owners()["m"] == "ada"
    made.alias("ada", "ben", source="server")
    assert made.person("ada") == made.person("ben")
    assert made.requests() == [("Merge People", "held", "source"), ("Merge People", "ran", None)]


def test_the_windows_of_identity_are_the_hosts_to_set() -> None:
    """A shop may keep anonymous activity for a day only."""
    made = world()
    policy = IdentityPolicy(retention=timedelta(days=1), late_window=timedelta(0))
    made.engine = Engine(made.home, made.engine.pipeline.index.book, settings=Settings(policy))
    made.engine.take(
        [
            message("old", anonymous="anon-1", name="purchase", at=-1),
            message("young", anonymous="anon-1", name="purchase", at=0),
            message("i", type_=MessageType.IDENTIFY, user="ada", anonymous="anon-1", at=DAY),
            message("late", anonymous="anon-1", name="purchase", at=DAY + 0.001),
        ]
    )
    assert made.owners() == {"old": None, "young": "ada", "i": "ada", "late": None}


def test_nothing_is_pending_for_the_deleted() -> None:
    """A delivery that was not sent yet is removed with its person."""
    made = world(campaign("thanks", "purchase"))
    made.track("purchase", "ada", at=0)
    assert [d.state for d in made.deliveries()] == [DeliveryState.PENDING]
    made.track("Delete Person", "ada", at=1)
    assert made.deliveries() == []
