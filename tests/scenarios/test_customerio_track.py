"""The Track API of Customer.io: each call becomes the messages that it means, or is refused by name."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.customerio import Caller, Said, recorded
from tests.rule_files import book_of, campaign, guard
from tests.shop import NOON

from whereupon import Engine
from whereupon.records import MetricReport, ObjectRecord, Relationship
from whereupon.records.api_keys import KeyKind, Scope
from whereupon.scheduling.clocks import FrozenClock

MARCH = 1710237600
LATER = NOON + timedelta(seconds=1)


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def engine(clock: FrozenClock) -> Iterator[Engine]:
    """An engine in memory, which thanks for every purchase."""
    with Engine.open("memory://", rules=book_of(BOOK), clock=clock) as engine:
        yield engine


@pytest.fixture
def call(engine: Engine) -> Caller:
    """Calls that engine."""
    return Caller(engine)


BOOK = campaign("thanks", "purchase", whereupon=[{"send": "email", "subject": "Thanks"}])

EVENT = ("track", "purchase", "ada", None, {"price": 23.45})


# --- people, version 1 ------------------------------------------------------------------------------


def test_an_identify_sets_the_attributes_of_the_person_whom_the_path_names(
    engine: Engine, call: Caller
) -> None:
    """An id is percent-decoded once, after the path is divided, so it may hold a slash."""
    path = "/api/v1/customers/ada%40x%20%2B1%2F%C3%A4"
    said = {"email": "ada@example.com", "created_at": 1709285400, "none": None, "tags": ["a"]}
    assert call("PUT", path, said) == Said(200, {}, _headers())
    assert recorded(engine) == [("identify", "", "ada@x +1/ä", None, said)]


def test_an_identify_with_an_anonymous_id_claims_what_waits_under_it(
    engine: Engine, call: Caller
) -> None:
    """Anonymous events trigger once their person is known."""
    call("POST", "/api/v1/events", {"name": "purchase", "anonymous_id": "anon-1"})
    assert engine.deliveries() == []
    call("PUT", "/api/v1/customers/ada", {"anonymous_id": "anon-1"})
    assert [each.person for each in engine.deliveries()] == ["ada"]
    assert recorded(engine)[1] == ("identify", "", "ada", "anon-1", {})


def test_an_update_makes_nobody(engine: Engine, call: Caller) -> None:
    """With ``_update`` only people who are there are changed, and the answer says so."""
    answered = call("PUT", "/api/v1/customers/ada", {"plan": "pro", "_update": True})
    assert answered.status == 200
    assert "nobody has that id" in str(answered.body["meta"])
    assert recorded(engine) == []
    call("PUT", "/api/v1/customers/ada", {"plan": "free"})
    call("PUT", "/api/v1/customers/ada", {"plan": "pro", "_update": True})
    assert recorded(engine)[1] == ("identify", "", "ada", None, {"plan": "pro"})


def test_attributes_may_be_of_an_earlier_time(call: Caller) -> None:
    """``_timestamp`` is when they were true, so a newer value stays."""
    call("PUT", "/api/v1/customers/ada", {"plan": "pro"})
    call("PUT", "/api/v1/customers/ada", {"plan": "free", "_timestamp": MARCH})
    attributes = call("GET", "/v1/customers/ada/attributes").body["customer"]
    assert isinstance(attributes, dict)
    assert attributes["attributes"] == {"plan": "pro"}


@pytest.mark.parametrize("action", [None, "add_relationships", "delete_relationships"])
def test_an_identify_relates_the_person_to_objects(
    engine: Engine, call: Caller, action: str | None
) -> None:
    """``cio_relationships`` is a list to add, or says whether to add or to delete."""
    acme: JsonValue = {"identifiers": {"object_type_id": 2, "object_id": "acme"}}
    call("PUT", "/api/v1/customers/ada", {"cio_relationships": [acme]})
    given: JsonValue = (
        [acme] if action is None else {"action": action, "relationships": [acme, acme]}
    )
    answered = call("PUT", "/api/v1/customers/ada", {"plan": "pro", "cio_relationships": given})
    assert answered.status == 200
    ties = [] if action == "delete_relationships" else [("2", "acme")]
    assert _ties(engine) == ties


def test_a_call_of_several_messages_goes_in_whole_or_not_at_all(
    engine: Engine, call: Caller
) -> None:
    """A relationship that cannot be accepted keeps the attributes out, too."""
    bad: JsonValue = {"identifiers": {"object_id": "x" * 151}}
    answered = call("PUT", "/api/v1/customers/ada", {"plan": "pro", "cio_relationships": [bad]})
    assert (answered.status, answered.body["code"]) == (400, "id-too-long")
    assert answered.body["field"] == "object_id"
    assert recorded(engine) == []


def test_topics_are_kept_as_customer_io_writes_them(engine: Engine, call: Caller) -> None:
    """Consent reads ``cio_subscription_preferences`` as it is."""
    said: JsonValue = {"topics": {"topic_1": False}}
    call("PUT", "/api/v1/customers/ada", {"cio_subscription_preferences": said})
    assert recorded(engine)[0][4] == {"cio_subscription_preferences": said}
    mail: JsonValue = {"send": "email", "topic": "topic_1", "subject": "Thanks"}
    engine.reload(book_of(campaign("thanks", "purchase", whereupon=[mail])))
    call("POST", "/api/v1/customers/ada/events", {"name": "purchase"})
    call("POST", "/api/v1/customers/bob/events", {"name": "purchase"})
    states = {each.person: each.state.value for each in engine.deliveries()}
    assert states == {"ada": "withheld", "bob": "pending"}


def test_an_email_address_names_the_one_person_who_has_it(engine: Engine, call: Caller) -> None:
    """In a path and among identifiers, whatever its case; but an id that somebody has comes first."""
    call("PUT", "/api/v1/customers/ada", {"email": "Ada@example.com"})
    call("POST", "/api/v1/customers/ada%40Example.com/events", {"name": "x"})
    entity = {"type": "person", "identifiers": {"email": "ada@example.com"}, "action": "event"}
    call("POST", "/api/v2/entity", {**entity, "name": "y"})
    engine.identify("ada@example.com")
    call("POST", "/api/v1/customers/ada%40example.com/events", {"name": "z"})
    assert [(name, user_id) for _, name, user_id, *_ in recorded(engine)] == [
        ("", "ada"),
        ("x", "ada"),
        ("y", "ada"),
        ("", "ada@example.com"),
        ("z", "ada@example.com"),
    ]


def test_an_email_address_of_several_people_names_nobody(engine: Engine, call: Caller) -> None:
    """Nothing is guessed: the call is refused, and says how many have it."""
    for person in ("ada", "eve"):
        call("PUT", f"/api/v1/customers/{person}", {"email": "us@example.com"})
    answered = call("DELETE", "/api/v1/customers/us%40example.com")
    assert (answered.status, answered.body["code"]) == (400, "several-people")
    assert "2 people have the address" in answered.error
    assert len(recorded(engine)) == 2


def test_a_person_may_become_known_by_an_email_address(engine: Engine, call: Caller) -> None:
    """Then it is the user id, and the attribute to which mails go, unless another address is given."""
    call("PUT", "/api/v1/customers/ada%40example.com", {"plan": "pro"})
    call("PUT", "/api/v1/customers/ada%40example.com", {"plan": "free"})
    call("PUT", "/api/v1/customers/bob%40example.com", {"email": "other@example.com"})
    entity = {"type": "person", "identifiers": {"email": "eve@example.com"}, "action": "identify"}
    call("POST", "/api/v2/batch", {"batch": [entity, {**entity, "action": "event", "name": "x"}]})
    assert [(user_id, data) for _, _, user_id, _, data in recorded(engine)] == [
        ("ada@example.com", {"plan": "pro", "email": "ada@example.com"}),
        ("ada@example.com", {"plan": "free"}),
        ("bob@example.com", {"email": "other@example.com"}),
        ("eve@example.com", {"email": "eve@example.com"}),
        ("eve@example.com", {}),
    ]


# --- events, version 1 ------------------------------------------------------------------------------

EVENTS: list[tuple[str, dict[str, object], tuple[str, str, str | None, str | None, object]]] = [
    ("customers/ada/events", {"name": " purchase ", "data": {"price": 23.45}}, EVENT),
    ("customers/ada/events", {"name": "x", "type": "event"}, ("track", "x", "ada", None, {})),
    ("customers/ada/events", {"name": "x", "data": None}, ("track", "x", "ada", None, {})),
    (
        "customers/ada/events",
        {"name": "/pricing", "type": "page", "data": {"ref": "/home"}},
        ("page", "/pricing", "ada", None, {"ref": "/home"}),
    ),
    ("customers/5/events", {"name": "Cart", "type": "screen"}, ("screen", "Cart", "5", None, {})),
    (
        "events",
        {"name": "viewed", "data": {"n": 1}, "anonymous_id": "anon-1"},
        ("track", "viewed", None, "anon-1", {"n": 1}),
    ),
    (
        "customers/ada/events",
        {"name": "Home", "type": "screen", "anonymous_id": "anon-1"},
        ("screen", "Home", "ada", "anon-1", {}),
    ),
    ("events", {"name": "viewed", "anonymous_id": 7}, ("track", "viewed", None, "7", {})),
]


@pytest.mark.parametrize(("path", "body", "expected"), EVENTS)
def test_an_event_is_a_track_a_page_or_a_screen(
    engine: Engine,
    call: Caller,
    path: str,
    body: dict[str, object],
    expected: tuple[str, str, str | None, str | None, object],
) -> None:
    """The name is trimmed, as the hosted product does it; ``data`` are the properties."""
    assert call("POST", f"/api/v1/{path}", body).body == {}
    assert recorded(engine) == [expected]


def test_the_id_of_an_event_makes_the_call_idempotent(engine: Engine, call: Caller) -> None:
    """With an ``id`` a retry counts once; without one each call is an event of its own."""
    event = {"name": "purchase", "id": "01HQ", "timestamp": MARCH}
    for _ in range(2):
        assert call("POST", "/api/v1/customers/ada/events", event).body == {}
    assert len(recorded(engine)) == 1
    for _ in range(2):
        call("POST", "/api/v1/customers/ada/events", {"name": "purchase"})
    assert len(recorded(engine)) == 3


def test_a_time_is_in_unix_seconds(engine: Engine, call: Caller) -> None:
    """An event from the past is history, and triggers nothing that asks for recent events."""
    call("POST", "/api/v1/customers/ada/events", {"name": "purchase", "timestamp": MARCH})
    assert engine.deliveries() == []
    assert [each.reason for each in engine.explain("ada", "thanks")] == ["too-old"]


def test_an_event_that_asks_for_an_action_is_refused_as_an_event(call: Caller) -> None:
    """In the Track API such a name is ordinary, so it must delete nobody here; the call for it does."""
    call("PUT", "/api/v1/customers/ada", {})
    answered = call("POST", "/api/v1/customers/ada/events", {"name": "User Deleted"})
    assert (answered.status, answered.body["code"]) == (400, "semantic-event")
    assert call("GET", "/v1/customers/ada/attributes").status == 200


# --- what asks for actions --------------------------------------------------------------------------


def test_a_deleted_person_is_gone(engine: Engine, call: Caller) -> None:
    """DELETE is ``Delete Person``, with a body or without."""
    call("PUT", "/api/v1/customers/lin", {"plan": "pro"})
    assert call("DELETE", "/api/v1/customers/lin", {}).body == {}
    assert call("GET", "/v1/customers/lin/attributes").status == 404
    assert call("DELETE", "/api/v1/customers/lin").body == {}
    assert recorded(engine) == []


def test_a_deletion_that_the_guards_hold_is_answered_with_what_it_waits_for(
    call: Caller, engine: Engine
) -> None:
    """The request is taken, so it is 200; the person stays until somebody agrees."""
    engine.reload(book_of(guard("two-eyes", ["Delete Person"], approvals=1)))
    call("PUT", "/api/v1/customers/ada", {})
    answered = call("DELETE", "/api/v1/customers/ada")
    assert answered.status == 200
    (request,) = engine.requests.list()
    assert f"Delete Person waits as request {request.key}" in str(answered.body)
    assert call("GET", "/v1/customers/ada/attributes").status == 200


def test_a_deletion_that_the_guards_refuse_is_an_error(call: Caller, engine: Engine) -> None:
    """Nobody may believe that a person is deleted who is not."""
    engine.reload(book_of(guard("staff", ["Delete Person"], protect={"staff": True})))
    call("PUT", "/api/v1/customers/ada", {"staff": True})
    answered = call("DELETE", "/api/v1/customers/ada")
    assert (answered.status, answered.error) == (403, "Delete Person was refused: protected")


def test_a_suppressed_person_stays_away_until_unsuppressed(
    clock: FrozenClock, call: Caller
) -> None:
    """Messages of a suppressed id have no effect."""
    call("PUT", "/api/v1/customers/bob", {"plan": "pro"})
    assert call("POST", "/api/v1/customers/bob/suppress", {}).body == {}
    call("PUT", "/api/v1/customers/bob", {"plan": "pro"})
    assert call("GET", "/v1/customers/bob/attributes").status == 404
    assert call("POST", "/api/v1/customers/bob/unsuppress").body == {}
    clock.move_to(LATER)
    call("PUT", "/api/v1/customers/bob", {"plan": "free"})
    assert call("GET", "/v1/customers/bob/attributes").status == 200


def test_two_people_are_merged(call: Caller) -> None:
    """The primary stays; a repetition changes nothing."""
    call("PUT", "/api/v1/customers/ada", {"plan": "pro"})
    call("PUT", "/api/v1/customers/ada2", {"city": "Paris"})
    body = {"primary": {"id": "ada"}, "secondary": {"id": "ada2"}}
    for _ in range(2):
        assert call("POST", "/api/v1/merge_customers", body).body == {}
    customer = call("GET", "/v1/customers/ada2/attributes").body["customer"]
    assert isinstance(customer, dict)
    assert customer["attributes"] == {"plan": "pro", "city": "Paris"}


def test_people_are_merged_by_their_email_addresses(call: Caller) -> None:
    """As the clients allow for each of the two."""
    call("PUT", "/api/v1/customers/ada", {})
    call("PUT", "/api/v1/customers/ada2", {"email": "ada2@example.com"})
    body = {"primary": {"id": "ada"}, "secondary": {"email": "ada2@example.com"}}
    assert call("POST", "/api/v1/merge_customers", body).body == {}
    customer = call("GET", "/v1/customers/ada/attributes").body["customer"]
    assert isinstance(customer, dict)
    assert customer["attributes"] == {"email": "ada2@example.com"}


def test_a_merge_of_somebody_unknown_claims_nothing(engine: Engine, call: Caller) -> None:
    """An unknown secondary could be an anonymous id; it is refused instead."""
    call("POST", "/api/v1/events", {"name": "purchase", "anonymous_id": "anon-1"})
    call("PUT", "/api/v1/customers/ada", {})
    body = {"primary": {"id": "ada"}, "secondary": {"id": "anon-1"}}
    answered = call("POST", "/api/v1/merge_customers", body)
    assert (answered.status, answered.body["code"]) == (400, "unknown-person")
    assert engine.deliveries() == []


def test_a_device_is_registered_and_deleted(engine: Engine, call: Caller) -> None:
    """The token may hold a slash; what else is said of the device is kept."""
    device = {"id": "tok/1", "platform": "ios", "last_used": MARCH, "attributes": {"version": "1"}}
    assert call("PUT", "/api/v1/customers/ada/devices", {"device": device}).body == {}
    (found,) = engine.devices("ada")
    assert (found.token, found.platform) == ("tok/1", "ios")
    assert found.attributes == {"last_used": MARCH, "version": "1"}
    assert call("DELETE", "/api/v1/customers/ada/devices/tok%2F1").body == {}
    assert engine.devices("ada") == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("/api/v1/push/events", "event"), ("/api/v1/metrics", "metric")],
)
def test_a_metric_of_a_delivery_is_reported_once(
    engine: Engine, call: Caller, path: str, name: str
) -> None:
    """Both calls are the message ``Report Delivery Event``."""
    call("POST", "/api/v1/customers/ada/events", {"name": "purchase"})
    (delivery,) = engine.deliveries()
    report = {name: "opened", "delivery_id": delivery.idempotency_key, "timestamp": MARCH}
    for _ in range(2):
        assert call("POST", path, report).body == {}
    (delivery,) = engine.deliveries()
    assert [each.value for each in delivery.reports] == ["opened"]
    with engine.store.reading() as session:
        assert len(list(session.scan(MetricReport))) == 1


# --- what is refused --------------------------------------------------------------------------------

REFUSED: list[tuple[str, str, object, str, str]] = [
    ("PUT", "/api/v1/customers/ada%2", {}, "bad-path", ""),
    ("PUT", "/api/v1/customers/%zz", {}, "bad-path", ""),
    ("PUT", "/api/v1/customers/%ff", {}, "bad-path", ""),
    ("PUT", "/api/v1/customers/%20", {}, "missing-id", "id"),
    ("PUT", "/api/v1/customers/null", {}, "junk-id", "id"),
    ("PUT", "/api/v1/customers/" + "x" * 151, {}, "id-too-long", "id"),
    ("PUT", "/api/v1/customers/cio_03000001", {}, "unknown-person", "id"),
    ("PUT", "/api/v1/customers/ada", [1], "not-an-object", ""),
    ("PUT", "/api/v1/customers/ada", {"id": "bob"}, "other-id", "id"),
    ("PUT", "/api/v1/customers/ada", {"cio_id": "03"}, "bad-field", "cio_id"),
    ("PUT", "/api/v1/customers/ada", {"_update": "yes"}, "bad-field", "_update"),
    ("PUT", "/api/v1/customers/ada", {"_timestamp": "soon"}, "bad-timestamp", "_timestamp"),
    ("PUT", "/api/v1/customers/ada", {"note": "x" * 33_000}, "message-too-large", "message"),
    ("POST", "/api/v1/customers/ada/events", {}, "missing-event", "name"),
    ("POST", "/api/v1/customers/ada/events", {"name": "  "}, "missing-event", "name"),
    ("POST", "/api/v1/customers/ada/events", {"name": "x" * 101}, "name-too-long", "name"),
    ("POST", "/api/v1/customers/ada/events", {"name": "x", "type": "y"}, "unknown-type", "type"),
    ("POST", "/api/v1/customers/ada/events", {"name": "x", "data": [1]}, "bad-field", "data"),
    ("POST", "/api/v1/customers/ada/events", {"name": "x", "id": {}}, "bad-field", "id"),
    (
        "POST",
        "/api/v1/customers/ada/events",
        {"name": "x", "timestamp": "soon"},
        "bad-timestamp",
        "timestamp",
    ),
    ("POST", "/api/v1/events", {"name": "invite"}, "missing-id", "anonymous_id"),
    ("PUT", "/api/v1/customers/ada/devices", {}, "missing-field", "device.id"),
    (
        "PUT",
        "/api/v1/customers/ada/devices",
        {"device": {"id": "t"}},
        "missing-field",
        "device.platform",
    ),
    ("POST", "/api/v1/merge_customers", {"primary": {"id": "a"}}, "unknown-person", "primary"),
    ("POST", "/api/v1/metrics", {"metric": "opened"}, "missing-field", "delivery_id"),
    ("POST", "/api/v1/metrics", {"metric": "x", "delivery_id": "d"}, "unknown-metric", "metric"),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "field"), REFUSED)
def test_what_cannot_be_done_is_refused_with_its_field(
    engine: Engine, call: Caller, method: str, path: str, body: object, code: str, field: str
) -> None:
    """An error is 400, has a stable code and the sentence where the clients look for it."""
    answered = call(method, path, body)
    assert (answered.status, answered.body["code"], answered.body["field"]) == (400, code, field)
    assert answered.error == answered.body["message"]
    assert recorded(engine) == []


@pytest.mark.parametrize("raw", [b"{", b"nothing", b"\xff\xfe", b'{"a": 1} x', b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(call: Caller, raw: bytes) -> None:
    """Whatever the bytes are, the answer is 400 with an object."""
    assert call("PUT", "/api/v1/customers/ada", raw=raw).status == 400


def test_a_path_or_method_that_is_not_known_is_an_error(call: Caller) -> None:
    """Nothing is ever redirected, and a slash at the end does not count."""
    assert call("POST", "/api/v1/customers/ada/nothing", {}).status == 404
    answered = call("PATCH", "/api/v1/customers/ada", {})
    assert (answered.status, answered.headers["Allow"]) == (405, "DELETE, PUT")
    assert call("PUT", "/api/v1/customers/ada/", {}).status == 200


def test_the_region_is_here(call: Caller) -> None:
    """The clients ask which host to use."""
    answered = call("GET", "/api/v1/accounts/region").body
    assert answered["url"] == "https://track.shop.example"
    assert answered["environment_id"] == 1


# --- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing-key"),
        ("Digest x", "missing-key"),
        ("Basic %%%", "missing-key"),
        ("Bearer other", "unknown-key"),
        ("Basic c2l0ZTpvdGhlcg==", "unknown-key"),
    ],
)
def test_a_call_without_a_known_key_is_refused(
    engine: Engine, authorization: str, code: str
) -> None:
    """The answer is 401 in the form that the clients show."""
    answered = Caller(engine)("PUT", "/api/v1/customers/ada", {}, authorization=authorization)
    assert (answered.status, answered.body["code"]) == (401, code)
    assert answered.error
    assert recorded(engine) == []


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (KeyKind.CLIENT, frozenset({Scope.MESSAGES})),
        (KeyKind.MANAGEMENT, frozenset({Scope.ADMIN})),
        (KeyKind.SERVER, frozenset({Scope.SEND})),
    ],
)
def test_only_a_server_key_for_messages_tracks(
    engine: Engine, kind: KeyKind, scopes: frozenset[Scope]
) -> None:
    """The key of a browser can be read by anybody, and reaches nothing here."""
    answered = Caller(engine, kind, scopes)("DELETE", "/api/v1/customers/ada")
    assert answered.status == 401


# --- version 2 --------------------------------------------------------------------------------------

ADA = {"type": "person", "identifiers": {"id": "ada"}}
ACME = {"type": "object", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
TIE = [{"identifiers": {"object_id": "acme"}}]

ENTITIES: list[tuple[dict[str, object], list[tuple[object, ...]]]] = [
    (
        {**ADA, "action": "identify", "attributes": {"plan": "pro", "anonymous_id": "anon-1"}},
        [("identify", "", "ada", "anon-1", {"plan": "pro"})],
    ),
    (
        {**ADA, "action": "identify", "attributes": {}, "cio_relationships": TIE},
        [("identify", "", "ada", None, {}), ("group", "", "ada", None, {"objectTypeId": "1"})],
    ),
    (
        {**ADA, "action": "event", "name": "purchase", "attributes": {"price": 23.45}},
        [EVENT],
    ),
    ({**ADA, "action": "page", "name": "/pricing"}, [("page", "/pricing", "ada", None, {})]),
    ({**ADA, "action": "screen", "name": "Cart"}, [("screen", "Cart", "ada", None, {})]),
    (
        {"type": "person", "action": "event", "anonymous_id": "anon-1", "name": "viewed"},
        [("track", "viewed", None, "anon-1", {})],
    ),
    (
        {
            "type": "person",
            "identifiers": {"anonymous_id": "anon-1"},
            "action": "event",
            "name": "viewed",
        },
        [("track", "viewed", None, "anon-1", {})],
    ),
    (
        {**ADA, "action": "add_relationships", "cio_relationships": TIE},
        [("group", "", "ada", None, {"objectTypeId": "1"})],
    ),
    (
        {
            **ACME,
            "action": "identify",
            "attributes": {"name": "Acme"},
            "cio_relationships": [
                {"identifiers": {"id": "ada"}},
                {"identifiers": {"anonymous_id": "anon-1"}},
            ],
        },
        [
            ("group", "", "ada", None, {"name": "Acme", "objectTypeId": "1"}),
            ("group", "", None, "anon-1", {"name": "Acme", "objectTypeId": "1"}),
        ],
    ),
    (
        {
            **ADA,
            "action": "add_relationships",
            "cio_relationships": [{**TIE[0], "relationship_attributes": {"role": "admin"}}],
        },
        [
            (
                "group",
                "",
                "ada",
                None,
                {"objectTypeId": "1", "relationshipAttributes": {"role": "admin"}},
            )
        ],
    ),
    (
        {**ACME, "action": "add_relationships", "cio_relationships": [{"identifiers": {"id": 5}}]},
        [("group", "", "5", None, {"objectTypeId": "1"})],
    ),
]


@pytest.mark.parametrize(("entity", "expected"), ENTITIES)
def test_an_entity_becomes_messages(
    engine: Engine,
    call: Caller,
    entity: dict[str, object],
    expected: list[tuple[object, ...]],
) -> None:
    """Type and action say which; alone or in a batch, it is the same."""
    assert call("POST", "/api/v2/entity", entity).body == {}
    assert recorded(engine) == expected
    with Engine.open("memory://", clock=FrozenClock(NOON)) as other:
        assert Caller(other)("POST", "/api/v2/batch", {"batch": [entity]}).body == {}
        assert recorded(other) == expected


def test_entities_ask_for_actions(engine: Engine, clock: FrozenClock, call: Caller) -> None:
    """A batch is done in its order: what one entity makes, the next may change, merge or delete."""
    device = {"token": "tok/1", "platform": "android", "last_used": MARCH}
    batch = [
        {**ADA, "action": "identify", "attributes": {"plan": "pro"}},
        {**ADA, "action": "add_device", "device": device},
        {"type": "person", "identifiers": {"id": "ada2"}, "action": "identify"},
        {
            "type": "person",
            "action": "merge",
            "primary": {"id": "ada"},
            "secondary": {"id": "ada2"},
        },
        {**ADA, "action": "add_relationships", "cio_relationships": TIE},
        {"type": "person", "identifiers": {"id": "bob"}, "action": "identify"},
        {"type": "person", "identifiers": {"id": "bob"}, "action": "suppress"},
        {"type": "person", "identifiers": {"id": "bob"}, "action": "identify"},
    ]
    assert call("POST", "/api/v2/batch", {"batch": batch}).body == {}
    assert [each.token for each in engine.devices("ada2")] == ["tok/1"]
    assert _ties(engine) == [("1", "acme")]
    assert call("GET", "/v1/customers/bob/attributes").status == 404
    undone = [
        {**ADA, "action": "delete_device", "device": {"token": "tok/1"}},
        {
            **ACME,
            "action": "delete_relationships",
            "cio_relationships": [{"identifiers": {"id": "ada"}}],
        },
        {**ACME, "action": "delete"},
        {"type": "person", "identifiers": {"id": "bob"}, "action": "unsuppress"},
        {**ADA, "action": "delete"},
    ]
    assert call("POST", "/api/v2/batch", {"batch": undone}).body == {}
    clock.move_to(LATER)
    call("PUT", "/api/v1/customers/bob", {})
    assert call("GET", "/v1/customers/bob/attributes").status == 200
    assert call("GET", "/v1/customers/ada/attributes").status == 404
    with engine.store.reading() as session:
        assert list(session.scan(ObjectRecord)) == []


def test_an_object_may_be_set_without_its_people(engine: Engine, call: Caller) -> None:
    """Its attributes are kept, under its type and id."""
    entity = {**ACME, "action": "identify", "attributes": {"name": "Acme"}}
    assert call("POST", "/api/v2/entity", entity).body == {}
    with engine.store.reading() as session:
        (found,) = session.scan(ObjectRecord)
    assert (found.type_id, found.object_id, found.attributes) == ("1", "acme", {"name": "Acme"})
    assert _ties(engine) == []
    call("POST", "/api/v2/entity", {**ADA, "action": "add_relationships", "cio_relationships": TIE})
    call("PUT", "/api/v1/customers/bob", {"cio_relationships": TIE})
    with engine.store.reading() as session:
        assert list(session.scan(ObjectRecord)) == [found]
    assert len(_ties(engine)) == 2


def test_a_delivery_reports_what_became_of_it(engine: Engine, call: Caller) -> None:
    """The delivery's id is its idempotency key."""
    call("POST", "/api/v1/customers/ada/events", {"name": "purchase"})
    (delivery,) = engine.deliveries()
    named = {"id": delivery.idempotency_key}
    entity = {"type": "delivery", "identifiers": named, "action": "event", "name": "bounced"}
    assert call("POST", "/api/v2/entity", entity).body == {}
    assert [each.value for each in engine.deliveries()[0].reports] == ["bounced"]


