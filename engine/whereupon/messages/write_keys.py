"""The write key that a body of messages may carry, as the clients of browsers and apps send it."""

import msgspec


class _Body(msgspec.Struct, rename="camel", gc=False):
    write_key: str = ""


_BODY = msgspec.json.Decoder(_Body)


def write_key_in(body: bytes) -> str:
    """The ``writeKey`` at the top level of a JSON object, wherever it stands; empty if there is none."""
    try:
        return _BODY.decode(body).write_key
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
