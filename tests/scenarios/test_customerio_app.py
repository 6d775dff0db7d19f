"""The App API of Customer.io: sends to one person, triggers of broadcasts, and look-ups."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.customerio import Caller
from tests.rule_files import book_of, broadcast, campaign
from tests.shop import NOON

from whereupon import Delivery, Engine
from whereupon.records.api_keys import KeyKind, Scope
from whereupon.scheduling.clocks import FrozenClock

RECEIPT = broadcast(
    "receipt",
    "api",
    who={"blocked": {"exists": False}},
    whereupon=[
        {
            "send": "email",
            "kind": "transactional",
            "subject": "Thanks, {{ person.first_name }}: {{ properties.total }}",
        }
    ],
)
CODE = broadcast("code", "api", whereupon=[{"send": "sms", "kind": "transactional", "text": "1"}])
NOTE = broadcast(
    "note", "api", whereupon=[{"send": "push", "title": "Hi"}, {"send": "inbox", "title": "Hi"}]
)
NEWS = broadcast(
    "news", "api", whereupon=[{"send": "email", "subject": "{{ properties.headline }}"}]
)
BOOK = book_of(campaign("buys", "purchase"), CODE, NEWS, NOTE, RECEIPT)
SENDS = {"identifiers": {"id": "ada"}, "transactional_message_id": "receipt"}


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def engine(clock: FrozenClock) -> Iterator[Engine]:
    """An engine that knows two people."""
    with Engine.open("memory://", rules=BOOK, clock=clock) as engine:
        traits = {"first_name": "Ada", "email": "ada@example.com", "phone": "+49 170 1234567"}
        engine.identify("ada", traits=traits)
        engine.identify("bob", traits={"email": "bob@example.com"})
        yield engine


@pytest.fixture
def call(engine: Engine) -> Caller:
    """Calls that engine."""
    return Caller(engine)


# --- sends ------------------------------------------------------------------------------------------


def test_a_send_is_the_broadcast_of_that_name_to_one_person(engine: Engine, call: Caller) -> None:
    """The answer has the delivery's key and when it was queued; nobody else gets anything."""
    answered = call("POST", "/v1/send/email", {**SENDS, "message_data": {"total": "23.45"}})
    (delivery,) = engine.deliveries()
    queued_at = int(NOON.timestamp())
    assert answered.body == {"delivery_id": delivery.idempotency_key, "queued_at": queued_at}
    assert delivery.person == "ada"
    assert delivery.content["subject"] == "Thanks, Ada: 23.45"
    sent: list[Delivery] = []
    engine.channel("email", sent.append)
    engine.run_due()
    assert [each.idempotency_key for each in sent] == [answered.body["delivery_id"]]


@pytest.mark.parametrize(
    "to", ["ada@example.com", "ADA@example.com ", "Ada <ada@example.com>", None]
)
def test_a_send_may_repeat_the_address_of_the_person(call: Caller, to: str | None) -> None:
    """It is compared as addresses are, whatever its case."""
    answered = call("POST", "/v1/send/email", {**SENDS, "to": to, "message_data": {"total": 1}})
    assert answered.status == 200


def test_a_send_to_a_phone_compares_numbers(call: Caller) -> None:
    """Spaces do not count."""
    body = {**SENDS, "transactional_message_id": "code", "to": "+491701234567"}
    assert call("POST", "/v1/send/sms", body).status == 200


def test_a_send_under_a_key_counts_once(engine: Engine, call: Caller) -> None:
    """The header ``Idempotency-Key`` makes a retry answer with the same delivery."""
    body = {**SENDS, "message_data": {"total": 1}}
    first, second = (
        call("POST", "/v1/send/email", body, idempotency_key="order-7") for _ in range(2)
    )
    assert first.body["delivery_id"] == second.body["delivery_id"]
    assert len(engine.deliveries()) == 1
    assert call("POST", "/v1/send/email", body).body["delivery_id"] != first.body["delivery_id"]
    answered = call("POST", "/v1/send/email", body, idempotency_key="x" * 201)
    assert (answered.status, answered.body["code"]) == (400, "bad-key")


