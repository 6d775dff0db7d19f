"""The door for messages: paths, types, and what an answer says."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.door import (
    CLIENT,
    READER,
    SERVER,
    DoorOfTest,
    asked,
    headers_of,
    opened_door,
    posted,
    stored_in,
)
from tests.shop import NOON

from whereupon import Engine, FrozenClock
from whereupon.errors import StoreError
from whereupon.messages.model import SenderClass
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES
from whereupon.operations.key_checks import KeyCheck
from whereupon.web.door.problems import PROBLEMS

LONG = ("identify", "track", "page", "screen", "group", "alias")
ID = {"userId": "ada"}
OF: dict[str, dict[str, object]] = {
    "identify": {**ID, "traits": {"plan": "free"}},
    "track": {**ID, "event": "purchase"},
    "page": {**ID, "name": "Home"},
    "screen": {**ID, "name": "Home"},
    "group": {**ID, "groupId": "acme"},
    "alias": {**ID, "previousId": "old-ada"},
}
SHORT = {type_[0]: type_ for type_ in LONG}
PATHS = [
    *((f"/v1/{type_}", type_) for type_ in LONG),
    *((f"/v1/{short}", type_) for short, type_ in SHORT.items()),
    *((f"/api/s/{type_}", type_) for type_ in LONG),
    *((f"/api/s/s2s/{type_}", type_) for type_ in LONG),
]
BATCHES = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")
BAD = {"type": "track", "userId": "ada"}


@pytest.fixture
def door() -> Iterator[DoorOfTest]:
    """An empty engine's."""
    with opened_door() as door:
        yield door


def track(number: int, **more: object) -> dict[str, object]:
    """A good message."""
    return {
        "type": "track",
        "event": "purchase",
        "userId": "ada",
        "messageId": f"m-{number}",
        **more,
    }


# --- paths and types --------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "type_"), PATHS)
@pytest.mark.parametrize("written", [{}, {"type": None}])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_message_without_a_type_has_that_of_its_path(
    door: DoorOfTest, path: str, type_: str, written: dict[str, object], slash: str
) -> None:
    """Long and short, with null in place of the type, and with a slash at the end."""
    assert door.post(f"{path}{slash}", {**written, **OF[type_]}) == (200, {"success": True})
    (message,) = door.stored()
    assert message.type == type_
    assert message.user_id == "ada"


def test_a_messages_own_type_comes_first(door: DoorOfTest) -> None:
    """Whatever the path says."""
    assert door.post("/v1/track", {"type": "page", **OF["page"]})[0] == 200
    assert [each.type for each in door.stored()] == ["page"]


@pytest.mark.parametrize("path", [*BATCHES, "/v1/track", "/v1/t/", "/v1/batch/"])
def test_a_batch_is_taken_at_every_path_for_messages(door: DoorOfTest, path: str) -> None:
    """Its messages have their own types, also where the path names one."""
    batch = {"batch": [track(1), {"type": "page", **OF["page"]}], "sentAt": "2026-06-01T12:00:00Z"}
    assert door.post(path, batch) == (200, {"success": True})
    assert [each.type for each in door.stored()] == ["track", "page"]


def test_a_batch_path_takes_a_single_message_too(door: DoorOfTest) -> None:
    """If the message has a type."""
    assert door.post("/v1/batch", track(1)) == (200, {"success": True})


def test_a_report_of_an_app_has_neither_type_nor_id(door: DoorOfTest) -> None:
    """The apps of Customer.io report what became of a push as a track that names a delivery only."""
    body = {
        "anonymousId": "dgOFAAE",
        "event": "Report Delivery Event",
        "properties": {"recipient": "token", "metric": "opened", "deliveryId": "dgOFAAE"},
    }
    assert door.post("/v1/track", body, CLIENT) == (200, {"success": True})


@pytest.mark.parametrize(
    "path",
    [
        *("/v1", "/v1/", "/v1/tracks", "/v1/v1/track", "/v1/TRACK", "/v1/track//", "/v1/%74rack"),
        *("/v1/track/..", "/api/s/", "/api/s/x", "/beacon/v1/track", "/v1/projects/a/b/settings"),
        *("/v1/projects//settings", "/analytics.js/", "/sourceConfig/x", "/v1/b\0", "/v1/b\n"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_what_is_not_there_is_said_in_json(door: DoorOfTest, path: str, method: str) -> None:
    """A client that has a wrong path sees why, and is led nowhere."""
    answer = door.ask(asked(path, method))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "no-such-path")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "X"])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/t", "/v1/m"])
