"""What a host decides about the door."""

from dataclasses import dataclass
from pathlib import Path


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
    """

    url: str | None = None
    segment_scripts: Path | None = None
    customerio_scripts: Path | None = None
    allowed_headers: tuple[str, ...] = ()


DEFAULT = DoorOptions()