def test_nothing_of_a_send_stays_for_ever(clock: FrozenClock, call: Caller, engine: Engine) -> None:
    """Its run, its entry and its delivery go when entries and deliveries do."""
    engine.channel("email", lambda _: None)
    call("POST", "/v1/send/email", {**SENDS, "message_data": {"total": 1}}, idempotency_key="a")
    engine.run_due()
    clock.move_to(NOON + timedelta(days=400))
    assert engine.prune().gone["runs"] == 1
    assert (engine.runs("receipt"), engine.deliveries()) == ([], [])


def test_a_push_may_go_to_all_devices_of_the_person(engine: Engine, call: Caller) -> None:
    """That is what a push does; the rule may go on behind its first step."""
    body = {**SENDS, "transactional_message_id": "note", "to": "all"}
    assert call("POST", "/v1/send/push", body).status == 200
    assert [each.channel for each in engine.deliveries()] == ["inbox", "push"]


def test_a_send_may_name_the_person_by_an_email_address(engine: Engine, call: Caller) -> None:
    """The one person who has it; of several it is refused."""
    body = {**SENDS, "identifiers": {"email": "Ada@Example.com"}, "message_data": {"total": 1}}
    assert call("POST", "/v1/send/email", body).status == 200
    assert [each.person for each in engine.deliveries()] == ["ada"]
    engine.identify("eve", traits={"email": "ada@example.com"})
    answered = call("POST", "/v1/send/email", body)
    assert (answered.status, answered.body["code"]) == (400, "several-people")


REFUSED: list[tuple[str, dict[str, object], int, str, str]] = [
    ("email", {"to": "eve@example.com"}, 400, "other-address", "to"),
    ("email", {"from": "eve@example.com"}, 400, "unsupported-field", "from"),
    ("email", {"reply_to": "eve@example.com"}, 400, "unsupported-field", "reply_to"),
    ("email", {"bcc": "eve@example.com"}, 400, "unsupported-field", "bcc"),
    ("email", {"subject": "Mine"}, 400, "unsupported-field", "subject"),
    ("email", {"body": "Mine"}, 400, "unsupported-field", "body"),
    ("email", {"attachments": {"a.txt": "aGVsbG8="}}, 400, "unsupported-field", "attachments"),
    ("email", {"headers": {"X-A": "b"}}, 400, "unsupported-field", "headers"),
    ("email", {"send_at": 1_900_000_000}, 400, "unsupported-field", "send_at"),
    ("email", {"queue_draft": True}, 400, "unsupported-field", "queue_draft"),
    ("email", {"send_to_unsubscribed": False}, 400, "other-kind", "send_to_unsubscribed"),
    ("email", {"message_data": [1]}, 400, "bad-field", "message_data"),
    ("email", {"identifiers": {"id": "zoe"}}, 400, "unknown-person", "identifiers"),
    ("email", {"identifiers": {}}, 400, "missing-id", "identifiers"),
    ("email", {"identifiers": {"cio_id": "03"}}, 400, "unknown-person", "identifiers.cio_id"),
    ("push", {}, 400, "other-channel", "transactional_message_id"),
    ("push", {"transactional_message_id": "note", "to": "tok"}, 400, "other-address", "to"),
    (
        "email",
        {"transactional_message_id": 3},
        404,
        "unknown-broadcast",
        "transactional_message_id",
    ),
    (
        "email",
        {"transactional_message_id": "buys"},
        404,
        "unknown-broadcast",
        "transactional_message_id",
    ),
    (
        "email",
        {"transactional_message_id": None},
        400,
        "missing-field",
        "transactional_message_id",
    ),
    ("email", {}, 400, "withheld", ""),
]


