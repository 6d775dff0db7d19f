"""The sockets of a server."""

import socket

from whereupon.web.serving.sockets import listen


def test_answers_are_sent_at_once() -> None:
    """Head and body of an answer are two writes; the second does not wait until the client confirms the first."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
