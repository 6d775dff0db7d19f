"""The channel for text messages: one request to Twilio's API for each delivery."""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import urlencode

from whereupon.channels.http import Guard, HttpAnswer, HttpClient, check_url, settle
from whereupon.channels.http.answers import own_fault
from whereupon.channels.http.content import address_of, check_keys, text_of
from whereupon.channels.http.guard import origin_of
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.ports import ChannelHost, Clock
from whereupon.records import Delivery
from whereupon.scheduling import SystemClock

API: Final = "https://api.twilio.com"
"""Where Twilio's API is."""

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_PUNCTUATION: Final = re.compile(r"[ ().\-/\u00a0]")
_ACCOUNT: Final = re.compile(r"AC[0-9a-fA-F]{32}")
# Twilio's codes. The number is wrong, or takes no text messages: the address is suppressed.
_WRONG_NUMBER: Final = frozenset({21211, 21217, 21401, 21614, 21635})
_STOPPED: Final = 21610
# Our account, sender, or settings; an operator mends them.
_OUR_OWN: Final = frozenset(
    {
        *(20003, 20005, 20404, 20008, 21212, 21213, 21603, 21606, 21607, 21608, 21408, 21266),
        *(21609, 21659, 21660, 21661, 21701, 21702, 21703, 21705, 21712, 30002, 30034),
    }
)
_LIMITED: Final = frozenset({20429, 14107, 21611, 63038})


class Sms:
    """Sends each delivery as a text message by Twilio.

    Content: ``text`` or ``body``, and ``media`` (an https URL, or a list of them).

    Args:
        account: the account's SID (``AC…``).
        token: its auth token, or the secret of `key`.
        sender: a number (``+…``), a name, or the SID of a messaging service (``MG…``).
        key: the SID of an API key (``SK…``), instead of the account's own token.
        address: the person's attribute with the number, in the form of E.164 (``+33…``).
        base_url: where the API is, for tests and proxies; the guard allows it.
        timeout: the seconds that a request may take in all.

    Raises:
        ValueError: the account is no SID, a text is empty, or the URL is wrong.
    """

    def __init__(
        self,
        account: str,
        token: str,
        *,
        sender: str,
        key: str | None = None,
        address: str = "phone",
        base_url: str | None = None,
        timeout: float = 20.0,
    ) -> None:
        if _ACCOUNT.fullmatch(account) is None:
            message = "account is the SID of an account: AC and 32 hexadecimal digits"
            raise ValueError(message)
        if not token or not sender:
            message = "token and sender are not empty"
            raise ValueError(message)
        self.address = address
        base = (base_url or API).rstrip("/")
        self._url = f"{base}/2010-04-01/Accounts/{account}/Messages.json"
        self._sender = sender
        login = b64encode(f"{key or account}:{token}".encode()).decode()
        self._authorization = f"Basic {login}"
        guard = Guard.from_texts([] if base_url is None else [origin_of(base_url)])
        check_url(guard, self._url)
        self._client = HttpClient(guard, timeout=timeout)
        self._clock: Clock = SystemClock()
        self._host: ChannelHost | None = None

    def attach(self, host: ChannelHost) -> None:
        """Take the clock, the links of callbacks, and where to report to."""
        self._host, self._clock = host, host.clock

    def send(self, delivery: Delivery) -> None:
        """Send one delivery. Twilio knows no idempotency keys: the key goes along in the callback's URL.

        Raises:
            GiveUp: the person has no number, or it is not one, or Twilio will never take the message. A
                number that cannot get texts is reported as bounced, a person who said STOP as unsubscribed.
            RetryLater: Twilio does not take it now, or refuses our account.
            HttpFailedError: there was no answer.
        """
        form = self._form(delivery)
        answer = self._client.request(
            "POST",
            self._url,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": self._authorization,
                "Idempotency-Key": delivery.idempotency_key,
            },
            body=urlencode(form).encode(),
        )
        self._settle(answer, delivery)

    def _form(self, delivery: Delivery) -> list[tuple[str, str]]:
        check_keys(delivery, ("text", "body", "media"))
        content = delivery.content
        text = text_of(content.get("text")) or text_of(content.get("body"))
        media = content.get("media") or []
        urls = [str(each) for each in (media if isinstance(media, list) else [media])]
        if not text and not urls:
            reason = "a text message has a text or a body"
            raise GiveUp(reason)
        number = _PUNCTUATION.sub("", address_of(delivery, self.address))
        if _NUMBER.fullmatch(number) is None:
            reason = f"no-address: the person's {self.address} is not a number in the form of E.164"
            raise GiveUp(reason)
        is_service = self._sender.startswith("MG")
        form = [("To", number), ("MessagingServiceSid" if is_service else "From", self._sender)]
        form += [("Body", text)] if text else []
        form += [("MediaUrl", url) for url in urls]
        links = self._host.links if self._host is not None else None
        if links is not None:
            form.append(("StatusCallback", links.callback(delivery)))
        return form

    def _settle(self, answer: HttpAnswer, delivery: Delivery) -> None:
        said = answer.json.get("code")
        code = said if isinstance(said, int) and answer.status >= 400 else 0  # noqa: PLR2004 - HTTP
        reason = f"Twilio answered {answer.status} with code {code}"
        if code in _OUR_OWN:
            own_fault(delivery.channel, code)
            raise RetryLater(reason=f"{reason}: mend the account, the sender or its settings")
        if code == _STOPPED or code in _WRONG_NUMBER:
            metric = "unsubscribed" if code == _STOPPED else "bounced"
            if self._host is not None:
                self._host.report(delivery.idempotency_key, metric, reason=str(code))
            reason = f"{reason}: {metric}"
            raise GiveUp(reason)
        if code in _LIMITED:
            answer = HttpAnswer(429, answer.headers, answer.body)
        try:
            settle(answer, service="Twilio", channel=delivery.channel, now=self._clock.now())
        except GiveUp as error:
            raise GiveUp(f"{error}, code {code}" if code else str(error)) from error
