"""The channel for Slack: one request for each delivery, to an incoming webhook or as ``chat.postMessage``."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from whereupon.channels.http import Guard, HttpAnswer, HttpClient, after, check_url, settle
from whereupon.channels.http.answers import own_fault
from whereupon.channels.http.content import address_of, check_keys, text_of
from whereupon.channels.http.guard import origin_of
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.messages.codec import encode
from whereupon.ports import ChannelHost, Clock
from whereupon.records import Delivery
from whereupon.scheduling import SystemClock

API: Final = "https://slack.com/api"
"""Where Slack's methods are."""

_KEYS: Final = frozenset({"text", "title", "body", "blocks", "attachments", "thread_ts"})
# What Slack says of our token, our hook or the channel that it posts to; an operator mends it.
_OUR_OWN: Final = frozenset(
    {
        *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"),
        *("no_permission", "missing_scope", "not_allowed_token_type", "org_login_required"),
        *("ekm_access_denied", "access_denied", "team_access_not_granted", "invalid_token"),
        *("no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled"),
        *("action_prohibited", "posting_to_general_channel_denied", "not_in_channel"),
        *("channel_not_found", "channel_is_archived", "is_archived", "restricted_action"),
    }
)
_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_IN_PASSING: Final = frozenset(
    {
        *("internal_error", "fatal_error", "service_unavailable", "request_timeout"),
        *("team_added_to_org", "rollup_error", "accesslimited"),
    }
)


class Slack:
    """Posts each delivery to a channel of Slack, or to the person.

    Content: ``text``, or ``title`` and ``body``; ``blocks`` and ``attachments`` in Slack's own form;
    ``thread_ts``. Data cannot alert a whole channel: ``<!channel>`` and its like are shown as text, unless
    `mentions` is true.

    Args:
        url: of an incoming webhook; it posts to one channel. Either this or a token.
        token: of a bot (``xoxb-…``).
        to: the channel's id; with a token.
        address: the person's attribute with their id in Slack, instead of `to`.
        mentions: whether ``<!channel>``, ``<!here>`` and ``<!everyone>`` alert people.
        base_url: where Slack's methods are, for tests and proxies; the guard allows it.
        timeout: the seconds that a request may take in all.

    Raises:
        ValueError: there is neither URL nor token, or both; a token without `to` and `address`; a wrong URL.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        to: str | None = None,
        address: str | None = None,
        mentions: bool = False,
        base_url: str | None = None,
        timeout: float = 20.0,
    ) -> None:
        _check(url=url, token=token, to=to, address=address)
        self.address = address
        self._token = token
        self._to = to
        self._mentions = mentions
        self._url = url or f"{(base_url or API).rstrip('/')}/chat.postMessage"
        guard = Guard.from_texts([] if base_url is None else [origin_of(base_url)])
        check_url(guard, self._url)
        self._client = HttpClient(guard, timeout=timeout)
        self._clock: Clock = SystemClock()

    def attach(self, host: ChannelHost) -> None:
        """Take the clock, for a ``Retry-After`` that is a date."""
        self._clock = host.clock

    def send(self, delivery: Delivery) -> None:
        """Post one delivery. Slack knows no idempotency keys: the key goes along as metadata.

        Raises:
            GiveUp: Slack will never take it, it has no text, or the person has no address.
            RetryLater: Slack does not take it now, or refuses our token.
            HttpFailedError: there was no answer.
        """
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": delivery.idempotency_key,
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        body = encode(self._message(delivery))
        answer = self._client.request("POST", self._url, headers=headers, body=body)
        self._settle(answer, delivery)

    def _message(self, delivery: Delivery) -> dict[str, JsonValue]:
        check_keys(delivery, _KEYS)
        content = delivery.content
        text = text_of(content.get("text")) or _titled(content)
        said: dict[str, JsonValue] = {
            key: content[key] for key in ("blocks", "attachments", "thread_ts") if content.get(key)
        }
        if text:
            said["text"] = text
        if not said.keys() & {"text", "blocks", "attachments"}:
            reason = "a message for Slack has a text, a body or blocks"
            raise GiveUp(reason)
        if not self._mentions:
            said = {key: _quiet(value) for key, value in said.items()}
        if self._token is not None:
            said["channel"] = address_of(delivery, self.address) if self.address else self._to
            payload: JsonValue = {"key": delivery.idempotency_key}
            said["metadata"] = {"event_type": "whereupon_delivery", "event_payload": payload}
        return said

    def _settle(self, answer: HttpAnswer, delivery: Delivery) -> None:
        """Slack says ``ok: false`` with 200, too; its word comes before the status."""
        error = answer.json.get("error")
        code = str(error) if error else answer.body[:40].decode("ascii", "replace").strip()
        now = self._clock.now()
        if code in _OUR_OWN and not (self.address and code == "channel_not_found"):
            own_fault(delivery.channel, code)
            reason = f"Slack answered {code}: mend the token, the hook or the channel"
            raise RetryLater(reason=reason)
        if code in _LIMITED or code in _IN_PASSING:
            wait, is_whole = after(answer, now), code in _LIMITED
            raise RetryLater(after=wait, reason=f"Slack answered {code}", channel=is_whole)
        settle(answer, service="Slack", channel=delivery.channel, now=now)
        if self._token is None or answer.json.get("ok") is True:
            return
        if error:
            reason = f"Slack answered {code}"
            raise GiveUp(reason)
        reason = "Slack's answer is not one of chat.postMessage"
        raise RetryLater(reason=reason)


def _check(*, url: str | None, token: str | None, to: str | None, address: str | None) -> None:
    if (url is None) == (token is None):
        message = "Slack takes the URL of an incoming webhook, or a token"
        raise ValueError(message)
    if url is not None and (to or address):
        message = "an incoming webhook posts to its own channel; `to` and `address` need a token"
        raise ValueError(message)
    if token is not None and (to is None) == (address is None):
        message = "with a token say where to post: `to`, or `address` for the person's own"
        raise ValueError(message)


def _titled(content: Mapping[str, JsonValue]) -> str:
    title, body = text_of(content.get("title")), text_of(content.get("body"))
    return "\n".join(each for each in (f"*{title}*" if title else "", body) if each)


def _quiet(value: JsonValue) -> JsonValue:
    """The value without mentions of everybody, at any depth."""
    if isinstance(value, str):
        return value.replace("<!", "&lt;!")
    if isinstance(value, Mapping):
        return {key: _quiet(each) for key, each in value.items()}
    return [_quiet(each) for each in value] if isinstance(value, Sequence) else value