def test_messages_are_posted(door: DoorOfTest, path: str, method: str) -> None:
    """Any other method is refused, and the answer says which there are."""
    answer = door.ask(asked(path, method))
    assert (answer.status, json.loads(answer.body)["code"]) == (405, "wrong-method")
    assert headers_of(answer)["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json", "application/json; charset=utf-8", "text/plain", ""),
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"),
    ],
)
def test_the_content_type_does_not_matter(door: DoorOfTest, kind: str) -> None:
    """Clients name many, and all send JSON."""
    assert door.post("/v1/batch", {"batch": [track(1)]}, content_type=kind)[0] == 200


# --- what an answer says ----------------------------------------------------------------------------


def test_good_messages_go_in_beside_bad_ones_which_are_named(door: DoorOfTest) -> None:
    """By their places, codes, fields and a sentence."""
    answered = door.post("/v1/batch", {"batch": [track(1), BAD, track(2), {"type": "x", **ID}]})
    assert answered == (
        200,
        {
            "success": True,
            "accepted": 2,
            "rejected": [
                {
                    "index": 1,
                    "code": "missing-event",
                    "field": "event",
                    "message": "a track message needs an event name",
                },
                {
                    "index": 3,
                    "code": "unknown-type",
                    "field": "type",
                    "message": "type must be one of identify, track, page, screen, group, alias",
                },
            ],
        },
    )
    assert [each.message_id for each in door.stored()] == ["m-1", "m-2"]


def test_nothing_accepted_is_400(door: DoorOfTest) -> None:
    """The client has nothing to send again; the answer counts and names."""
    status, said = door.post("/v1/batch", {"batch": [BAD, BAD]})
    assert (status, said["code"], said["accepted"]) == (400, "all-rejected", 0)
    assert said["message"] == (
        "2 of 2 messages were not accepted, none is stored; the first, at 0: "
        "a track message needs an event name"
    )
    assert [each["index"] for each in said["rejected"]] == [0, 1]


def test_a_single_bad_message_says_what_is_wrong_with_it(door: DoorOfTest) -> None:
    """Its own code and sentence are those of the answer."""
    status, said = door.post("/v1/track", {"userId": "ada"})
    assert (status, said["code"], said["error"]) == (
        400,
        "missing-event",
        "a track message needs an event name",
    )


@pytest.mark.parametrize("strict", ["1", " 1 ", "true", "True"])
def test_in_strict_mode_one_bad_message_is_400(door: DoorOfTest, strict: str) -> None:
    """The good ones are stored all the same, and the answer says so."""
    batch = {"batch": [track(1), BAD]}
    status, said = door.post("/v1/batch", batch, x_strict_mode=strict)
    assert (status, said["code"], said["accepted"]) == (400, "partly-rejected", 1)
    assert "1 of 2 messages were not accepted, the others are stored" in said["message"]
    assert [each.message_id for each in door.stored()] == ["m-1"]


@pytest.mark.parametrize("strict", ["", "0", "false", "no"])
def test_strict_mode_has_to_be_asked_for(door: DoorOfTest, strict: str) -> None:
    """Any other value of the header is none."""
    assert door.post("/v1/batch", {"batch": [track(1), BAD]}, x_strict_mode=strict)[0] == 200


def test_what_is_sent_again_is_accepted_and_stored_once(door: DoorOfTest) -> None:
    """A client that saw no answer repeats its message ids."""
    batch = {"batch": [track(1), track(2)]}
    assert (
        door.post("/v1/batch", batch) == door.post("/v1/batch", batch) == (200, {"success": True})
    )
    assert door.post("/v1/batch", {"batch": [track(1), BAD]})[1]["accepted"] == 1
    assert len(door.stored()) == 2


def test_an_empty_batch_is_no_fault(door: DoorOfTest) -> None:
    """A client flushes what it has."""
    assert door.post("/v1/batch", {"batch": []}) == (200, {"success": True})


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/batch", b"", "empty-body"),
        ("/v1/track", b"  \n", "empty-body"),
        ("/v1/batch", {}, "missing-batch"),
        ("/v1/batch", {"batch": None}, "missing-batch"),
        ("/v1/batch", {"batch": {"0": track(1)}}, "missing-batch"),
        ("/v1/batch", b"null", "not-an-object"),
        ("/v1/batch", [track(1)], "not-an-object"),
        ("/v1/track", b"1", "not-an-object"),
        ("/v1/track", b'"x"', "not-an-object"),
        ("/v1/track", b"{", "bad-json"),
        ("/v1/track", b'{"event": "x", }', "bad-json"),
        ("/v1/batch", b"batch=%7B%7D", "bad-json"),
        ("/v1/batch", b"\xff\xfe\x00", "bad-json"),
        ("/v1/track", b"[" * 100_000, "too-deep"),
        ("/v1/track", b'{"a":' * 100_000, "too-deep"),
        (
            "/v1/track",
            {**OF["track"], "properties": {"x": "x" * MAX_MESSAGE_BYTES}},
            "message-too-large",
        ),
    ],
)
def test_what_cannot_be_read_is_400(door: DoorOfTest, path: str, body: object, code: str) -> None:
    """And never 413, for which some clients send for ever."""
    status, said = door.post(path, body)
    assert (status, said["code"]) == (400, code)
    assert door.stored() == []


