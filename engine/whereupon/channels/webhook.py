"""The channel for webhooks: one signed request for each delivery (Standard Webhooks).

It makes the requests of the step ``webhook: URL``, too. It neither follows redirects nor reads what is answered.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from whereupon.channels.http import Guard, HttpClient, RefusedUrlError, check_url, settle
from whereupon.channels.http.signing import key_of, signed_headers
from whereupon.delivery.retries import GiveUp
from whereupon.messages.codec import encode
from whereupon.ports import ChannelHost, Clock
from whereupon.records import Delivery
from whereupon.rules.steps.webhook import CHANNEL_HEADERS
from whereupon.scheduling import SystemClock

STEP_CHANNEL: Final = "webhook"
"""The channel of the step ``webhook``; only there does a delivery say which URL is called."""

TYPE: Final = "whereupon.delivery"
"""The ``type`` of the body."""

_STEP_KEYS: Final = frozenset({"url", "method", "headers", "json", "body"})
_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE", "GET"})


class Webhook:
    """Posts each delivery as JSON to an URL, signed.

    The body is ``{"type": "whereupon.delivery", "timestamp": …, "data": {…}}``. The data hold ``id`` (the
    idempotency key), ``rule``, ``channel``, ``kind``, ``topic``, ``person`` (the first user id),
    ``recipient`` (the attributes that are asked for) and ``content``. The time is that of the attempt.

    A delivery of the step ``webhook: URL`` goes to the URL of the step, if this channel is registered as
    ``webhook``. Its method, headers and body are as the step says; without ``json`` and ``body`` the body is as
    above.

    Args:
        url: where to post; None if all deliveries are of steps.
        secrets: one for each key, ``whsec_`` and base64. All of them sign, so a new one can be added before
            the old one is taken out. An empty list leaves the requests unsigned.
        recipient: names of the person's attributes that go along; none by default.
        allow: what may be called beside https on port 443 of public hosts: origins
            (``http://hooks.internal:8080``, ``https://*:8443``), names of hosts, networks.
        timeout: the seconds that a request may take in all.
        ca_file: certificates of authorities (PEM) that are trusted instead of the system's.
        proxy: ``http://host:port`` of a proxy; proxies of the environment are not used.

    Raises:
        ValueError: the URL may not be called, or one of the others is not as it should be.
    """

    address: None = None
    """It goes to a system of the host's."""

    def __init__(
        self,
        url: str | None = None,
        *,
        secrets: Sequence[str],
        recipient: Sequence[str] = (),
        allow: Sequence[str] = (),
        timeout: float = 20.0,
        ca_file: str | None = None,
        proxy: str | None = None,
    ) -> None:
        if isinstance(secrets, str) or isinstance(recipient, str):
            message = "secrets and recipient are lists of texts"
            raise ValueError(message)  # noqa: TRY004 - as every other wrong argument
        self._url = url
        self._keys = [key_of(each) for each in secrets]
        self._recipient = tuple(recipient)
        self._client = HttpClient(
            Guard.from_texts(allow), timeout=timeout, ca_file=ca_file, proxy=proxy
        )
        self._clock: Clock = SystemClock()
        if url is not None:
            check_url(self._client.guard, url)

    def attach(self, host: ChannelHost) -> None:
        """Take the clock that says when a request was made."""
        self._clock = host.clock

    def send(self, delivery: Delivery) -> None:
        """Make the request of one delivery.

        Raises:
            GiveUp: the answer is final (see `settle`), or the URL of the step may not be called.
            RetryLater: it is not.
            HttpFailedError: there was no answer.
            RefusedUrlError: the URL of the channel leads to an address that may not be called.
        """
        if delivery.channel == STEP_CHANNEL and "url" in delivery.content:
            self._send_step(delivery)
            return
        if self._url is None:
            message = "this webhook channel has no URL: Webhook('https://…', secrets=[…])"
            raise RuntimeError(message)
        headers = {"Content-Type": "application/json"}
        self._request(delivery, "POST", self._url, headers, self._body(delivery, delivery.content))

    def _send_step(self, delivery: Delivery) -> None:
        content = delivery.content
        url, method = content["url"], content.get("method", "POST")
        unknown = content.keys() - _STEP_KEYS
        if not isinstance(url, str) or method not in _METHODS or unknown:
            reason = f"this is not the request of a webhook step: {', '.join(sorted(unknown))}"
            raise GiveUp(reason)
        headers = _headers(content.get("headers"))
        kind, body = self._step_body(delivery, str(method))
        if kind is not None and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = kind
        try:
            self._request(delivery, str(method), url, headers, body)
        except RefusedUrlError as error:
            raise GiveUp(error.reason) from error

    def _step_body(self, delivery: Delivery, method: str) -> tuple[str | None, bytes]:
        """The body of a step's request, and its type; GET and DELETE have none unless it is written."""
        content = delivery.content
        if "json" in content:
            return "application/json", encode(content["json"])
        if "body" in content:
            return "text/plain; charset=utf-8", str(content["body"]).encode()
        if method in {"GET", "DELETE"}:
            return None, b""
        return "application/json", self._body(delivery, {})

    def _body(self, delivery: Delivery, content: Mapping[str, JsonValue]) -> bytes:
        data: dict[str, object] = {
            "id": delivery.idempotency_key,
            "rule": delivery.rule,
            "channel": delivery.channel,
            "kind": delivery.kind.value,
            "topic": delivery.topic,
            "person": delivery.person,
            "content": dict(content),
        }
        if self._recipient:
            told = {name: delivery.recipient.get(name) for name in self._recipient}
            data["recipient"] = told
        now = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return encode({"type": TYPE, "timestamp": now, "data": data})

    def _request(
        self, delivery: Delivery, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        now = self._clock.now()
        key = delivery.idempotency_key
        signed = signed_headers(
            self._keys, message_id=key, timestamp=int(now.timestamp()), body=body
        )
        said = {**headers, "Idempotency-Key": key, **signed}
        sent = body if body or method not in {"GET", "DELETE"} else None
        answer = self._client.request(method, url, headers=said, body=sent)
        is_own = url == self._url
        settle(answer, service="the webhook", channel=delivery.channel, now=now, is_shared=is_own)


def _headers(said: JsonValue) -> dict[str, str]:
    """The headers of a step, each on one line."""
    if not isinstance(said, Mapping | None):
        reason = "headers of a webhook are a mapping of texts"
        raise GiveUp(reason)
    headers = {name: " ".join(str(value).split("\n")) for name, value in (said or {}).items()}
    for name, value in headers.items():
        if name.lower() in CHANNEL_HEADERS:
            reason = f"the header {name} of a webhook is written by the channel; take it out"
            raise GiveUp(reason)
        if not value.replace("\t", " ").isprintable():
            reason = f"the header {name} of a webhook holds a control character"
            raise GiveUp(reason)
    return headers
