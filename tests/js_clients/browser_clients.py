"""The clients of browsers: what each adds to a message and changes of it."""

from collections.abc import Mapping

from pydantic import JsonValue
from tests.js_clients.session import (
    KNOWN_FROM,
    VISIT,
    Client,
    Members,
    Tree,
    filled,
    instant,
    members,
    number,
    text,
)

from whereupon.operations.api_keys import NewKey

_PAGE: Tree = {
    "path": "/tests/js_clients/browser/shop.html",
    "search": "?utm_source=news&utm_campaign=spring",
    "title": "Shop",
    "url": text,
}
_SEGMENT_PAGE: Tree = {**_PAGE, "referrer": ""}
_RUDDERSTACK_PAGE: Tree = {
    **_PAGE,
    "referrer": "$direct",
    "referring_domain": "",
    "tab_url": text,
    "initial_referrer": "$direct",
    "initial_referring_domain": "",
}
_JITSU_PAGE: Tree = {
    **_PAGE,
    "referrer": "",
    "referring_domain": "",
    "host": text,
    "encoding": "UTF-8",
}
_CAMPAIGN: Tree = {"source": "news", "name": "spring"}
_SCREEN: Tree = dict.fromkeys(("width", "height", "innerWidth", "innerHeight", "density"), number)


def masked(value: JsonValue) -> bool:
    """A pair of an id and a secret, of which the secret is not said."""
    return isinstance(value, str) and value.endswith(":***")


def _below(path: str, tree: Tree) -> Tree:
    return {f"{path}.{name}": value for name, value in tree.items()}


def _named(message: Members) -> Members:
    """The name of a page is among its properties, too."""
    if message["type"] == "page":
        message["properties"] = {**members(message["properties"]), "name": message["name"]}
    return message


def _without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {n: _without_nulls(v) for n, v in value.items() if v is not None}
    return value


def _traits_of(message: Members) -> Members:
    """The traits of the person who is known by then, which some clients repeat in each message."""
    return members(VISIT[KNOWN_FROM]["traits"]) if "userId" in message else {}


def _of_rudderstack(message: Members) -> Members:
    """It leaves null out of objects, and writes traits and a time that it is given into the context."""
    kept = {n: _without_nulls(v) for n, v in _named(message).items()}
    context: Members = {"traits": _without_nulls(_traits_of(message))}
    if kept["type"] == "identify":
        del kept["traits"]
    if "timestamp" in kept:
        context["timestamp"] = kept.pop("timestamp")
    return {**kept, "context": context}


def _of_jitsu(message: Members) -> Members:
    """The name of a page is a property only, and a time that it is given counts for nothing."""
    kept = _named(message)
    kept.pop("timestamp", None)
    kept.pop("name", None)
    if kept["type"] in {"page", "track"}:
        kept["context"] = {"traits": _traits_of(message)}
    return kept


_SEGMENT: Tree = {
    "anonymousId": text,
    "userId": None,
    "messageId": text,
    "timestamp": instant,
    "sentAt": instant,
    "integrations": {},
    "context.userAgent": text,
    "context.locale": "en-US",
    "context.campaign": _CAMPAIGN,
    "_metadata.unbundled": [],
    "_metadata.bundledIds": [],
}
_RUDDERSTACK: Tree = {
    "anonymousId": text,
    "userId": "",
    "messageId": text,
    "originalTimestamp": instant,
    "sentAt": instant,
    "channel": "web",
    "integrations": {"All": True},
    "context.sessionId": number,
    "context.app": {
        "name": "RudderLabs JavaScript SDK",
        "namespace": "com.rudderlabs.javascript",
        "version": "3.34.1",
        "installType": "npm",
    },
    "context.library": {
        "name": "RudderLabs JavaScript SDK",
        "version": "3.34.1",
        "variant": "bundled",
    },
    "context.userAgent": text,
    "context.os": {"name": "", "version": ""},
    "context.locale": "en-US",
    "context.screen": _SCREEN,
    "context.campaign": _CAMPAIGN,
    "context.page": _RUDDERSTACK_PAGE,
    "context.timezone": text,
}
_JITSU: Tree = {
    "anonymousId": text,
    "userId": None,
    "messageId": text,
    "timestamp": instant,
    "sentAt": instant,
    "writeKey": masked,
    "context.library": {"name": "@jitsu/js", "version": "1.11.0", "env": "browser"},
    "context.userAgent": text,
    "context.locale": "en-US",
    "context.screen": _SCREEN,
    "context.page": _JITSU_PAGE,
    "context.clientIds": {},
    "context.campaign": _CAMPAIGN,
}

CLIENTS: Mapping[str, Client] = {
    "segment": Client(
        adds={
            **_SEGMENT,
            "context.library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
            "context.page": _SEGMENT_PAGE,
            "context.timezone": text,
            "context.userAgentData": {"brands": filled, "mobile": False, "platform": "Linux"},
            "_metadata.bundled": ["Segment.io"],
        },
        adds_to={"page": _below("properties", _SEGMENT_PAGE)},
        changes=_named,
    ),
    "customerio": Client(
        adds={
            **_SEGMENT,
            "context.library": {"name": "analytics.js", "version": "npm:next-0.5.11"},
            "_metadata.bundled": ["Customer.io Data Pipelines"],
        },
        adds_to={
            **{t: {"context.page": _SEGMENT_PAGE} for t in ("track", "identify", "group", "alias")},
            "page": {"context.page": _SEGMENT_PAGE, **_below("properties", _SEGMENT_PAGE)},
        },
        changes=_named,
    ),
    "rudderstack": Client(
        adds=_RUDDERSTACK,
        adds_to={
            "page": {  # the first message of the session
                "context.sessionStart": True,
                **_below("properties", _RUDDERSTACK_PAGE),
            }
        },
        changes=_of_rudderstack,
        lacks=frozenset({"screen"}),
    ),
    "jitsu": Client(
        adds=_JITSU,
        adds_to={
            "page": {
                **_below("properties", _PAGE),
                "properties.hash": "",
                "properties.width": number,
                "properties.height": number,
            }
        },
        changes=_of_jitsu,
        lacks=frozenset({"screen", "alias"}),
    ),
}


def said() -> list[Members]:
    """The visit as it is said in a browser, whose client knows who was identified."""
    known: Members = {"userId": "ada"}
    return [{**(known if place >= KNOWN_FROM else {}), **m} for place, m in enumerate(VISIT)]


def key_for(name: str, key: NewKey) -> str:
    """The write key that a client is given: Jitsu's refuses one without the id."""
    return f"{key.key.id}:{key.secret}" if name == "jitsu" else key.secret
