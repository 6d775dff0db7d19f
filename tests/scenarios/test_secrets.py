"""A key's secret is shown once, to who made it. It is nowhere else: no log, store, metric, error, text or process list."""

import json
import logging
import signal
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from starlette.testclient import TestClient
from tests.scenarios.commands import whereupon, whereupon_process
from tests.scenarios.test_serve import LONGEST, serving

from whereupon import Engine
from whereupon.contrib.prometheus import collector
from whereupon.errors import WhereuponError
from whereupon.web import asgi
from whereupon.web.door.callers import credentials_of
from whereupon.web.http import Request

THEIRS = "Zq4xT9vLm2Rk7WbY0cHd"
"""A secret as other providers make them."""
MESSAGE = '{"userId": "ada", "event": "seen", "type": "track"}'


def basic(pair: str) -> str:
    """The header of Basic authentication."""
    return f"Basic {b64encode(pair.encode()).decode()}"


def requests_with(secret: str, key_id: str) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Requests that show a secret in every place where clients have it: good ones, and ones that are refused."""
    shown: list[tuple[str, dict[str, str], str]] = [
        ("", {"Authorization": f"Bearer {secret}"}, MESSAGE),
        ("", {"Authorization": basic(f"{secret}:")}, MESSAGE),
        ("", {"Authorization": basic(f"{key_id}:{secret}")}, MESSAGE),
        ("", {"Authorization": secret}, MESSAGE),
        ("", {"X-Write-Key": secret}, MESSAGE),
        (f"?writeKey={secret}", {}, MESSAGE),
        ("", {}, MESSAGE.replace("{", f'{{"writeKey": "{secret}", ', 1)),
        ("", {}, f'{{"batch": [{MESSAGE}, {{"type": 1}}, "{secret}"], "writeKey": "{secret}"}}'),
    ]
    paths = ("/v1/track", "/v1/batch", "/sourceConfig", "/api/v1/customers/ada", "/api/keys")
    for path in (*paths, "/v1/send/email", "/no/such/path", f"/v1/projects/{secret}/settings"):
        for query, headers, body in shown:
            yield "POST", f"{path}{query}", headers, body
            yield "GET", f"{path}{query}", headers, ""
    yield "PUT", "/api/v1/customers/ada", {"Authorization": basic(f"{key_id}:{secret}")}, "{}"


def traces_in(text: str | bytes, secrets: list[str]) -> list[str]:
    """The secrets of which more than the hint is in a text, plain or as Basic authentication has them."""
    found = text.decode("latin-1") if isinstance(text, bytes) else text
    hidden = [(secret, b64encode(f"{secret}:".encode()).decode()[:20]) for secret in secrets]
    return [secret for secret, encoded in hidden if secret[5:] in found or encoded in found]


def test_neither_logs_nor_texts_nor_metrics_have_a_secret(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Of no logger at any level, of no value of ours, and of nothing that is answered but where it is asked for."""
    caplog.set_level(logging.DEBUG)
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", digest_key=b"secret") as engine:
        keys = engine.keys
        made = [
            keys.create("backend", kind="server", limit="3 per 1h"),
            keys.create("page", kind="client", origins=["https://shop.example"]),
            keys.create("ann", kind="management", scopes=["admin"]),
            keys.create("apps", kind="server", adopt=THEIRS, key_id="site-1"),
            keys.create("gone", kind="server"),
            keys.create("over", kind="server", expires=timedelta(microseconds=1)),
        ]
        keys.revoke(made[4].key.id)
        made.append(keys.rotate(made[0].key.id))
        secrets = [each.secret for each in made]
        application = TestClient(asgi(engine, management=True), raise_server_exceptions=False)
        for each in made:
            for method, path, headers, body in requests_with(each.secret, each.key.id):
                answered = application.request(method, path, headers=headers, content=body)
                if "settings" not in path and "sourceConfig" not in path:
                    assert traces_in(answered.text, secrets) == []
                assert traces_in(str(answered.headers), secrets) == []
        texts = [repr(each) for each in (*made, keys, keys.list(), vars(keys))]
        texts += [repr(keys.check(each.secret)) for each in made]
        texts += [repr(row) for row in engine.audit.rows()]
        texts += [repr(each) for each in collector(engine).collect()]
        texts.append(
            repr(credentials_of(Request(method="GET", path="/", query=f"writeKey={THEIRS}")))
        )
        calls = (keys.get, keys.revoke, keys.rotate, keys.change)
        texts += [_error(partial(call, secret)) for secret in secrets for call in calls]
        for name in ("adopt", "key_id"):
            create = partial(keys.create, "x", kind="server")
            texts += [_error(partial(create, **{name: secret})) for secret in secrets]
        records = [each for each in caplog.records if not each.name.startswith("http")]
        logged = [
            str(vars(each)) for each in records
        ]  # those of the test's own client are left out
    assert len(records) > 100
    assert [
        (text, found) for text in (*texts, *logged) if (found := traces_in(text, secrets))
    ] == []
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"backend" in stored
    assert traces_in(stored, secrets) == []


def _error(call: Callable[[], object]) -> str:
    with pytest.raises(WhereuponError) as caught:
        call()
    return f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_a_server_and_commands_show_no_secret_but_on_standard_output(tmp_path: Path) -> None:
    """Neither the server's log at its finest nor its arguments, nor what the commands say of keys."""
    store = f"sqlite:///{tmp_path}/shop.db"
    shown = whereupon_process("keys", "create", "shop", "--store", store)
    adopted = whereupon_process(
        "keys", "create", "app", "--kind", "client", "--adopt", "--store", store, stdin=THEIRS
    )
    secret = shown.stdout.strip()
    key_id = shown.stderr.split()[2]
    said = [shown.stderr, adopted.stderr, adopted.stdout]
    with serving(tmp_path, "--store", store, "--log-level", "debug") as server:
        for each in (secret, THEIRS):
            for method, path, headers, body in [*requests_with(each, key_id)][::3]:
                with closing(
                    HTTPConnection("127.0.0.1", server.port, timeout=LONGEST)
                ) as connection:
                    connection.request(method, path, body, headers)
                    connection.getresponse().read()
        running = psutil.Process(server.process.pid)
        said += [" ".join(each.cmdline()) for each in (running, *running.children(recursive=True))]
        server.process.send_signal(signal.SIGTERM)
        server.await_event("stopped")
        said.append(json.dumps(server.log))
        assert server.ended() == 0
    for arguments in (
        ("list", "--all"),
        ("list", "--json"),
        ("revoke", key_id),
        ("rotate", key_id),
    ):
        done = whereupon("keys", *arguments, "--store", store)
        said += [done.stdout, done.stderr]
    said.append(whereupon("audit", "list", "--store", store).stdout)
    assert [text for text in said if traces_in(text, [secret, THEIRS])] == []
    stored = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert traces_in(stored, [secret, THEIRS]) == []