def test_the_good_entities_of_a_batch_are_in_and_the_bad_ones_are_named(
    engine: Engine, call: Caller
) -> None:
    """207 lists each bad one with its place, a reason, the field and a sentence."""
    batch: list[object] = [
        {**ADA, "action": "identify", "attributes": {"plan": "pro"}},
        {**ADA, "action": "bogus"},
        {"type": "company", "action": "identify"},
        7,
        {"type": "person", "identifiers": {"email": "x@example.com"}, "action": "delete"},
        {**ADA, "action": "event", "name": "purchase"},
        {**ADA, "action": "event", "name": "x", "attributes": {"text": "x" * 33_000}},
        {"type": "person", "identifiers": {"id": "null"}, "action": "identify"},
        {**ACME, "action": "add_relationships"},
    ]
    answered = call("POST", "/api/v2/batch", {"batch": batch})
    assert answered.status == 207
    assert answered.items == [
        (1, "unknown-action", "action"),
        (2, "unknown-type", "type"),
        (3, "not-an-object", ""),
        (4, "unknown-person", "identifiers.email"),
        (6, "message-too-large", ""),
        (7, "junk-id", "id"),
        (8, "missing-field", "cio_relationships"),
    ]
    assert answered.error.startswith("['batch[1]: ")
    assert [name for _, name, *_ in recorded(engine)] == ["", "purchase"]


