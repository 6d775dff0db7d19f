"""Sockets that listen."""

import socket

from whereupon.web.serving.sockets import listen


def test_a_connection_sends_the_second_part_of_an_answer_at_once() -> None:
    """Otherwise it would wait for the client to acknowledge the first part, up to 40 ms."""
    with (
        listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
