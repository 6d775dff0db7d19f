"""What a server takes on its sockets: deadlines, limits, and bytes that are no HTTP."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web_server import LONG, PATIENT, SHORT, Raw, ask, await_closed, await_that, sent, served

from whereupon import Engine
from whereupon.web import Answer
from whereupon.web.serving import Server

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
READY = LAST.replace(b"healthz", b"readyz")
BRIEF = replace(PATIENT, header_timeout=SHORT, body_timeout=SHORT, idle_timeout=SHORT)
POST = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine in memory."""
    with Engine.open("memory://") as engine:
        yield engine


@pytest.fixture
def server(engine: Engine) -> Iterator[Server]:
    """A server without a deadline that a test could meet."""
    with served(engine) as server:
        yield server


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bytes_sent", "statuses", "why"),
    [
        (b"", [], "idle"),
        (b"GET /heal", [408], "slow-headers"),
        (b"GET /healthz HTTP/1.1\r\nHost: sh", [408], "slow-headers"),
        (HEALTH + b"GET /heal", [200, 408], "slow-headers"),
    ],
)
def test_headers_that_do_not_come_in_time_end_the_connection(
    engine: Engine, bytes_sent: bytes, statuses: list[int], why: str
) -> None:
    """From the connection, or from the first byte of a further request; what came whole is answered."""
    with served(engine, replace(PATIENT, header_timeout=SHORT)) as server:
        assert [each.status for each in sent(server.port, bytes_sent)] == statuses
        assert server.traffic.closed == {why: 1}


def test_a_byte_now_and_then_does_not_put_the_deadline_off(engine: Engine) -> None:
    """A client that sends its headers one byte at a time is cut off like one that stops."""
    with (
        served(engine, replace(PATIENT, header_timeout=SHORT)) as server,
        closing(Raw(server.port)) as raw,
    ):
        raw.socket.settimeout(0.005)
        raw.send(b"GET /")
        received = b""
        for _ in range(10_000):
            try:
                raw.send(b"a")
                received += raw.socket.recv(1_000)
            except TimeoutError:
                continue
            except OSError:
                break
            if received:
                break
        assert received.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed_behind_its_answer(engine: Engine) -> None:
    """Without another word, since the client asked for nothing."""
    with served(engine, replace(PATIENT, idle_timeout=SHORT)) as server:
        assert [each.status for each in sent(server.port, HEALTH)] == [200]
        assert server.traffic.closed == {"idle": 1}


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
def test_a_body_that_does_not_come_in_time_is_503(engine: Engine, head: bytes) -> None:
    """Clients keep what got 503 and send it again; on 408 they drop it."""
    with served(engine, replace(PATIENT, body_timeout=SHORT)) as server:
        (refused,) = sent(server.port, POST, head, b"abc")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert json.loads(refused.body)["code"] == "slow-body"
        assert refused.headers["connection"] == "close"
        await_that(lambda: server.traffic.budget.held == 0, "room")


def test_a_client_that_reads_no_answer_is_cut_off(engine: Engine) -> None:
    """A large answer does not stay in the memory for ever."""
    large = Answer(status=200, body=b"x" * 50_000_000)
    options = replace(PATIENT, write_timeout=SHORT)
    with (
        served(engine, options, callbacks={"large": lambda _, __: large}) as server,
        closing(Raw(server.port)) as raw,
    ):
        raw.send(b"POST /callbacks/large HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n")
        await_closed(server, "unread-answer")
        (cut,) = raw.rest()
        assert len(cut.body) < 50_000_000


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: shop\r\nA: " + b"a" * 40_000,
        b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    ],
    ids=["long line", "long header that never ends", "many headers"],
)
def test_large_headers_are_431(server: Server, head: bytes) -> None:
    """And the connection is closed."""
    (refused,) = sent(server.port, head)
    assert (refused.status, json.loads(refused.body)["code"]) == (431, "large-headers")


@pytest.mark.parametrize("noise", [b"1;" + b"a" * 600_000, b"0\r\nA: " + b"a" * 600_000])
def test_endless_noise_around_a_body_is_refused(server: Server, noise: bytes) -> None:
    """Extensions of chunks and trailers are read by nobody, and would fill the memory."""
    (refused,) = sent(server.port, POST, b"Transfer-Encoding: chunked\r\n\r\n", noise)
    assert refused.status == 400