@pytest.mark.parametrize(("kind", "changes", "status", "code", "field"), REFUSED)
def test_what_a_send_cannot_do_is_refused_by_name(
    engine: Engine,
    call: Caller,
    kind: str,
    changes: dict[str, object],
    status: int,
    code: str,
    field: str,
) -> None:
    """The rule says what is sent, and from whom; a call never does. A template that lacks a value sends nothing."""
    answered = call("POST", f"/v1/send/{kind}", {**SENDS, **changes})
    assert (answered.status, answered.body["code"], answered.body["field"]) == (status, code, field)
    assert answered.error == answered.body["message"]
    assert [each for each in engine.deliveries() if each.state == "pending"] == []


def test_empty_fields_of_a_client_ask_for_nothing(call: Caller) -> None:
    """The client for Node always sends ``headers``."""
    empty: dict[str, object] = {
        "headers": {},
        "tracked": None,
        "queue_draft": False,
        "send_to_unsubscribed": True,
    }
    answered = call("POST", "/v1/send/email", {**SENDS, **empty, "message_data": {"total": 1}})
    assert answered.status == 200


def test_a_send_to_somebody_whom_who_excludes_is_refused(engine: Engine, call: Caller) -> None:
    """The rule's ``who`` is asked of the person, too."""
    engine.identify("ada", traits={"blocked": True})
    answered = call("POST", "/v1/send/email", {**SENDS, "message_data": {"total": 1}})
    assert (answered.status, answered.body["code"]) == (400, "excluded")


def test_a_kind_of_send_that_is_not_known_has_no_path(call: Caller) -> None:
    """The answer is 404 with an object."""
    assert call("POST", "/v1/send/pigeon", SENDS).status == 404


# --- triggers ---------------------------------------------------------------------------------------

HEADLINE = {"data": {"headline": "June"}}


@pytest.mark.parametrize("path", ["/v1/campaigns/news/triggers", "/v1/api/campaigns/news/triggers"])
def test_a_trigger_starts_the_broadcast_to_its_audience(
    engine: Engine, call: Caller, path: str
) -> None:
    """Both paths are in use; the answer has a whole number as the id of the run."""
    answered = call("POST", path, HEADLINE)
    assert answered.status == 200
    assert isinstance(answered.body["id"], int)
    assert 0 < answered.body["id"] < 2**53
    engine.run_due()
    assert _got(engine) == {"ada": "June", "bob": "June"}


def test_a_trigger_with_ids_goes_to_these_people(engine: Engine, call: Caller) -> None:
    """Ids may be numbers, as in all of these APIs."""
    engine.identify("5")
    answered = call("POST", "/v1/campaigns/news/triggers", {**HEADLINE, "ids": ["ada", 5]})
    assert (answered.status, answered.body["recipients"]) == (200, 2)
    assert _got(engine) == {"ada": "June", "5": "June"}


def test_a_trigger_may_have_data_of_each_person(engine: Engine, call: Caller) -> None:
    """A person's own data come before those of all."""
    each: JsonValue = [{"id": "ada", "data": {"headline": "Yours"}}, {"id": "bob"}]
    call("POST", "/v1/campaigns/news/triggers", {**HEADLINE, "per_user_data": each})
    assert _got(engine) == {"ada": "Yours", "bob": "June"}


def test_a_trigger_that_names_somebody_unknown_sends_nothing(engine: Engine, call: Caller) -> None:
    """It is 422 and says who; nobody is created. With ``id_ignore_missing`` the others get it."""
    body = {**HEADLINE, "ids": ["ada", "zoe"]}
    answered = call("POST", "/v1/campaigns/news/triggers", body)
    assert answered.status == 422
    assert answered.body["errors"] == [{"detail": "nobody has the id zoe", "status": "422"}]
    assert _got(engine) == {}
    ignoring = {**body, "id_ignore_missing": True}
    assert call("POST", "/v1/campaigns/news/triggers", ignoring).body["recipients"] == 1
    assert _got(engine) == {"ada": "June"}
    assert call("GET", "/v1/customers/zoe/attributes").status == 404


