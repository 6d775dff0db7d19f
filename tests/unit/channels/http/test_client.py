"""The client: it connects to a checked address, for the name, within one deadline, and follows nothing."""

import socket
from collections.abc import Iterator

import pytest
from tests.http_receiver import HttpReceiver, Reply, authority, http_receiver

from whereupon.channels.http import Guard, HttpClient, HttpFailedError, RefusedUrlError
from whereupon.channels.http.client import MOST_BYTES

NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The certificate of the authority of the tests."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A server without TLS."""
    with http_receiver() as made:
        yield made


@pytest.fixture
def secure() -> Iterator[HttpReceiver]:
    """A server with a certificate for the name."""
    with http_receiver(tls_host=NAME) as made:
        yield made


class Names:
    """A resolver that answers one thing after the other, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> list[str]:
        """The addresses of a name."""
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def _client(receiver: HttpReceiver, *, timeout: float = 30.0) -> HttpClient:
    return HttpClient(Guard.from_texts([receiver.url("")]), timeout=timeout)


def test_a_request_arrives_as_it_was_made(receiver: HttpReceiver) -> None:
    """Method, path, headers and body; no cookie, no compression asked for."""
    answer = _client(receiver).request(
        "PUT", receiver.url("/x?y=é"), headers={"X-Said": "é"}, body=b"{}"
    )
    (request,) = receiver.requests
    assert (answer.status, answer.body) == (200, b"")
    assert (request.method, request.path, request.body) == ("PUT", "/x?y=%C3%A9", b"{}")
    assert request.headers["x-said"].encode("latin-1").decode() == "é"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["accept-encoding"] == "identity"


def test_a_name_is_resolved_once_and_the_checked_address_is_called(
    secure: HttpReceiver, ca_file: str
) -> None:
    """A resolver that answers otherwise the second time (rebinding) is not asked a second time."""
    names = Names(["127.0.0.1"], ["203.0.113.9"])
    guard = Guard.from_texts([f"https://{NAME}:{secure.port}"])
    client = HttpClient(guard, ca_file=ca_file, resolve=names)
    answer = client.request("POST", secure.url("/", host=NAME), headers={}, body=b"")
    (request,) = secure.requests
    assert (answer.status, names.asked) == (200, 1)
    assert (request.server_name, request.headers["host"]) == (NAME, f"{NAME}:{secure.port}")


def test_a_name_that_is_bound_anew_to_a_private_address_is_not_called(secure: HttpReceiver) -> None:
    """Each request checks what the name leads to then, also where a connection is at hand."""
    client = HttpClient(
        Guard.from_texts([f"https://*:{secure.port}"]), resolve=Names(["127.0.0.1"])
    )
    with pytest.raises(RefusedUrlError, match=r"127\.0\.0\.1, which is not a public address"):
        client.request("POST", secure.url("/", host=NAME), headers={}, body=b"")
    assert secure.connections == 0


@pytest.mark.parametrize("bad", ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "fe80::1%lo"])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_address_that_is_not_public_is_enough_to_refuse(bad: str, *, is_first: bool) -> None:
    """All addresses are checked before any is called."""
    found = [bad, "93.184.216.34"] if is_first else ["93.184.216.34", bad]
    client = HttpClient(Guard(), resolve=Names(found))
    with pytest.raises(RefusedUrlError, match="is not a public address"):
        client.request("GET", f"https://{NAME}/", headers={})


def test_a_certificate_for_another_name_is_refused(secure: HttpReceiver, ca_file: str) -> None:
    """TLS is verified for the name of the URL, not for the address; nothing of the request is sent."""
    guard = Guard.from_texts([f"https://other.example.com:{secure.port}"])
    client = HttpClient(guard, ca_file=ca_file, resolve=Names(["127.0.0.1"]))
    with pytest.raises(HttpFailedError, match=r"certificate of other\.example\.com"):
        client.request("POST", secure.url("/", host="other.example.com"), headers={}, body=b"s")
    assert secure.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(secure: HttpReceiver) -> None:
    """By default the system's authorities are trusted, and no others."""
    guard = Guard.from_texts([f"https://{NAME}:{secure.port}"])
    client = HttpClient(guard, resolve=Names(["127.0.0.1"]))
    with pytest.raises(HttpFailedError, match="is not accepted"):
        client.request("POST", secure.url("/", host=NAME), headers={}, body=b"s")


def test_no_redirect_is_followed(receiver: HttpReceiver) -> None:
    """The answer is returned as it is, wherever it leads."""
    receiver.answer(Reply(302, headers={"Location": "http://169.254.169.254/latest"}))
    assert _client(receiver).request("GET", receiver.url("/"), headers={}).status == 302
    assert len(receiver.requests) == 1


