"""Answers to requests that no part of the site gets to see, and the reasons for them."""

from enum import Enum
from http import HTTPStatus

from whereupon.web.door.problems import as_json
from whereupon.web.http import Answer


class Refusal(Enum):
    """Why a request is refused: a status and a sentence.

    A body that comes too slowly is answered with 503, not 408: clients keep what was answered with 503 and send it
    again, and most of them drop a batch on any other status in the four hundreds.
    """

    MALFORMED = 400, "This is not a valid HTTP request."
    SLOW_HEADERS = 408, "The headers of the request did not come in time."
    LARGE_HEADERS = 431, "The headers of the request are too large, or too many."
    SLOW_BODY = 503, "The body of the request did not come in time."
    NO_ROOM = 503, "The server has no room for the body of the request. Send it again."
    BUSY = 503, "The server has too many connections. Try again."

    @property
    def code(self) -> str:
        """The machine word."""
        return self.name.lower().replace("_", "-")

    @property
    def as_bytes(self) -> bytes:
        """The whole answer, as it is written to a connection that is closed behind it.

        The origin of the page is not always known here, and every page may read it: it says nothing about anybody.
        """
        status, sentence = self.value
        body = problem_body(self.code, sentence)
        again = b"retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
        return (
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"access-control-allow-origin: *\r\naccess-control-expose-headers: Retry-After\r\n"
            b"%sconnection: close\r\n\r\n%s"
        ) % (status, HTTPStatus(status).phrase.encode(), len(body), again, body)


def problem_body(code: str, message: str) -> bytes:
    """A JSON object that every client finds its sentence in."""
    told: dict[str, object] = {"code": code, "message": message, "error": message}
    said = {**told, "meta": {"error": message}}
    return as_json(said)


def problem(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    """An answer that says what is wrong."""
    own = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Answer(status=status, headers=(*own, *headers), body=problem_body(code, message))
