"""How messages come in over HTTP: the table ``[door]`` of the configuration, and the options of the door."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, 5.6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """What a host decides about the door.

    Attributes:
        url: where clients reach it, such as ``https://events.shop.example``. Browsers and apps learn it from the
            settings that they ask for. By default it is the engine's ``public_url``, or else the address that the
            request came to.
        segment_scripts: the folder ``dist/umd`` of the npm package ``@segment/analytics-next``, for pages that load
            Segment's client from the door; without it the door serves no such script.
        customerio_scripts: the same folder of ``@customerio/cdp-analytics-browser``.
        allowed_headers: headers that pages may send beside those of the clients, in lower case, such as
            ``traceparent`` of a page that is traced.

    Raises:
        ValueError: an address or a name of a header is none.
    """

    url: str | None = None
    segment_scripts: Path | None = None
    customerio_scripts: Path | None = None
    allowed_headers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url or "")
        is_place = parts.scheme in {"http", "https"} and parts.netloc != ""
        if self.url is not None and (not is_place or parts.query or parts.fragment):
            message = (
                f"url is where the door stands, such as https://events.shop.example: {self.url!r}"
            )
            raise ValueError(message)
        if not all(_TOKEN.fullmatch(each) for each in self.allowed_headers):
            message = f"allowed_headers are names of headers: {self.allowed_headers!r}"
            raise ValueError(message)