def test_a_new_connection_displaces_the_one_that_waited_longest(engine: Engine) -> None:
    """So ten thousand idle connections keep nobody out."""
    with served(engine, replace(PATIENT, max_connections=3)) as server, ExitStack() as stack:
        first, second, third, fourth = (
            stack.enter_context(closing(Raw(server.port))) for _ in range(4)
        )
        fourth.send(LAST)
        assert [each.status for each in fourth.rest()] == [200]
        assert first.rest() == []
        for each in (second, third):
            each.send(LAST)
            assert [said.status for said in each.rest()] == [200]
        assert server.traffic.closed == {"displaced": 1}


def test_when_all_connections_are_busy_a_new_one_gets_503(engine: Engine) -> None:
    """What has begun is not cut off for it."""
    with (
        served(engine, replace(PATIENT, max_connections=1)) as server,
        closing(Raw(server.port)) as busy,
    ):
        busy.send(POST, b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert busy.socket.recv(25).startswith(b"HTTP/1.1 100 Continue")
        (refused,) = sent(server.port, b"")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        busy.send(b"{}")
        assert [each.status for each in busy.rest()] == [401]


def test_connections_of_one_address_are_counted(engine: Engine) -> None:
    """Where the server faces clients itself, one of them does not take all places."""
    with served(engine, replace(PATIENT, max_connections_per_address=1)) as server:
        with closing(Raw(server.port)) as only:
            only.send(HEALTH)
            assert only.answer().status == 200
            assert [each.status for each in sent(server.port, b"")] == [503]
            only.send(LAST)
            assert [each.status for each in only.rest()] == [200]
        assert [each.status for each in sent(server.port, LAST)] == [200]


# --- what is no request, or a strange one ---------------------------------------------------------


@pytest.mark.parametrize(
    "request_sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: shop\n\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: shop\r\nHost: other\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: shop/evil\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: shop\r\nA : b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: shop\r\nA: b\r\n c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: shop\r\nA: b\x00c\r\n\r\n",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: -2\r\n\r\n{}",
        POST + b"Content-Length: 2x\r\n\r\n{}",
        POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ],
)
def test_what_is_no_valid_request_is_400_and_the_end(server: Server, request_sent: bytes) -> None:
    """What could be read in two ways is not read at all, so that nothing hides behind a proxy."""
    (refused,) = sent(server.port, request_sent + HEALTH)
    assert refused.status == 400
    assert refused.headers["connection"] == "close"
    assert json.loads(refused.body)["meta"]["error"] == "This is not a valid HTTP request."


def test_a_length_that_is_too_small_leaves_a_second_request_that_is_400(server: Server) -> None:
    """What stands behind the body is read as a request, and is none."""
    head = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n"
    assert [each.status for each in sent(server.port, head + b'{"a": 1}')] == [401, 400]


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    """Also the fault of the last of them comes behind the answers that are owed."""
    head = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n{}"
    answers = sent(server.port, head + HEALTH + head + HEALTH + b"nonsense\r\n\r\n")
    assert [each.status for each in answers] == [401, 200, 401, 200, 400]


def test_very_many_pipelined_requests_are_answered_in_part(server: Server) -> None:
    """The last answer says that the connection ends; a client sends the others again (RFC 9112, 9.3.2)."""
    answers = sent(server.port, HEALTH * 1_000)
    assert 1 < len(answers) < 1_000
    assert [each.headers.get("connection") for each in answers] == [None] * (len(answers) - 1) + [
        "close"
    ]


