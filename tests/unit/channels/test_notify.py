"""The channel for notifications: Apprise's services by URL; what it cannot do is said when it is made."""

from collections.abc import Iterator

import pytest
from pydantic import JsonValue
from tests.http_receiver import HttpReceiver, Reply, http_receiver
from tests.unit.channels.deliveries import delivery_of

from whereupon import GiveUp
from whereupon.channels import Notify
from whereupon.channels.notify import VARIABLE, NotNotifiedError

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A server without TLS."""
    with http_receiver() as made:
        yield made


def _url(receiver: HttpReceiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/notify"


def test_every_service_is_notified(receiver: HttpReceiver) -> None:
    """With title and body as they were written."""
    Notify(_url(receiver), _url(receiver)).send(delivery_of())
    assert [each.json["title"] for each in receiver.requests] == ["Thanks", "Thanks"]
    assert receiver.requests[0].json["message"] == "It is on the way."


def test_urls_come_from_the_environment(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If none are given."""
    monkeypatch.setenv(VARIABLE, f"{_url(receiver)} {_url(receiver)}")
    Notify().send(delivery_of())
    assert len(receiver.requests) == 2


def test_a_title_alone_is_enough(receiver: HttpReceiver) -> None:
    """It is said in place of a body."""
    Notify(_url(receiver)).send(delivery_of(content={"title": "Hi"}))
    assert receiver.requests[0].json["message"] == "Hi"


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_a_service_does_not_take_is_tried_again(receiver: HttpReceiver, status: int) -> None:
    """Apprise does not say why."""
    receiver.answer(Reply(status))
    with pytest.raises(NotNotifiedError):
        Notify(_url(receiver)).send(delivery_of())


@pytest.mark.parametrize(
    "content", [{}, {"body": ""}, {"body": "x", "colour": "red"}, {"body": "x", "format": "pdf"}]
)
def test_content_that_cannot_be_sent_is_final(
    receiver: HttpReceiver, content: dict[str, JsonValue]
) -> None:
    """Nothing to say, or something that would be left out."""
    with pytest.raises(GiveUp):
        Notify(_url(receiver)).send(delivery_of(content=content))
    assert receiver.requests == []


def test_without_a_url_the_channel_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where to write one."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match=VARIABLE):
        Notify()


@pytest.mark.parametrize("url", ["nosuch://s3cret@host", "s3cret", "", "slack://s3cret"])
def test_a_url_that_apprise_does_not_know_is_an_error(url: str) -> None:
    """When the channel is made, not at the first delivery; the URL may hold a secret and is not shown."""
    with pytest.raises(ValueError, match="does not accept URL 1") as raised:
        Notify(url)
    assert "s3cret" not in str(raised.value)