def test_a_message_that_is_too_large_does_not_hold_up_its_batch(door: DoorOfTest) -> None:
    """Some clients do not count: 40 KB in one message were seen."""
    large = track(2, properties={"text": "x" * 40_000})
    status, said = door.post("/v1/batch", {"batch": [track(1), large, track(3)]})
    assert (status, said["accepted"]) == (200, 2)
    assert [each["code"] for each in said["rejected"]] == ["message-too-large"]


@pytest.mark.parametrize("odd", [{}, {"properties": {"x": float("nan")}}])
def test_of_a_batch_beyond_the_limits_the_rest_is_named(
    door: DoorOfTest, odd: dict[str, object]
) -> None:
    """From one place to another, since there may be very many; the beginning is stored."""
    batch = {"batch": [track(number, **odd) for number in range(2_510)]}
    answer = door.ask(posted("/v1/batch", batch))
    said = json.loads(answer.body)
    assert (answer.status, said["accepted"]) == (200, 2_500)
    (rest,) = said["rejected"]
    assert (rest["index"], rest["last"], rest["code"]) == (2_500, 2_509, "batch-too-large")
    assert answer.counted.rejected == {"batch-too-large": 10}
    large = {"batch": [track(number, properties={"text": "x" * 26_900}) for number in range(20)]}
    status, said = door.post("/v1/batch", large, x_strict_mode="1")
    assert (status, said["accepted"]) == (400, 18)
    assert "2 of 20 messages were not accepted, the others are stored" in said["message"]
    assert [(each["index"], each["last"]) for each in said["rejected"]] == [(18, 19)]


def test_a_key_in_the_body_is_not_stored(door: DoorOfTest) -> None:
    """Neither of a single message, nor of the messages of a batch, which browsers write it into."""
    first = json.dumps({"writeKey": SERVER, **track(1)})
    last = json.dumps({**track(2), "writeKey": SERVER}, separators=(",", ":"))
    middle = json.dumps({"type": "page", "writeKey": SERVER, "userId": "ada"}, indent=1)
    for text in (first, last, middle):
        assert door.post("/v1/batch", text.encode(), None) == (200, {"success": True})
    body = {"batch": [{**track(4), "writeKey": SERVER}], "writeKey": SERVER}
    assert door.post("/v1/b", body, None) == (200, {"success": True})
    bodies = [each.body.decode() for each in door.stored()]
    assert len(bodies) == 4
    assert not [each for each in bodies if SERVER in each or "writeKey" in each]


def test_half_an_emoji_hides_no_key(door: DoorOfTest) -> None:
    """A browser cuts texts in the middle of one, and the key stands in the same body."""
    text = b'{"batch":[{"type":"track","event":"\\ud83d","userId":"ada"}],"writeKey":"%s"}'
    assert door.post("/v1/b", text % CLIENT.encode(), None) == (200, {"success": True})
    single = b'{"event":"\\ud83d","userId":"ada","writeKey":"%s"}' % CLIENT.encode()
    assert door.post("/v1/t", single, None) == (200, {"success": True})
    assert [each.type for each in door.stored()] == ["track", "track"]


@pytest.mark.parametrize(
    ("key", "source"), [(SERVER, SenderClass.SERVER), (CLIENT, SenderClass.CLIENT)]
)
def test_the_kind_of_the_key_is_the_class_of_the_sender(
    door: DoorOfTest, key: str, source: SenderClass
) -> None:
    """What a client may do is the engine's affair."""
    door.post("/v1/batch", {"batch": [track(1)]}, key)
    assert [each.source for each in door.stored()] == [source]


def test_a_batchs_time_of_sending_counts_for_its_messages(door: DoorOfTest) -> None:
    """A clock that is an hour fast is corrected; a message's own time of sending comes first."""
    happened = {"originalTimestamp": "2026-06-01T12:59:00Z"}
    batch = {
        "batch": [track(1, **happened), track(2, sentAt="2026-06-01T12:59:30Z", **happened)],
        "sentAt": "2026-06-01T13:00:00Z",
    }
    door.post("/v1/batch", batch, sentat="2026-06-01T15:00:00Z")
    first, second = door.stored()
    assert (NOON - first.timestamp).total_seconds() == 60
    assert (NOON - second.timestamp).total_seconds() == 30


