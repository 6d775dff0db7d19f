"""Callbacks: what providers report about deliveries, read from their requests once the signature is checked.

Each class is a `Callback` of `whereupon.web`: give it to the adapters under the name of its channel. A wrong
signature is answered with 401, and nothing is read. A callback that comes again counts once, since the ids of
reports follow from its events. For others: `StandardCallback`, `TwilioCallback`, `SendGridCallback`,
`MailgunCallback`, `PostmarkCallback`, `Report`.
"""

import base64
import binascii
import hmac
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from whereupon.engine import Engine
from whereupon.messages.metrics import METRIC_NAMES
from whereupon.runtime.log_lines import log_event
from whereupon.web.http import Answer, Request

KEY = "whereupon_key"
"""The name under which a provider gives the idempotency key back: a custom argument, variable or metadata."""

_LOG = logging.getLogger("whereupon.web")


class WrongSignatureError(Exception):
    """The request is not from the provider, or too old."""


@dataclass(frozen=True, slots=True)
class Report:
    """One event of a provider's, as `Engine.report` takes it."""

    key: str
    metric: str
    at: datetime | None = None
    reason: str | None = None
    permanent: bool = True
    event_id: str | None = None


class ProviderCallback(ABC):
    """A callback of one provider; see `read` for what it reads."""

    @abstractmethod
    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """The reports in a request.

        Raises:
            WrongSignatureError: it is not from the provider, or was signed too long ago.
            ValueError: the body is not what the provider sends.
        """

    def __call__(self, engine: Engine, request: Request) -> Answer:
        """Report what a request says; 200, 401 for a wrong signature, 400 for a body that cannot be read."""
        try:
            reports = self.read(request, engine.clock.now())
        except WrongSignatureError:
            return _answer(401)
        except (ValueError, KeyError, TypeError, AttributeError):
            return _answer(400)
        for each in reports:
            if not each.key or each.metric not in METRIC_NAMES:
                log_event(_LOG, logging.WARNING, "callback-skipped", metric=each.metric)
                continue
            engine.report(
                each.key,
                each.metric,
                at=each.at,
                reason=each.reason,
                permanent=each.permanent,
                event_id=each.event_id,
            )
        return _answer(200)


def _answer(status: int) -> Answer:
    return Answer(status=status, headers=(("Cache-Control", "no-store"),))


def _check(is_right: bool) -> None:
    if not is_right:
        raise WrongSignatureError


def _check_time(seconds: str, now: datetime, within: timedelta) -> None:
    try:
        at = datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise WrongSignatureError from None
    _check(abs(now - at) <= within)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _instant(value: object) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str) or not value:
        return None
    at = datetime.fromisoformat(value)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    return str(value)[:500] if value not in {None, ""} else None


def _objects(body: bytes) -> list[Mapping[str, object]]:
    found = json.loads(body)
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(each, dict) for each in listed):
        message = "a callback is a JSON object, or a list of them"
        raise ValueError(message)
    return listed


# --- your own services ----------------------------------------------------------------------------


class StandardCallback(ProviderCallback):
    """JSON signed as Standard Webhooks are: one object, or a list, with key, metric, at, reason, permanent, id.

    Args:
        secrets: ``whsec_`` and base64; several while a secret is changed.
        within: how old a signed request may be.
    """

    def __init__(self, *secrets: str, within: timedelta = timedelta(minutes=5)) -> None:
        if not secrets:
            message = "give at least one secret"
            raise ValueError(message)
        self._keys = [base64.b64decode(each.removeprefix("whsec_")) for each in secrets]
        self._within = within

    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """Check ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` (Standard Webhooks)."""
        said = request.headers
        name, at = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
        _check_time(at, now, self._within)
        signed = f"{name}.{at}.".encode() + request.body
        right = [base64.b64encode(hmac.digest(k, signed, "sha256")).decode() for k in self._keys]
        given = [s[3:] for s in said.get("webhook-signature", "").split() if s.startswith("v1,")]
        _check(any(_same(one, other) for one in right for other in given))
        return [_plain(each) for each in _objects(request.body)]


