"""The clients of Node: what each adds to a message and changes of it."""

from collections.abc import Mapping

from tests.js_clients.session import Client, Members, instant, text


def _traits_twice(message: Members) -> Members:
    """RudderStack's writes the traits of an identify into its context, too."""
    if message["type"] == "identify":
        message["context"] = {"traits": message["traits"]}
    return message


CLIENTS: Mapping[str, Client] = {
    "segment": Client(
        adds={
            "timestamp": instant,
            "sentAt": instant,  # the batch's, which its messages inherit
            "messageId": text,
            "integrations": {},
            "context.library": {"name": "@segment/analytics-node", "version": "3.1.0"},
            "_metadata.nodeVersion": text,
            "_metadata.jsRuntime": "node",
        }
    ),
    "customerio": Client(
        adds={
            "timestamp": instant,
            "messageId": text,
            "integrations": {},
            "context.library": {
                "name": "@customerio/cdp-analytics-node",
                "version": "1.0.0-beta.22",
            },
            "_metadata.nodeVersion": text,
            "_metadata.jsRuntime": "node",
        }
    ),
    "rudderstack": Client(
        adds={
            "originalTimestamp": instant,
            "sentAt": instant,
            "messageId": text,
            "channel": "server",
            "context.library": {"name": "analytics-node", "version": "3.0.13"},
            "_metadata.nodeVersion": text,
        },
        changes=_traits_twice,
    ),
    "old-segment": Client(
        adds={
            "timestamp": instant,
            "sentAt": instant,  # the batch's
            "messageId": text,
            "context.library": {"name": "analytics-node", "version": "6.2.0"},
            "_metadata.nodeVersion": text,
        }
    ),
    "pipelines": Client(
        adds={
            "timestamp": instant,
            "messageId": text,
            "context.library": {"name": "customerio-node", "version": "5.2.0"},
        }
    ),
}


def said(message: Members, place: int, known_from: int) -> Members:
    """A message with the ids that a server writes into it: it is known whose it is, or it is a visitor's."""
    if place < known_from:
        return {"anonymousId": "anon-1", **message}
    return {
        "userId": "ada",
        **({"anonymousId": "anon-1"} if place == known_from else {}),
        **message,
    }
