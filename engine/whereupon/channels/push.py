"""The channel for push messages: Firebase Cloud Messaging (HTTP v1), which relays to Apple's service, too.

Each device of the person gets one call. A device that no longer exists is deleted.
"""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from whereupon.channels.http import (
    Guard,
    HttpAnswer,
    HttpClient,
    HttpFailedError,
    after,
    check_url,
    settle,
)
from whereupon.channels.http.answers import own_fault
from whereupon.channels.http.content import check_keys, text_of
from whereupon.channels.http.google import GoogleLogin
from whereupon.channels.http.guard import origin_of
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.messages.codec import encode
from whereupon.ports import ChannelHost
from whereupon.records import Delivery, Device

API: Final = "https://fcm.googleapis.com"
"""Where the service is."""

_KEYS: Final = frozenset({"title", "body", "image", "link", "data", "android", "apns", "webpush"})
_PLATFORMS: Final = ("android", "apns", "webpush")
_MOST_REMEMBERED = 10_000
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_OUR_OWN: Final = frozenset({401, 403})


class Push:
    """Sends each delivery to every device of the person.

    Content: ``title``, ``body``, ``image``; ``link`` (where a tap leads: ``data.link``, and the link of web
    pushes); ``data`` (its values become texts); ``android``, ``apns``, ``webpush``: the blocks of the HTTP v1
    API. ``data.deliveryId`` is the idempotency key, for apps that report.

    A delivery is sent if one device got it. If a device fails in passing, the delivery is tried again; this
    process leaves out the devices that had it. Another process, or this one after a restart, does not know
    them, but a repeated message replaces the first on the screen, since both have one collapse id.

    Args:
        credentials: of a service account: the path of its JSON file, or the JSON text; by default Google's
            Application Default Credentials.
        project: the id of the Firebase project; by default that of the credentials.
        base_url: where the service is, for tests and proxies; the guard allows it.
        timeout: the seconds that one call may take in all.

    Raises:
        ImportError: the extra is not installed: ``pip install 'whereupon[push]'``.
        ValueError: the credentials cannot be read, or no project is known.
    """

    address: None = None
    """Devices are the addresses; the store keeps them."""

    def __init__(
        self,
        credentials: str | None = None,
        *,
        project: str | None = None,
        base_url: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._login = GoogleLogin(credentials, timeout=timeout)
        name = project or self._login.project
        if not name:
            message = "say which project: Push(…, project='my-project')"
            raise ValueError(message)
        base = (base_url or API).rstrip("/")
        self._url = f"{base}/v1/projects/{quote(name, safe='')}/messages:send"
        guard = Guard.from_texts([] if base_url is None else [origin_of(base_url)])
        check_url(guard, self._url)
        self._client = HttpClient(guard, timeout=timeout)
        self._host: ChannelHost | None = None
        self._had: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = Lock()

    def attach(self, host: ChannelHost) -> None:
        """Take the engine, which keeps the devices."""
        self._host = host

    def send(self, delivery: Delivery) -> None:
        """Send one delivery to the person's devices, one call each.

        Raises:
            GiveUp: ``no-device``: the person has none, or none that still exists; or the message is wrong.
            RetryLater: a device failed in passing, or the service refuses our credentials.
            HttpFailedError: there was no answer.
        """
        if self._host is None:
            message = (
                "this channel belongs to no engine; register it: engine.channel('push', Push())"
            )
            raise RuntimeError(message)
        message_of = self._message(delivery)
        key = delivery.idempotency_key
        with self._lock:
            had = self._had.setdefault(key, set())
        devices = self._host.devices(delivery.person)
        failed: RetryLater | None = None
        try:
            for device in devices:
                if device.token not in had:
                    failed = self._send_to(device, delivery, message_of, had) or failed
        except GiveUp:
            self._forget(key)
            raise
        if failed is not None:
            self._bound()
            raise failed
        self._forget(key)
        if not had:
            reason = "no-device: the person has no device for push messages"
            raise GiveUp(reason)

    def _send_to(
        self, device: Device, delivery: Delivery, message: Mapping[str, JsonValue], had: set[str]
    ) -> RetryLater | None:
        """Call one device; what it says for this device alone.

        Raises:
            RetryLater, HttpFailedError: the service takes nothing at present.
            GiveUp: it takes the message for no device.
        """
        assert self._host is not None  # noqa: S101 - `send` has looked
        said = {"message": {**message, "token": device.token}}
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._token(delivery)}",
            "Idempotency-Key": f"{delivery.idempotency_key}-{_short(device.token)}",
        }
        answer = self._client.request("POST", self._url, headers=headers, body=encode(said))
        code = _error_code(answer)
        if _is_gone(answer, code):
            self._host.delete_device(delivery.person, device)
            return None
        if code in {"THIRD_PARTY_AUTH_ERROR", "SENDER_ID_MISMATCH"}:
            own_fault(delivery.channel, code)
            return RetryLater(reason=f"FCM answered {code}: mend the project's keys")
        self._settle(answer, code, delivery)
        had.add(device.token)
        return None

    def _settle(self, answer: HttpAnswer, code: str, delivery: Delivery) -> None:
        assert self._host is not None  # noqa: S101 - `send` has looked
        now = self._host.clock.now()
        if answer.status in _OUR_OWN:
            self._login.forget()
        if answer.status == 404:  # noqa: PLR2004 - not of FCM's devices: a wrong project or URL
            own_fault(delivery.channel, 404)
            raise RetryLater(after=after(answer, now), reason="FCM answered 404: check the project")
        try:
            settle(answer, service="FCM", channel=delivery.channel, now=now)
        except GiveUp as error:
            reason = f"{error} {code}".rstrip()
            raise GiveUp(reason) from error

    def _token(self, delivery: Delivery) -> str:
        try:
            return self._login.token()
        except HttpFailedError:
            own_fault(delivery.channel, "no-token")
            raise

    def _message(self, delivery: Delivery) -> dict[str, JsonValue]:
        check_keys(delivery, _KEYS)
        content, key = delivery.content, delivery.idempotency_key
        said = content.get("data") or {}
        if not isinstance(said, Mapping):
            reason = "data of a push message is a mapping"
            raise GiveUp(reason)
        data: dict[str, JsonValue] = {
            name: value if isinstance(value, str) else encode(value).decode()
            for name, value in said.items()
        }
        link = text_of(content.get("link"))
        data |= {"deliveryId": key} | ({"link": link} if link else {})
        shown: dict[str, JsonValue] = {
            name: text_of(content[name]) for name in ("title", "body", "image") if content.get(name)
        }
        message: dict[str, JsonValue] = {"data": data, **({"notification": shown} if shown else {})}
        web: dict[str, JsonValue] = {"notification": {"tag": key}}
        if link.startswith("https://"):
            web["fcm_options"] = {"link": link}
        own: dict[str, dict[str, JsonValue]] = {
            "android": {"notification": {"tag": key}} if shown else {},
            "apns": {"headers": {"apns-collapse-id": key}},
            "webpush": web if shown else {},
        }
        for name in _PLATFORMS:
            block = _merged(own[name], content.get(name) or {}, name)
            message |= {name: block} if block else {}
        return message

    # --- what this process knows of a delivery that is tried again ---------------------------------------
    def _forget(self, key: str) -> None:
        with self._lock:
            self._had.pop(key, None)

    def _bound(self) -> None:
        with self._lock:
            while len(self._had) > _MOST_REMEMBERED:
                self._had.popitem(last=False)


