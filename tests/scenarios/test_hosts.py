"""The examples for hosts, run as they are: their own test clients, a real database, a real rollback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import run
from threading import Semaphore

import pytest
from fastapi.testclient import TestClient
from fixtures.examples import fastapi_shop
from sqlalchemy import URL, create_engine, make_url, text
from tests.paths import ROOT
from tests.servers import Server

from whereupon import Engine
from whereupon.records import DeliveryState

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long


@contextmanager
def _shop(url: str) -> Iterator[tuple[TestClient, Semaphore, Engine]]:
    """The shop, the calls of its mailer, and its engine."""
    app, mailed = fastapi_shop.make_app(url), Semaphore(0)
    with TestClient(app) as client:
        engine: Engine = app.state.whereupon
        engine.channel("email")(lambda _: mailed.release())
        yield client, mailed, engine


def _rows(url: str) -> tuple[int, int]:
    """The numbers of orders and of recorded messages."""
    database = create_engine(url)
    with database.connect() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
            for table in ("shop_order", "whereupon_message")
        ]
    database.dispose()
    return counts[0] or 0, counts[1] or 0


@pytest.fixture
def shop_database(server: Server) -> Iterator[str]:
    """The name of the shop's own database on PostgreSQL."""
    server.run("CREATE DATABASE shop")
    yield "shop"
    server.run("DROP DATABASE shop WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A shop's database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    name = request.getfixturevalue("shop_database")
    server: Server = request.getfixturevalue("server")
    query = {"host": server.socket}
    address = URL.create("postgresql+psycopg", "postgres", database=name, query=query)
    return address.render_as_string(hide_password=False)


def _order(number: int, socks: int) -> dict[str, object]:
    return {"id": f"O-{number}", "buyer": "ada", "socks": socks}


def test_an_order_with_fastapi_is_recorded_and_delivered_after_its_commit(url: str) -> None:
    """The order, the event, and the email at once."""
    with _shop(url) as (client, mailed, engine):
        assert client.post("/orders", json=_order(1, socks=2)).status_code == 201
        assert mailed.acquire(timeout=_PATIENCE)
        assert _rows(url) == (1, 1)
        (email,) = engine.deliveries()
        assert email.content == {"subject": "We have your order O-1"}


def test_an_order_with_fastapi_that_is_rolled_back_takes_the_event_with_it(url: str) -> None:
    """Neither exists, nothing is delivered, and the same order may be sent again."""
    with _shop(url) as (client, mailed, engine):
        assert client.post("/orders", json=_order(1, socks=100)).status_code == 409
        assert _rows(url) == (0, 0)
        assert engine.run_due().dispatched.sent == 0
        assert client.post("/orders", json=_order(1, socks=1)).status_code == 201
        assert mailed.acquire(timeout=_PATIENCE)
        assert _rows(url) == (1, 1)


_DJANGO = """
import django
from django.db import connection
from django.test import Client
django.setup()
from fixtures.examples.django_shop.campaigns import whereupon
from fixtures.examples.django_shop.models import Order
from whereupon.records import DeliveryState
with connection.schema_editor() as editor:
    editor.create_model(Order)
engine, client = whereupon(), Client()
seen = []
for socks in (100, 1):
    answer = client.post("/orders", {"id": "O-1", "buyer": "ada", "socks": socks})
    with engine.store.session() as session:
        messages = session.counts().messages
    seen.append((answer.status_code, Order.objects.count(), messages))
connection.close()
while engine.deliveries(DeliveryState.PENDING):  # the background may have it in hand
    engine.run_due()
engine.close()  # from here on nothing else prints
print(seen)
"""


@pytest.mark.slow
def test_an_order_with_django_and_its_event_are_one_transaction(url: str) -> None:
    """Rolled back, neither exists; committed, both do, and the email is sent."""
    address = make_url(url)
    kind = "sqlite3" if address.get_backend_name() == "sqlite" else "postgresql"
    output = _django(
        SHOP_ENGINE=f"django.db.backends.{kind}",
        SHOP_DATABASE=str(address.database),
        SHOP_HOST=str(address.query.get("host", "")),
        SHOP_USER=address.username or "",
        SHOP_URL=url,
    )
    assert output == ["ada We have your order O-1", "[(409, 0, 0), (201, 1, 1)]"]
    assert _rows(url) == (1, 1)
    with Engine.open(url) as engine:
        assert [each.state for each in engine.deliveries()] == [DeliveryState.SENT]


def _django(**environment: str) -> list[str]:
    """Run the Django shop in its own process, since Django has one setting for each process."""
    settings = {"DJANGO_SETTINGS_MODULE": "fixtures.examples.django_shop.settings", **environment}
    done = run(
        [sys.executable, "-W", "error", "-c", _DJANGO],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
