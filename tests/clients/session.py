"""What an app tells a client in one whole session, as data, whatever client it uses.

A session is a list of calls. What each must lead to in the store is in `expected`, as a message of the Segment
specification; a client in another language is given the same calls, and `everything` of its own language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from pydantic import JsonValue

Json: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an app.

    Attributes:
        type: of the message: ``track``, ``identify``, …
        name: the event of a track, the name of a page or screen.
        target: the group of a group call, the previous id of an alias.
        data: properties or traits, as the app has them.
        arrives: what they are in the store; None if the same.
    """

    message_id: str
    type: str
    timestamp: datetime
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    name: str | None = None
    category: str | None = None
    target: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    arrives: Json | None = None
    context: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Everything:
    """One value of each kind of a language.

    Attributes:
        given: as an app hands it to the client.
        arrives: what of it is in the store.
    """

    given: Mapping[str, object]
    arrives: Json


PARIS = timezone(timedelta(hours=1))
BROWSER: Json = {"ip": "192.0.2.1", "userAgent": "Mozilla/5.0", "locale": "fr-FR"}
PHONE: Json = {"device": {"token": "token-1", "type": "ios"}}
GROUP_TRAITS: Json = {"name": "Acme GmbH & Co. KG", "employees": 12, "plan": None}
LONG_TEXT = "Grüße aus Łódź, 靴下 🧦 "


def visit(start: datetime) -> list[Call]:
    """Look around without a name, buy something, sign up; then everything is that person's."""
    return [
        Call(
            message_id="visit-page",
            type="page",
            timestamp=start,
            anonymous_id="anon-1",
            name="Home",
            category="Shop",
            data={"path": "/", "title": "Socks & more"},
            context=BROWSER,
        ),
        Call(
            message_id="visit-nameless-page",
            type="page",
            timestamp=_after(start, 1),
            anonymous_id="anon-1",
        ),
        Call(
            message_id="visit-purchase",
            type="track",
            timestamp=_after(start, 2),
            anonymous_id="anon-1",
            name="purchase",
            data={"product": "socks", "price": 23.45, "currency": "EUR"},
        ),
        Call(
            message_id="visit-identify",
            type="identify",
            timestamp=_after(start, 3),
            user_id="ada",
            anonymous_id="anon-1",
            data={"first_name": "Ada", "email": "ada@example.com", "address": {"city": "Łódź"}},
        ),
    ]


def use(start: datetime, everything: Everything) -> list[Call]:
    """Make the other calls, and one with everything that the language has."""
    return [
        Call(
            message_id="use-everything",
            type="track",
            timestamp=start,
            user_id="ada",
            name="Everything Sent",
            data=everything.given,
            arrives=everything.arrives,
        ),
        Call(
            message_id="use-everything-as-traits",
            type="identify",
            timestamp=_after(start, 1),
            user_id="ada",
            data=everything.given,
            arrives=everything.arrives,
        ),
        Call(
            message_id="use-screen",
            type="screen",
            timestamp=_after(start, 2),
            user_id="ada",
            name="Checkout",
            category="App",
            data={"step": 2, "cart": [{"sku": "s-1", "count": 3}, {"sku": "s-2", "count": 1}]},
            context={"app": {"version": "4.2.0"}},
        ),
        Call(
            message_id="use-group",
            type="group",
            timestamp=_after(start, 3),
            user_id="ada",
            target="acme",
            data=GROUP_TRAITS,
        ),
        Call(
            message_id="use-second-name",
            type="identify",
            timestamp=_after(start, 4),
            user_id="ada@example.com",
            data={"plan": "pro"},
        ),
        Call(
            message_id="use-alias",
            type="alias",
            timestamp=_after(start, 5),
            user_id="ada",
            target="ada@example.com",
        ),
        Call(
            message_id="use-odd-name",
            type="track",
            timestamp=_after(start, 6),
            user_id="ada",
            name="Łódź “kauft” <b>🧦</b>",
            data={"text": LONG_TEXT * 50},
        ),
        Call(
            message_id="use-numbers-as-ids",
            type="identify",
            timestamp=_after(start, 7).astimezone(PARIS),
            user_id=4211,
            anonymous_id=77,
            data={"first_name": "Nia"},
        ),
    ]


def ask(start: datetime, delivery_id: str) -> list[Call]:
    """Ask for what semantic events do: devices that come and go, reports, and people who are taken away."""
    return [
        Call(
            message_id="ask-device",
            type="track",
            timestamp=start,
            user_id="ada",
            name="Device Created or Updated",
            data={"app_version": "4.2.0"},
            context=PHONE,
        ),
        Call(
            message_id="ask-old-device",
            type="track",
            timestamp=_after(start, 1),
            user_id="ada",
            name="Device Created or Updated",
            context={"device": {"token": "token-0", "type": "android"}},
        ),
        Call(
            message_id="ask-old-device-gone",
            type="track",
            timestamp=_after(start, 2),
            user_id="ada",
            name="Device Deleted",
            context={"device": {"token": "token-0", "type": "android"}},
        ),
        Call(
            message_id="ask-report",
            type="track",
            timestamp=_after(start, 3),
            user_id="ada",
            name="Report Delivery Event",
            data={"metric": "opened", "deliveryId": delivery_id, "recipient": "token-1"},
        ),
        Call(
            message_id="ask-content",
            type="track",
            timestamp=_after(start, 4),
            user_id="ada",
            name="Report Content Event",
            data={"actionType": "viewed_content", "contentId": 1},
        ),
        *_leave(_after(start, 10), "nia", "Delete Person"),
        *_leave(_after(start, 20), "eve", "Suppress Person"),
        *_leave(_after(start, 30), "zoe", "Suppress Person"),
        Call(
            message_id="ask-back-zoe",
            type="track",
            timestamp=_after(start, 40),
            user_id="zoe",
            name="Unsuppress Person",
        ),
        *(
            Call(
                message_id=f"ask-again-{user}",
                type="track",
                timestamp=_after(start, 41),
                user_id=user,
                name="played_game",
            )
            for user in ("eve", "zoe")
        ),
    ]


def _leave(start: datetime, user: str, event: str) -> list[Call]:
    """Become known, and be taken away by an event."""
    return [
        Call(
            message_id=f"ask-known-{user}",
            type="identify",
            timestamp=start,
            user_id=user,
            data={"first_name": user.title()},
        ),
        Call(
            message_id=f"ask-gone-{user}",
            type="track",
            timestamp=_after(start, 1),
            user_id=user,
            name=event,
        ),
    ]


def _after(start: datetime, seconds: int) -> datetime:
    return start + timedelta(seconds=seconds)
