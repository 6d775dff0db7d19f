"""Reading the body of a form, as browsers and mail programs send it."""

from email import message_from_bytes
from email.policy import HTTP
from typing import TypeAlias
from urllib.parse import parse_qsl

Fields: TypeAlias = list[tuple[str, str]]
"""Names and values, in order."""

_MOST = 1_000


def read_form(content_type: str, body: bytes) -> Fields:
    """The fields of a form.

    Args:
        content_type: ``multipart/form-data`` with its boundary (RFC 7578); all else is read as
            ``application/x-www-form-urlencoded``.

    Raises:
        ValueError: it is no such body, or it has more than 1,000 fields.
    """
    if content_type.strip().lower().startswith("multipart/"):
        return _read_multipart(content_type, body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        message = "the body of a form is UTF-8"
        raise ValueError(message) from None
    return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST)


def _read_multipart(content_type: str, body: bytes) -> Fields:
    head = content_type.encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
    parsed = message_from_bytes(b"Content-Type: " + head + b"\r\n\r\n" + body, policy=HTTP)
    parts = list(parsed.iter_parts()) if parsed.is_multipart() else []
    if not parts or len(parts) > _MOST:
        message = "the body is not what its multipart Content-Type says"
        raise ValueError(message)
    fields = []
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        raw = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(raw, bytes):
            fields.append((name, raw.decode("utf-8", "replace")))
    return fields
