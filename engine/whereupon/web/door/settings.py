"""What browsers and apps ask for before they send: settings that lead all their messages here, and to nobody else.

Without both integrations Segment's and Customer.io's clients send to their makers, or nothing at all.
"""

from typing import NamedTuple
from urllib.parse import unquote

from whereupon.engine import Engine
from whereupon.web.door.options import DoorOptions
from whereupon.web.http import Request

_SINCE = "2026-01-01T00:00:00.000Z"
"""When the answer last changed: RudderStack's client wants a time, and compares it with nothing."""


class Place(NamedTuple):
    """Where the door is, as clients reach it: the scheme, and host and mount."""

    scheme: str
    host: str


def place_of(engine: Engine, options: DoorOptions, request: Request) -> Place:
    """Where the door is, by the options, the engine's ``public_url``, or else the request."""
    public = engine.links.public_url if engine.links is not None else ""
    scheme, _, host = (options.url or public or request.origin).partition("://")
    return Place(scheme, host.rstrip("/"))


def project_settings(place: Place, quoted_key: str) -> dict[str, object]:
    """The settings of Segment's and Customer.io's clients for browsers, iOS and Android.

    There are no ``versionSettings``, which make browsers ask for more.
    """
    integration = {
        "apiKey": unquote(quoted_key),
        "apiHost": f"{place.host}/v1",
        "protocol": place.scheme,
    }
    return {"integrations": {"Segment.io": integration, "Customer.io Data Pipelines": integration}}


def source_config(key: str) -> dict[str, object]:
    """The settings of RudderStack's client: a source that is on, without destinations, statistics and other hosts."""
    off = {"enabled": False}
    source = {
        "id": "whereupon",
        "name": "whereupon",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "whereupon",
        "config": {"statsCollection": {"errors": off, "metrics": off}},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return {"source": source, "updatedAt": _SINCE}