def test_a_trigger_with_emails_goes_to_those_who_have_them(engine: Engine, call: Caller) -> None:
    """An address that several people have is refused, unless ``email_add_duplicates`` says that all get it."""
    engine.identify("eve", traits={"email": "BOB@example.com"})
    path = "/v1/campaigns/news/triggers"
    body = {**HEADLINE, "emails": ["Ada@example.com", "bob@example.com", "zoe@example.com"]}
    answered = call("POST", path, body)
    assert answered.status == 422
    assert answered.body["errors"] == [
        {"detail": "2 people have the address bob@example.com", "status": "422"},
        {"detail": "nobody has the email zoe@example.com", "status": "422"},
    ]
    flags = {"email_ignore_missing": True, "email_add_duplicates": True}
    assert call("POST", path, {**body, **flags}).body["recipients"] == 3
    assert _got(engine) == {"ada": "June", "bob": "June", "eve": "June"}


def test_a_trigger_of_nobody_who_is_known_sends_nothing(engine: Engine, call: Caller) -> None:
    """An empty list of people is not everybody."""
    nobody: list[dict[str, object]] = [{"ids": []}, {"ids": ["zoe"], "id_ignore_missing": True}]
    for body in nobody:
        answered = call("POST", "/v1/campaigns/news/triggers", {**HEADLINE, **body})
        assert (answered.status, answered.body["recipients"]) == (200, 0)
    engine.run_due()
    assert _got(engine) == {}


def test_a_broadcast_is_triggered_at_most_every_ten_seconds(
    clock: FrozenClock, engine: Engine, call: Caller
) -> None:
    """A trigger too soon is 429 and says when; the same one again, under its key, is answered again."""
    path = "/v1/campaigns/news/triggers"
    first = call("POST", path, HEADLINE, idempotency_key="june")
    clock.move_to(NOON + timedelta(seconds=4))
    second = call("POST", path, HEADLINE)
    assert (second.status, second.headers["Retry-After"]) == (429, "6")
    assert call("POST", path, HEADLINE, idempotency_key="june").body == first.body
    clock.move_to(NOON + timedelta(seconds=10))
    assert call("POST", path, HEADLINE).status == 200
    assert len(engine.runs("news")) == 2


EXISTS: dict[str, object] = {"attribute": {"field": "plan", "operator": "exists"}}

TRIGGERS: list[tuple[dict[str, object], str, str]] = [
    ({"recipients": {"segment": {"id": 7}}}, "unknown-segment", "recipients"),
    ({"recipients": {"segment": {}}}, "bad-field", "recipients.segment"),
    ({"recipients": {"segment": 7}}, "bad-field", "recipients.segment"),
    ({"recipients": {"and": []}}, "bad-field", "recipients.and"),
    ({"recipients": {"or": [{"and": {}}]}}, "bad-field", "recipients.or[0].and"),
    ({"recipients": {"and": [EXISTS], "or": [EXISTS]}}, "bad-field", "recipients"),
    ({"recipients": {"not": [EXISTS]}}, "bad-field", "recipients.not"),
    (
        {"recipients": {"attribute": {"field": "plan"}}},
        "bad-field",
        "recipients.attribute.operator",
    ),
    (
        {"recipients": {"attribute": {"operator": "exists"}}},
        "bad-field",
        "recipients.attribute.field",
    ),
    (
        {"recipients": {"attribute": {"field": "plan", "operator": "eq", "value": []}}},
        "bad-field",
        "recipients.attribute.value",
    ),
    (
        {"recipients": {"attribute": {"field": "any", "operator": "exists"}}},
        "bad-field",
        "recipients.attribute.field",
    ),
    ({"recipients": [7]}, "bad-field", "recipients"),
    ({"data_file_url": "https://x.example/f.jsonl"}, "unsupported-field", "data_file_url"),
    ({"data_file_urls": ["https://x.example/f.jsonl"]}, "unsupported-field", "data_file_urls"),
    ({"ids": ["ada"], "emails": ["a@b.c"]}, "too-many-recipients", "emails"),
    ({"ids": "ada"}, "bad-field", "ids"),
    ({"ids": [None]}, "bad-field", "ids[0]"),
    ({"ids": [{}]}, "bad-field", "ids"),
    ({"data": [1]}, "bad-field", "data"),
    ({"per_user_data": [{"data": {}}]}, "bad-field", "per_user_data[0]"),
    ({"per_user_data": [{"id": "ada", "more": 1}]}, "bad-field", "per_user_data[0]"),
    ({"per_user_data": [{"id": "ada"}, {"id": "ada"}]}, "bad-field", "per_user_data[1]"),
    ({"ids": ["ada"], "id_ignore_missing": "yes"}, "bad-field", "id_ignore_missing"),
    ({"segment": 7}, "unsupported-field", "segment"),
]


