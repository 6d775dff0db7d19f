"""Requests and answers as values, so that what stands behind an address is a function, tested without a server."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from whereupon.messages.structs import Frozen, field
from whereupon.web.forms import Fields, read_form

MOST_BYTES = 1 << 20
"""The most bytes of a body that the adapters keep."""


class Request(Frozen, frozen=True, kw_only=True):
    """One request.

    Attributes:
        method: in upper case.
        path: below where the site is mounted, percent-encoded as the client sent it, with a slash at its beginning.
        query: what stands behind the question mark, as it came.
        headers: by names in lower case; of several with one name, the values with commas between.
        body: whole, and encoded as it came.
        address: the IP address of the client, as the server tells it; empty if it does not.
        is_too_large: whether the body has more than `MOST_BYTES`; then it is empty here.
        origin: scheme, host and mount, as the client used them: ``https://shop.example/w``.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    origin: str = ""
    address: str = ""
    is_too_large: bool = False

    @property
    def url(self) -> str:
        """The whole URL, as the client used it."""
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")

    def form(self) -> Fields:
        """The fields of a form in the body, urlencoded or multipart, in order; raises `ValueError`."""
        return read_form(self.headers.get("content-type", ""), self.body)

    def query_fields(self) -> Fields:
        """The fields of the query, in order; raises `ValueError` if there are very many."""
        return parse_qsl(self.query, keep_blank_values=True, max_num_fields=1_000)


class Counted(Frozen, frozen=True, kw_only=True):
    """What a server counts of an answer, beside its status. It says nothing about people.

    Attributes:
        key_id: the id of the API key that asked; empty if none did. Requests share a server fairly by it.
        key_kind: the kind of that key: ``server``, ``client`` or ``management``.
        refused: the code of the problem with which a whole request was refused; empty if it was not.
        rejected: how many items were not accepted, by their codes.
        over_limit: how many messages were over a limit that only counts (see `ApiKey.shadow`).
    """

    key_id: str = ""
    key_kind: str = ""
    refused: str = ""
    rejected: Mapping[str, int] = field(default_factory=dict)
    over_limit: int = 0


_NOTHING = Counted()


class Answer(Frozen, frozen=True, kw_only=True):
    """What is answered.

    Attributes:
        headers: names and values, in order; the adapters add ``Content-Length``.
        counted: for the metrics of the server.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    counted: Counted = _NOTHING