def test_a_client_is_asked_for_its_body_when_it_wants_that(server: Server) -> None:
    """As curl does for large bodies (RFC 9110, section 10.1.1)."""
    with closing(Raw(server.port)) as raw:
        raw.send(POST, b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(b"{}")
        assert [each.status for each in raw.rest()] == [401]


def test_an_old_client_is_answered_and_left(server: Server) -> None:
    """HTTP/1.0 knows neither Host nor connections that stay."""
    (answer,) = sent(server.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_wish_for_another_protocol_is_left_out(server: Server, body: bytes) -> None:
    """Java's client wants HTTP/2 with its first request; it gets its answer in HTTP/1.1, and goes on."""
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    head = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\n%sContent-Length: %d\r\n\r\n"
    answers = sent(server.port, head % (wish, len(body)) + body + READY)
    assert [each.status for each in answers] == [401, 200]


def test_a_body_that_is_too_large_is_400_and_the_connection_goes_on(server: Server) -> None:
    """The client sends to the end and reads why; a reset would have it send again."""
    head = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nContent-Length: 3000000\r\n\r\n"
    answers = sent(server.port, head, b"x" * 3_000_000, LAST)
    assert [each.status for each in answers] == [400, 200]


def test_a_client_that_hangs_up_in_a_body_leaves_nothing(server: Server) -> None:
    """Its bytes are given back."""
    with closing(Raw(server.port)) as raw:
        raw.send(POST, b"Content-Length: 1000\r\n\r\n", b"x" * 500)
        raw.socket.shutdown(socket.SHUT_RDWR)
    assert ask(server.port, "GET", "/healthz").status == 200
    await_that(lambda: server.traffic.budget.held == 0, "room")


def test_the_end_lets_requests_under_way_end(engine: Engine) -> None:
    """A body that is on its way is read, answered, and the connection closed; idle connections are closed at once."""
    with served(engine, replace(PATIENT, grace=LONG)) as server, ExitStack() as stack:
        idle, busy = (stack.enter_context(closing(Raw(server.port))) for _ in range(2))
        busy.send(POST.replace(b"Connection: close\r\n", b""))
        busy.send(b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert busy.socket.recv(25).startswith(b"HTTP/1.1 100 Continue")
        server.drain()
        assert json.loads(ask(server.port, "GET", "/readyz").body) == {
            "ready": False,
            "store": "ok",
            "draining": True,
        }
        stack.callback(server.close)
        busy.send(b"{}")
        (answer,) = busy.rest()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        server.close()
        assert idle.rest() == []


def test_what_was_pipelined_behind_a_client_that_hangs_up_leaves_nothing(server: Server) -> None:
    """Bodies that nobody began to read are given back, too."""
    head = b"POST /v1/track HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n"
    with closing(Raw(server.port)) as raw:
        raw.send(head % 100 + b"x" * 100 + head % 100 + b"x" * 100 + head % 1_000 + b"x" * 500)
        await_that(lambda: server.traffic.received > 800, "the requests")
    await_that(lambda: server.traffic.connections == 0, "the end")
    await_that(lambda: server.traffic.budget.held == 0, "room")


def test_a_client_that_hangs_up_before_it_is_refused_leaves_nothing(engine: Engine) -> None:
    """It is gone when it would be told that its request is malformed: the answer is met by a reset."""
    with served(engine, BRIEF) as server:
        bad = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n"
        for _ in range(50):
            with closing(Raw(server.port)) as raw:
                raw.send(bad)
        await_that(lambda: server.traffic.connections_taken == 50, "all of them")
        await_that(lambda: server.traffic.connections == 0, "the end")
        await_that(lambda: server.traffic.budget.held == 0, "room")


REQUESTS = (
    HEALTH,
    LAST,
    POST + b"Content-Length: 2\r\n\r\n{}",
    POST.replace(b"Connection: close\r\n", b"Content-Length: 3\r\n\r\nabc"),
    POST.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    POST.replace(b"close", b"Upgrade\r\nUpgrade: h2c") + b"Content-Length: 2\r\n\r\n{}",
    POST.replace(b"Connection: close", b"Expect: 100-continue") + b"Content-Length: 2\r\n\r\n{}",
)


@pytest.fixture(scope="module")
def brief() -> Iterator[Server]:
    """A server whose deadlines are near."""
    with Engine.open("memory://") as engine, served(engine, BRIEF) as server:
        yield server


@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5),
    changes=st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 12), st.binary(max_size=4)), max_size=4
    ),
    cut=st.integers(0, 600),
    is_gone=st.booleans(),
)
def test_whatever_is_sent_is_answered_in_http_or_not_at_all(
    brief: Server,
    requests: list[bytes],
    changes: list[tuple[int, int, bytes]],
    cut: int,
    is_gone: bool,
) -> None:
    """Bytes changed, left out and added anywhere, in two parts, by a client that may be gone: nothing is left of it."""
    sending = b"".join(requests)
    for place, length, more in changes:
        sending = sending[:place] + more + sending[place + length :]
    with closing(Raw(brief.port)) as raw, suppress(OSError):
        raw.send(sending[:cut], sending[cut:])
        if not is_gone:
            received = b""
            while piece := raw.socket.recv(65_536):
                received += piece
            assert received == b"" or received.startswith(b"HTTP/1.1 ")
    await_that(lambda: brief.traffic.connections == 0, "the end")
    await_that(lambda: brief.traffic.budget.held == 0, "room")
    assert ask(brief.port, "GET", "/healthz").status == 200