@pytest.mark.parametrize(("body", "code", "field"), TRIGGERS)
def test_what_a_trigger_cannot_do_is_refused_by_name(
    engine: Engine, call: Caller, body: dict[str, object], code: str, field: str
) -> None:
    """A narrower audience that is ignored would send to everybody."""
    answered = call("POST", "/v1/campaigns/news/triggers", {**HEADLINE, **body})
    assert (answered.status, answered.body["code"], answered.body["field"]) == (400, code, field)
    engine.run_due()
    assert _got(engine) == {}


def test_a_broadcast_that_is_switched_off_is_not_triggered(engine: Engine, call: Caller) -> None:
    """The caller is told, since nobody would get anything."""
    engine.reload(book_of({**NEWS, "active": False}))
    for body in (HEADLINE, {**HEADLINE, "ids": ["ada"]}):
        answered = call("POST", "/v1/campaigns/news/triggers", body)
        assert (answered.status, answered.body["code"]) == (400, "inactive")
    assert engine.runs("news") == []


def test_a_trigger_of_something_else_is_not_found(call: Caller) -> None:
    """A campaign, or a broadcast that is not for calls, cannot be triggered."""
    assert call("POST", "/v1/campaigns/buys/triggers", {}).status == 404


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_PERSON = st.sampled_from(["ada", "bob", "zoe", "ada@example.com"])
_NAMED = st.fixed_dictionaries({}, optional={"id": _PERSON, "email": _PERSON, "data": _JSON})


@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "transactional_message_id": st.sampled_from(["receipt", "code", 3]) | _JSON,
            "identifiers": _NAMED | _JSON,
            "to": _PERSON | _JSON,
            "message_data": _JSON,
            "subject": _JSON,
        },
    ),
    kind=st.sampled_from(["email", "push", "sms", "in_app", "inbox_message"]),
)
def test_any_send_is_answered_and_reaches_nobody_but_whom_it_names(
    body: dict[str, object], kind: str
) -> None:
    """Whatever is sent, the status is one of a few, and at most the one person gets something."""
    with Engine.open("memory://", rules=BOOK, clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"first_name": "Ada", "email": "ada@example.com"})
        engine.identify("bob")
        answered = Caller(engine)("POST", f"/v1/send/{kind}", body)
        assert answered.status in {200, 400, 404}
        pending = {each.person for each in engine.deliveries() if each.state == "pending"}
        assert len(pending) == (answered.status == 200)
        assert pending <= {"ada", "bob"}