def _plain(said: Mapping[str, object]) -> Report:
    permanent = said.get("permanent", True)
    if not isinstance(permanent, bool):
        message = "permanent is true or false"
        raise TypeError(message)
    at, reason = _instant(said.get("at")), _text(said.get("reason"))
    key, metric = str(said["key"]), str(said["metric"])
    return Report(key, metric, at, reason, permanent, _text(said.get("id")))


# --- Twilio -----------------------------------------------------------------------------------------

_NO_SUCH_PHONE = frozenset({"21211", "21614", "30005", "30006"})
_STOPPED = "21610"


class TwilioCallback(ProviderCallback):
    """Status callbacks of Twilio; the callback's URL carries ``?key=`` and the idempotency key.

    Args:
        auth_token: of the account.
        url: the callback's public URL without its query; by default as the request says it, which is wrong
            behind a proxy that hides it.
    """

    def __init__(self, auth_token: str, *, url: str | None = None) -> None:
        self._token = auth_token.encode()
        self._url = url

    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """Check ``X-Twilio-Signature``: HMAC-SHA1 over the URL and the sorted fields (Twilio, Security)."""
        del now
        fields = [*request.form()]
        query = f"?{request.query}" if request.query else ""
        url = request.url if self._url is None else f"{self._url}{query}"
        signed = url + "".join(name + value for name, value in sorted(set(fields)))
        right = base64.b64encode(hmac.digest(self._token, signed.encode(), "sha1")).decode()
        _check(_same(right, request.headers.get("x-twilio-signature", "")))
        said, key = dict(fields), dict(parse_qsl(request.query)).get("key", "")
        status, code = said.get("MessageStatus", ""), said.get("ErrorCode", "")
        name = f"{said.get('MessageSid', '')}:{status}"
        reason = f"Twilio {code}" if code else None
        if code == _STOPPED:
            return [Report(key, "unsubscribed", reason=reason, event_id=name)]
        if status in {"undelivered", "failed"} and code in _NO_SUCH_PHONE:
            return [Report(key, "bounced", reason=reason, event_id=name)]
        if status == "undelivered":
            return [Report(key, "bounced", reason=reason, permanent=False, event_id=name)]
        metric = {"sent": "sent", "delivered": "delivered", "read": "opened", "failed": "failed"}
        return [Report(key, metric[status], reason=reason)] if status in metric else []


# --- providers of e-mail ----------------------------------------------------------------------------


def _reports(found: Iterable[Report | None]) -> list[Report]:
    return [each for each in found if each is not None]


class SendGridCallback(ProviderCallback):
    """The signed event webhook of SendGrid; the key is the custom argument ``whereupon_key``.

    Args:
        public_key: of the webhook, base64 as SendGrid shows it.
        within: how old a signed request may be; SendGrid tries for a day.
    """

    def __init__(self, public_key: str, *, within: timedelta = timedelta(days=1)) -> None:
        self._key = base64.b64decode(public_key)
        self._within = within

    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """Check the signature: ECDSA with SHA-256 over timestamp and body."""
        at = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        _check_time(at, now, self._within)
        signature = request.headers.get("x-twilio-email-event-webhook-signature", "")
        _check(_is_signed(self._key, signature, at.encode() + request.body))
        return _reports(map(_of_sendgrid, _objects(request.body)))