def test_a_batch_of_which_nothing_can_be_done_is_an_error(call: Caller) -> None:
    """It is 400, so that clients raise it; so is one that cannot be read."""
    bad = {**ADA, "action": "bogus"}
    answered = call("POST", "/api/v2/batch", {"batch": [bad]})
    assert (answered.status, answered.items) == (400, [(0, "unknown-action", "action")])
    empty: list[dict[str, object]] = [{}, {"batch": []}, {"batch": {}}, {"batch": None}]
    for body in empty:
        assert call("POST", "/api/v2/batch", body).body["field"] == "batch"
    answered = call("POST", "/api/v2/entity", bad)
    assert (answered.status, answered.items) == (400, [(None, "unknown-action", "action")])
    assert answered.error == answered.body["message"]


def test_a_batch_has_at_most_500_kb(engine: Engine, call: Caller) -> None:
    """What is larger is refused whole; what is within goes in whole, however many messages it makes."""
    entity = {**ADA, "action": "event", "name": "purchase", "attributes": {"text": "x" * 9_900}}
    answered = call("POST", "/api/v2/batch", {"batch": [entity] * 52})
    assert (answered.status, answered.body["code"]) == (400, "batch-too-large")
    small = {"type": "person", "identifiers": {"id": "ada"}, "action": "event", "name": "x"}
    assert call("POST", "/api/v2/batch", {"batch": [small] * 5_000}).status == 200
    assert len(recorded(engine)) == 5_000