def test_rudderstacks_headers_say_nothing_that_the_body_does_not(door: DoorOfTest) -> None:
    """``AnonymousId`` is for the load balancer of its service; ids are read from the messages alone."""
    status, said = door.post("/v1/track", {"event": "x"}, anonymousid="YW5vbi0x")
    assert (status, said["code"]) == (400, "missing-id")


def test_figures_of_a_client_are_acknowledged(door: DoorOfTest) -> None:
    """Without a key, which they do not carry; nothing is kept."""
    series = {"series": [{"type": "Counter", "metric": "x", "value": 1, "tags": {}}]}
    assert door.post("/v1/m", series, None) == (200, {"success": True})
    assert door.stored() == []


# --- failures ---------------------------------------------------------------------------------------


def test_a_store_that_is_away_is_503_and_nothing_is_lost(door: DoorOfTest) -> None:
    """The client sends again after the seconds that it is told."""
    door.engine.store.close()
    answer = door.ask(posted("/v1/batch", {"batch": [track(1)]}))
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "store-away")
    assert headers_of(answer)["retry-after"] == "2"


def test_keys_that_cannot_be_looked_up_are_503() -> None:
    """A client gives up on 401, and its key may be good."""

    def fail(_: str) -> KeyCheck:
        raise StoreError(code="unreachable", reason="the database is not there")

    with opened_door(check=fail) as door:
        status, said = door.post("/v1/batch", {"batch": [track(1)]})
    assert (status, said["code"]) == (503, "store-away")
    assert "database" not in json.dumps(said)


def test_a_fault_of_the_service_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """In JSON as well; what failed stands in the log, not in the answer."""

    def fail(_: str) -> KeyCheck:
        message = "quoted"
        raise RuntimeError(message)

    with opened_door(check=fail) as door:
        status, said = door.post("/v1/batch", {"batch": [track(1)]})
    assert (status, said["code"]) == (500, "failed")
    assert "RuntimeError" not in json.dumps(said)
    assert "RuntimeError" in caplog.text
    assert "in fail" in caplog.text
    assert "quoted" not in caplog.text.replace('message = "quoted"', "")


def test_the_log_has_counts_and_codes_alone(
    door: DoorOfTest, caplog: pytest.LogCaptureFixture
) -> None:
    """No ids, no names, no content, no keys; good requests are not logged at all."""
    caplog.set_level(logging.DEBUG, "whereupon.web")
    door.post("/v1/batch", {"batch": [track(1)]})
    assert caplog.records == []
    bad = {"type": "track", "userId": "marked-1", "properties": {"marked-2": "marked-3"}}
    door.post("/v1/batch?marked-4=1", {"batch": [bad, bad, {"type": "marked-5"}, track(2)]})
    door.post("/v1/batch", {"batch": [bad]}, "wk_marked-6", user_agent="marked-7")
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "door-rejected status=200 key_kind=server accepted=1 rejected=3 codes=missing-event=2,unknown-type=1",
        "door-refused status=401 code=unknown-key",
    ]
    assert not [line for line in said if "marked" in line]


def test_an_answer_counts_its_key_and_what_was_rejected(door: DoorOfTest) -> None:
    """For the metrics of the server."""
    counted = door.ask(posted("/v1/batch", {"batch": [track(1), BAD, BAD]})).counted
    assert (counted.key_id, counted.key_kind) == ("k-server", "server")
    assert counted.rejected == {"missing-event": 2}
    assert door.ask(posted("/v1/batch", {"batch": [track(2)]}, CLIENT)).counted.key_id == "k-client"
    assert door.ask(posted("/v1/batch", {"batch": [BAD]}, "wrong")).counted.key_id == ""
    refused = door.ask(posted("/v1/batch", {"batch": [BAD]}, READER)).counted
    assert (refused.refused, refused.key_id) == ("missing-scope", "k-reader")


def test_an_acknowledged_message_is_committed(tmp_path: Path) -> None:
    """Another engine on the same database sees it as soon as the answer is there."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with (
        opened_door(store=url) as door,
        Engine.open(url, clock=FrozenClock(NOON)) as other,
    ):
        assert door.post("/v1/batch", {"batch": [track(1)]})[0] == 200
        assert [each.message_id for each in stored_in(other)] == ["m-1"]


def test_every_problem_has_a_code_of_its_own() -> None:
    """Codes are kebab-case, and no status but those that clients can take is used."""
    codes = [each.code for each in PROBLEMS]
    assert len(codes) == len(set(codes))
    assert {each.status for each in PROBLEMS} <= {400, 401, 404, 405, 429, 500, 503}
    assert all((each.retry_after is not None) == (each.status in {429, 503}) for each in PROBLEMS)