def _is_signed(key: bytes, signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    public = load_der_public_key(key)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        message = "the public key of SendGrid's webhook is an elliptic curve's"
        raise TypeError(message)
    try:
        public.verify(base64.b64decode(signature, validate=True), signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True


_SENDGRID = {
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "dropped": "dropped",
    "deferred": "deferred",
    "bounce": "bounced",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
_LASTING = frozenset({"bounced", "complained", "unsubscribed"})
"""Metrics that do something; each event of theirs is a report of its own."""


def _of_sendgrid(said: Mapping[str, object]) -> Report | None:
    metric = _SENDGRID.get(str(said.get("event")))
    if metric is None:
        return None
    permanent = said.get("type") != "blocked"
    return _event(
        said.get(KEY),
        metric,
        said.get("timestamp"),
        said.get("reason"),
        permanent,
        said.get("sg_event_id"),
    )


def _event(
    key: object, metric: str, at: object, reason: object, permanent: bool, name: object
) -> Report:
    """A report; openings and clicks are one, however often they come."""
    if metric not in _LASTING:
        return Report(_text(key) or "", metric, reason=_text(reason))
    return Report(_text(key) or "", metric, _instant(at), _text(reason), permanent, _text(name))


class MailgunCallback(ProviderCallback):
    """Webhooks of Mailgun; the key is the variable ``whereupon_key`` (``v:whereupon_key``).

    Args:
        signing_key: the HTTP webhook signing key.
        within: how old a signed request may be; Mailgun tries for eight hours.
    """

    def __init__(self, signing_key: str, *, within: timedelta = timedelta(days=1)) -> None:
        self._key = signing_key.encode()
        self._within = within

    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """Check the signature: HMAC-SHA256 over timestamp and token."""
        (body,) = _objects(request.body)
        signed = body.get("signature")
        signed = signed if isinstance(signed, dict) else {}
        at, token = str(signed.get("timestamp", "")), str(signed.get("token", ""))
        right = hmac.digest(self._key, f"{at}{token}".encode(), "sha256").hex()
        _check(_same(right, str(signed.get("signature", ""))))
        _check_time(at, now, self._within)
        said = body["event-data"]
        return _reports([_of_mailgun(said)] if isinstance(said, dict) else [])


_MAILGUN = {
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "rejected": "dropped",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
}


def _of_mailgun(said: Mapping[str, object]) -> Report | None:
    event, variables = said.get("event"), said.get("user-variables")
    metric = _MAILGUN.get(str(event))
    if event == "failed":
        metric = "bounced" if said.get("severity") == "permanent" else "deferred"
    if metric is None:
        return None
    key = variables.get(KEY) if isinstance(variables, dict) else None
    return _event(key, metric, said.get("timestamp"), said.get("reason"), True, said.get("id"))


class PostmarkCallback(ProviderCallback):
    """Webhooks of Postmark, which are authenticated by name and password; the key is metadata ``whereupon_key``.

    Args:
        user, password: as in the URL that Postmark calls.
    """

    def __init__(self, user: str, password: str) -> None:
        self._right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def read(self, request: Request, now: datetime) -> Sequence[Report]:
        """Check ``Authorization`` (RFC 7617)."""
        del now
        _check(_same(self._right, request.headers.get("authorization", "")))
        return _reports(map(_of_postmark, _objects(request.body)))


_POSTMARK = {
    "Delivery": ("delivered", "DeliveredAt"),
    "Open": ("opened", "ReceivedAt"),
    "Click": ("clicked", "ReceivedAt"),
    "Bounce": ("bounced", "BouncedAt"),
    "SpamComplaint": ("complained", "BouncedAt"),
}


def _of_postmark(said: Mapping[str, object]) -> Report | None:
    kind, metadata = str(said.get("RecordType")), said.get("Metadata")
    key = metadata.get(KEY) if isinstance(metadata, dict) else None
    if kind == "SubscriptionChange":
        by_hand = (
            said.get("SuppressSending") and said.get("SuppressionReason") == "ManualSuppression"
        )
        at = said.get("ChangedAt")
        return _event(key, "unsubscribed", at, None, True, None) if by_hand else None
    if kind not in _POSTMARK:
        return None
    metric, at_name = _POSTMARK[kind]
    permanent = (
        metric != "bounced" or bool(said.get("Inactive")) or said.get("Type") == "HardBounce"
    )
    name = said.get("ID")
    return _event(key, metric, said.get(at_name), said.get("Description"), permanent, name)