def _merged(ours: Mapping[str, JsonValue], theirs: JsonValue, name: str) -> dict[str, JsonValue]:
    """A block of a platform; what a rule says comes before what we add."""
    if not isinstance(theirs, Mapping):
        reason = f"{name} of a push message is a mapping"
        raise GiveUp(reason)
    merged = {**ours, **theirs}
    for key in ours.keys() & theirs.keys():
        mine, said = ours[key], theirs[key]
        if isinstance(mine, Mapping) and isinstance(said, Mapping):
            merged[key] = {**mine, **said}
    return merged


def _error(answer: HttpAnswer) -> Mapping[str, JsonValue]:
    found = answer.json.get("error")
    return found if isinstance(found, Mapping) else {}


def _error_code(answer: HttpAnswer) -> str:
    """FCM's own code, or else the status in words; empty if there is none."""
    error = _error(answer)
    details = error.get("details")
    for each in details if isinstance(details, list) else ():
        if isinstance(each, Mapping) and each.get("@type") == _FCM_ERROR:
            return text_of(each.get("errorCode"))
    return text_of(error.get("status"))


def _is_gone(answer: HttpAnswer, code: str) -> bool:
    """Whether the device no longer exists, or its token was never one.

    A 400 is about the token if FCM's own error says so, and about our message otherwise.
    """
    details = _error(answer).get("details")
    is_of_fcm = isinstance(details, list) and any(
        isinstance(each, Mapping) and each.get("@type") == _FCM_ERROR for each in details
    )
    if code == "UNREGISTERED" or (answer.status == 404 and code == "NOT_FOUND"):  # noqa: PLR2004
        return True
    is_about_us = isinstance(details, list) and any(
        isinstance(each, Mapping) and "BadRequest" in text_of(each.get("@type")) for each in details
    )
    return code == "INVALID_ARGUMENT" and is_of_fcm and not is_about_us


def _short(token: str) -> str:
    """A few letters that tell a person's devices apart."""
    return token[-8:].encode().hex()
