"""The channel for Slack: what it posts, and what Slack's answers mean, whatever their status."""

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
from pydantic import JsonValue
from tests.http_receiver import HttpReceiver, Reply, http_receiver
from tests.unit.channels.deliveries import delivery_of

from whereupon import GiveUp, RetryLater
from whereupon.channels import Slack
from whereupon.records import Delivery


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A server that answers as Slack's method does."""
    with http_receiver(respond=lambda _: Reply(body=b'{"ok": true}')) as made:
        yield made


def _bot(receiver: HttpReceiver, **arguments: object) -> Slack:
    said: dict[str, object] = {"token": "xoxb-1", "to": "C1", "base_url": receiver.url("/api")}
    return Slack(**{**said, **arguments})  # type: ignore[arg-type]  # arguments by name


def _said(**content: JsonValue) -> Delivery:
    return delivery_of(channel="slack", content=content)


def _error(code: str, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, orjson.dumps({"ok": False, "error": code}))


def test_a_bot_posts_a_message(receiver: HttpReceiver) -> None:
    """To its channel, under its token, with the key as metadata."""
    _bot(receiver).send(_said(title="Thanks", body="<https://shop.example|Shop>"))
    (request,) = receiver.requests
    assert (request.path, request.headers["authorization"]) == (
        "/api/chat.postMessage",
        "Bearer xoxb-1",
    )
    assert request.json == {
        "channel": "C1",
        "text": "*Thanks*\n<https://shop.example|Shop>",
        "metadata": {
            "event_type": "whereupon_delivery",
            "event_payload": {"key": delivery_of().idempotency_key},
        },
    }


def test_a_bot_posts_to_the_person(receiver: HttpReceiver) -> None:
    """By the attribute that holds their id in Slack; without it the delivery is dead."""
    channel = _bot(receiver, to=None, address="slack_id")
    channel.send(_said(text="Hi").changed(recipient={"slack_id": "U1"}))
    assert receiver.requests[0].json["channel"] == "U1"
    with pytest.raises(GiveUp, match="no-address: the person has no slack_id"):
        channel.send(_said(text="Hi"))


def test_data_alert_no_whole_channel(receiver: HttpReceiver) -> None:
    """A name such as <!channel> is shown as it is, in blocks too, unless mentions are wanted."""
    blocks: JsonValue = [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here> Ada"}}]
    _bot(receiver).send(_said(text="<!channel> Ada", blocks=blocks))
    _bot(receiver, mentions=True).send(_said(text="<!channel> Ada"))
    quiet, loud = receiver.requests
    assert quiet.json["text"] == "&lt;!channel> Ada"
    assert quiet.json["blocks"][0]["text"]["text"] == "&lt;!here> Ada"
    assert loud.json["text"] == "<!channel> Ada"


@pytest.mark.parametrize("content", [{}, {"title": None}, {"text": "x", "colour": "red"}])
def test_content_that_cannot_be_posted_is_final(
    receiver: HttpReceiver, content: dict[str, JsonValue]
) -> None:
    """Nothing to say, or a key that would be left out."""
    with pytest.raises(GiveUp):
        _bot(receiver).send(_said(**content))
    assert receiver.requests == []


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "not_in_channel", "no_service"])
def test_a_refused_token_is_an_error_and_no_death(
    receiver: HttpReceiver, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """Slack says it with 200; an operator mends it, and the deliveries go out."""
    receiver.answer(_error(code))
    with pytest.raises(RetryLater, match=code):
        _bot(receiver).send(_said(text="Hi"))
    (record,) = caplog.records
    assert record.getMessage() == f"channel-refused channel=slack status={code}"


@pytest.mark.parametrize(("code", "status"), [("ratelimited", 429), ("rate_limited", 200)])
def test_a_limit_makes_the_channel_rest(receiver: HttpReceiver, code: str, status: int) -> None:
    """As long as Retry-After says."""
    receiver.answer(_error(code, status, Retry_After="30"))
    with pytest.raises(RetryLater) as raised:
        _bot(receiver).send(_said(text="Hi"))
    assert (raised.value.after, raised.value.channel) == (timedelta(seconds=30), True)


@pytest.mark.parametrize("reply", [_error("internal_error"), Reply(500), Reply(body=b"<html>")])
def test_a_fault_of_slack_is_tried_again(receiver: HttpReceiver, reply: Reply) -> None:
    """Also an answer that is none of Slack's."""
    receiver.answer(reply)
    with pytest.raises(RetryLater):
        _bot(receiver).send(_said(text="Hi"))


@pytest.mark.parametrize("code", ["msg_too_long", "invalid_blocks", "user_not_found"])
def test_any_other_word_of_slack_is_final(receiver: HttpReceiver, code: str) -> None:
    """The message is what is wrong."""
    receiver.answer(_error(code))
    with pytest.raises(GiveUp, match=code):
        _bot(receiver).send(_said(text="Hi"))


def test_an_incoming_webhook_is_posted_to(receiver: HttpReceiver) -> None:
    """Without a channel; its answers are plain texts."""
    with http_receiver(tls_host="hooks.slack.com"):
        Slack("https://hooks.slack.com/services/T/B/x")  # by default only https is allowed
    channel = _hook(receiver)
    receiver.answer(Reply(body=b"ok"), Reply(404, body=b"no_service"), Reply(400, body=b"no_text"))
    channel.send(_said(text="Hi"))
    assert receiver.requests[0].json == {"text": "Hi"}
    with pytest.raises(RetryLater, match="no_service"):
        channel.send(_said(text="Hi"))
    with pytest.raises(GiveUp, match="400"):
        channel.send(_said(text="Hi"))


def _hook(receiver: HttpReceiver) -> Slack:
    return Slack(receiver.url("/services/x"), base_url=receiver.url("/"))


WRONG: list[dict[str, str]] = [
    {},
    {"url": "https://hooks.slack.com/x", "token": "xoxb-1"},
    {"url": "https://hooks.slack.com/x", "to": "C1"},
    {"url": "http://hooks.slack.com/x"},
    {"token": "xoxb-1"},
    {"token": "xoxb-1", "to": "C1", "address": "slack_id"},
    {"token": "xoxb-1", "to": "C1", "base_url": "slack"},
]


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_argument_is_an_error_when_the_channel_is_made(arguments: dict[str, str]) -> None:
    """Not at the first delivery."""
    with pytest.raises(ValueError, match=r"\w"):
        Slack(**arguments)  # type: ignore[arg-type]  # arguments by name
