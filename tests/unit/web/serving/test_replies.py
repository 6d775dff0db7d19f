"""Answers as bytes."""

import pytest

from whereupon.web.http import Answer
from whereupon.web.serving.replies import reply


def test_an_answer_has_its_length_and_a_kind_of_content() -> None:
    """Headers of every answer come first; names are in lower case."""
    answer = Answer(status=200, headers=(("Cache-Control", "no-store"),), body=b"{}")
    assert reply(answer, "GET", keep_alive=True, more=[(b"date", b"now")]) == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncache-control: no-store\r\n"
        b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}"
    )


def test_the_answer_to_head_has_the_length_without_the_body() -> None:
    """And the last one of a connection says so."""
    answer = Answer(status=404, headers=(("Content-Type", "application/json"),), body=b"{}")
    assert reply(answer, "HEAD", keep_alive=False) == (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=1", "a\nb", "a\0b", "a\u20ac"])
def test_a_header_that_http_cannot_hold_is_500(value: str) -> None:
    """The client gets an answer, and nobody gets to write headers of his own."""
    written = reply(Answer(status=200, headers=(("X-Said", value),)), "GET", keep_alive=True)
    assert written.startswith(b"HTTP/1.1 500 ")
    assert b"x-said" not in written
    assert b"set-cookie" not in written