_NAMES = st.sampled_from(
    [
        *("type", "action", "identifiers", "id", "email", "attributes", "name", "device", "token"),
        *("cio_relationships", "object_id", "primary", "secondary", "timestamp", "anonymous_id"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)
_ENTITY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["person", "object", "delivery"]) | JSON,
        "action": st.sampled_from(["identify", "event", "merge", "add_device", "delete"]) | JSON,
    },
    optional={
        "identifiers": st.fixed_dictionaries({"id": st.sampled_from(["ada", "bob"])}) | JSON,
        "attributes": JSON,
        "name": st.text(max_size=8) | JSON,
        "device": JSON,
        "cio_relationships": JSON,
    },
)


@given(batch=st.lists(_ENTITY | JSON, min_size=1, max_size=6))
def test_any_batch_is_answered_with_what_was_wrong_in_it(batch: list[object]) -> None:
    """Whatever an entity holds, the others go in, and each place is named at most once."""
    good = {"type": "person", "identifiers": {"id": "zoe"}, "action": "event", "name": "purchase"}
    with Engine.open("memory://", clock=FrozenClock(NOON)) as engine:
        answered = Caller(engine)("POST", "/api/v2/batch", {"batch": [*batch, good]})
        assert answered.status in {200, 207}
        places = [place for place, _, _ in answered.items] if answered.status == 207 else []
        assert len(set(places)) == len(places)
        assert set(places) <= set(range(len(batch)))
        assert ("track", "purchase", "zoe", None, {}) in recorded(engine)


@given(
    path=st.sampled_from(["customers/ada", "customers/ada/events", "customers/ada/devices"]),
    body=JSON,
)
def test_any_body_is_answered_with_an_object(path: str, body: object) -> None:
    """Nothing that is sent leads to anything but 200 or 400."""
    with Engine.open("memory://", clock=FrozenClock(NOON)) as engine:
        method = "POST" if path.endswith("events") else "PUT"
        assert Caller(engine)(method, f"/api/v1/{path}", body).status in {200, 400}


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Cache-Control": "no-store"}


def _ties(engine: Engine) -> list[tuple[str, str]]:
    with engine.store.reading() as session:
        return [(each.type_id, each.object_id) for each in session.scan(Relationship)]