@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "data": _JSON,
            "ids": st.lists(_PERSON | _JSON, max_size=3) | _JSON,
            "emails": st.lists(_PERSON | _JSON, max_size=3) | _JSON,
            "per_user_data": st.lists(_NAMED | _JSON, max_size=3) | _JSON,
            "id_ignore_missing": st.booleans() | _JSON,
            "email_ignore_missing": st.booleans(),
            "recipients": _JSON,
        },
    )
)
def test_any_trigger_that_is_not_done_sends_nothing(body: dict[str, object]) -> None:
    """A narrowed audience never becomes everybody."""
    with Engine.open("memory://", rules=BOOK, clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"email": "ada@example.com"})
        engine.identify("bob")
        answered = Caller(engine)("POST", "/v1/campaigns/news/triggers", body)
        assert answered.status in {200, 400, 422}
        engine.run_due()
        got = {each.person for each in engine.deliveries()}
        names = ("ids", "emails", "per_user_data", "recipients")
        given = [body[name] for name in names if body.get(name) is not None]
        if answered.status != 200:
            assert got == set()
        elif given and given != [{}]:
            assert len(got) == answered.body["recipients"]


# --- look-ups ---------------------------------------------------------------------------------------


def test_a_person_is_looked_up_with_attributes_and_devices(engine: Engine, call: Caller) -> None:
    """The answer has the form of the hosted product."""
    device: JsonValue = {"id": "tok/1", "platform": "ios"}
    call("PUT", "/api/v1/customers/bob/devices", {"device": device})
    engine.identify("bob", traits={"unsubscribed": True})
    stamp = int(NOON.timestamp())
    assert call("GET", "/v1/customers/bob/attributes?id_type=id").body == {
        "customer": {
            "id": "bob",
            "identifiers": {"id": "bob", "email": "bob@example.com", "cio_id": None},
            "attributes": {"email": "bob@example.com", "unsubscribed": True},
            "timestamps": {"email": stamp, "unsubscribed": stamp},
            "unsubscribed": True,
            "devices": [{"id": "tok/1", "platform": "ios", "last_used": stamp, "attributes": {}}],
        }
    }


def test_people_are_looked_up_by_their_email_address(engine: Engine, call: Caller) -> None:
    """All who have it, by their ids, whatever its case."""
    engine.identify("eve", traits={"email": "ADA@example.com"})
    engine.identify("mail@example.com")
    found = call("GET", "/v1/customers?email=ada%40example.com").body["results"]
    assert found == [
        {"id": "ada", "email": "ada@example.com", "cio_id": None},
        {"id": "eve", "email": "ADA@example.com", "cio_id": None},
    ]
    assert call("GET", "/v1/customers?email=zoe@example.com").body == {"results": []}
    found = call("GET", "/v1/customers?email=mail@example.com").body["results"]
    assert found == [{"id": "mail@example.com", "email": None, "cio_id": None}]
    path = "/v1/customers/bob@example.com/attributes?id_type=email"
    assert call("GET", path).body["customer"]["id"] == "bob"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/customers/zoe/attributes", 404, "id"),
        ("/v1/customers/ada/attributes?id_type=phone", 400, "id_type"),
        ("/v1/customers/03/attributes?id_type=cio_id", 400, "customer.cio_id"),
        ("/v1/customers", 400, "email"),
    ],
)
def test_a_look_up_that_finds_nobody_says_so(
    call: Caller, path: str, status: int, field: str
) -> None:
    """404 for nobody, 400 for a question that cannot be answered."""
    answered = call("GET", path)
    assert (answered.status, answered.body["field"]) == (status, field)


# --- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/send/email", Scope.SEND),
        ("POST", "/v1/campaigns/news/triggers", Scope.SEND),
        ("GET", "/v1/customers/ada/attributes", Scope.READ),
    ],
)
def test_each_call_asks_for_its_scope(engine: Engine, method: str, path: str, scope: Scope) -> None:
    """A key without it is refused as one that is not known."""
    others = {Scope.MESSAGES, Scope.SEND, Scope.READ} - {scope}
    assert Caller(engine, scopes=others)(method, path, {}).body["code"] == "missing-scope"
    assert Caller(engine, scopes={scope})(method, path, {}).status != 401
    assert Caller(engine, KeyKind.CLIENT)(method, path, {}).status == 401


def _got(engine: Engine) -> dict[str, JsonValue]:
    return {each.person: each.content["subject"] for each in engine.deliveries()}