def test_a_connection_is_used_again(receiver: HttpReceiver) -> None:
    """Requests one after the other need one connection."""
    client = _client(receiver)
    for _ in range(3):
        client.request("POST", receiver.url("/"), headers={}, body=b"{}")
    assert receiver.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced(receiver: HttpReceiver) -> None:
    """The server says Connection: close, or simply closes; no request fails by it."""
    client = _client(receiver)
    receiver.answer(Reply(headers={"Connection": "close"}), Reply(mode="hang up"))
    client.request("POST", receiver.url("/"), headers={}, body=b"{}")
    with pytest.raises(HttpFailedError, match="gave no whole answer"):
        client.request("POST", receiver.url("/"), headers={}, body=b"{}")
    client.request("POST", receiver.url("/"), headers={}, body=b"{}")
    receiver.answer(Reply(mode="hang up"))
    client.request("POST", receiver.url("/"), headers={}, body=b"{}")
    assert len(receiver.requests) == 5


@pytest.mark.parametrize("framing", ["length", "chunked", "until close", "gzip"])
def test_at_most_64_kb_of_an_answer_are_read(receiver: HttpReceiver, framing: str) -> None:
    """However it is framed; a compressed answer is not decompressed; the next request has a new connection."""
    size = 10 * MOST_BYTES
    head = b"HTTP/1.1 200 OK\r\n"
    body = b"x" * size
    raw = {
        "length": head + b"Content-Length: %d\r\n\r\n" % size + body,
        "chunked": head
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body),
        "until close": head + b"\r\n" + body,
        "gzip": head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % size + body,
    }[framing]
    receiver.answer(Reply(raw=raw))
    client = _client(receiver)
    answer = client.request("GET", receiver.url("/"), headers={})
    assert (answer.status, answer.body) == (200, b"x" * MOST_BYTES)
    assert client.request("GET", receiver.url("/"), headers={}).status == 200
    assert receiver.connections == 2


@pytest.mark.parametrize("mode", ["hang", "drip", "drip body"])
def test_one_deadline_holds_for_the_whole_request(receiver: HttpReceiver, mode: str) -> None:
    """Also for a server that sends a byte now and then, so that no single read takes too long."""
    receiver.answer(Reply(mode=mode))
    with pytest.raises(HttpFailedError, match="did not answer in time"):
        _client(receiver, timeout=0.3).request("GET", receiver.url("/"), headers={})


def test_a_server_that_never_ends_its_headers_is_left(receiver: HttpReceiver) -> None:
    """A header without end is cut off, and is no answer."""
    receiver.answer(Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000))
    with pytest.raises(HttpFailedError, match="gave no whole answer: LineTooLong"):
        _client(receiver).request("GET", receiver.url("/"), headers={})


def test_half_an_answer_is_no_answer(receiver: HttpReceiver) -> None:
    """A server that dies within its answer has perhaps not done what was asked."""
    receiver.answer(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
    with pytest.raises(HttpFailedError, match="gave no whole answer"):
        _client(receiver).request("GET", receiver.url("/"), headers={})


def test_an_error_names_neither_path_nor_query() -> None:
    """They may hold a secret, and errors stand in logs and in the store."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = HttpClient(Guard.from_texts([f"http://127.0.0.1:{port}"]))
    with pytest.raises(HttpFailedError) as failed:
        client.request("GET", f"http://127.0.0.1:{port}/s3cret?token=s3cret", headers={})
    assert "s3cret" not in str(failed.value)
    with pytest.raises(RefusedUrlError) as refused:
        client.request("GET", "http://127.0.0.1/s3cret?token=s3cret", headers={})
    assert "s3cret" not in str(refused.value)


def test_a_name_without_address_is_tried_again() -> None:
    """It fails in passing: the name's server may be away."""
    client = HttpClient(Guard(), resolve=Names([]))
    with pytest.raises(HttpFailedError, match="has no address now"):
        client.request("GET", f"https://{NAME}/", headers={})


def test_proxies_of_the_environment_are_not_used(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would connect wherever the name leads to for them."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert _client(receiver).request("GET", receiver.url("/"), headers={}).status == 200


def test_a_proxy_that_is_given_is_asked_for_the_checked_address(receiver: HttpReceiver) -> None:
    """It does not resolve the name itself."""
    with http_receiver() as proxy:
        proxy.answer(Reply(502))
        guard = Guard.from_texts([receiver.url("", host="hooks.internal")])
        client = HttpClient(
            guard, proxy=f"http://127.0.0.1:{proxy.port}", resolve=Names(["10.1.2.3"])
        )
        with pytest.raises(HttpFailedError):
            client.request("GET", receiver.url("/", host="hooks.internal"), headers={})
        (asked,) = proxy.wait_for(1)
    assert (asked.method, asked.path) == ("CONNECT", f"10.1.2.3:{receiver.port}")


@pytest.mark.parametrize("proxy", ["https://x:1", "http://", "http://u@x:1", "x:1", "http://x:1/p"])
def test_a_wrong_proxy_is_an_error(proxy: str) -> None:
    """It says what to write."""
    with pytest.raises(ValueError, match="proxy is http://host:port"):
        HttpClient(Guard(), proxy=proxy)


def test_a_time_out_of_nothing_is_an_error() -> None:
    """It is a number of seconds above zero."""
    with pytest.raises(ValueError, match="timeout is a number"):
        HttpClient(Guard(), timeout=0)
