"""A shop with a management API: an engine on a real store, with people, deliveries and requests in it, and callers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from starlette.testclient import TestClient
from tests.worlds import NOON

from whereupon import Delivery, Engine, GiveUp
from whereupon.scheduling.clocks import FrozenClock
from whereupon.web import asgi

ROLES = ("viewer", "editor", "approver", "admin")
ODD = "lin/ü %2F?#"
"""A user id that has to be percent-encoded."""
ODD_IN_PATH = "lin%2F%C3%BC%20%252F%3F%23"

FILES: Mapping[str, str] = {
    "thanks.yaml": (
        "campaign: thanks\ndescription: Thank who buys.\nwhen: purchase\nwhere: {price: {gt: 5}}\n"
        "reentry: every_time\nwhereupon:\n"
        "  - send: push\n    topic: offers\n    title: Thanks\n"
        "  - wait: 1d\n  - send: inbox\n    title: How was it?\n"
    ),
    "news.yaml": (
        "broadcast: news\ndescription: Tell all.\nwhen: api\nwho: {plan: pro}\nwhereupon:\n"
        "  - send: push\n    title: News\n"
    ),
    "daily.yaml": (
        "broadcast: daily\ndescription: Tell all.\nwhen: {cron: '0 13 * * *'}\nwhereupon:\n"
        "  - send: email\n    subject: Daily\n    text: Daily\n"
    ),
    "pros.yaml": "segment: pros\ndescription: Who pays.\nwho: {plan: pro}\n",
    "deletions.yaml": (
        "guard: deletions\ndescription: Two eyes.\nactions: [Delete Person]\n"
        "approvals: {needed: 2}\n"
    ),
}


class Api:
    """Calls the management API of an engine, in some role."""

    def __init__(self, engine: Engine, rules: Path) -> None:
        self.engine = engine
        self.rules = rules
        self.app = asgi(engine, management=True, rules=rules)
        self._secrets = {
            role: engine.keys.create(role, kind="management", scopes=[role]).secret
            for role in ROLES
        }

    def secret(self, role: str) -> str:
        """The secret of a key with that role."""
        return self._secrets[role]

    def caller(self, role: str = "admin") -> TestClient:
        """A client with that role."""
        headers = {"Authorization": f"Bearer {self._secrets[role]}"}
        return TestClient(self.app, headers=headers)


@contextmanager
def shop_with_api(
    folder: Path, store: str = "sqlite://", opener: type[Engine] = Engine
) -> Iterator[Api]:
    """A shop in which something of every kind has happened, at noon."""
    rules = folder / "rules"
    rules.mkdir()
    for name, text in FILES.items():
        (rules / name).write_text(text, "utf-8")
    clock = FrozenClock(NOON)
    with opener.open(
        store, rules=rules, clock=clock, digest_key=b"secret", unknown_channels="hold"
    ) as engine:

        @engine.channel("push")
        def _push(_: Delivery) -> None:
            reason = "the token is gone"
            raise GiveUp(reason)

        @engine.channel("inbox")
        def _inbox(delivery: Delivery) -> None:
            engine.put_in_inbox(delivery, expires=None, keep=9)

        _happen(engine, clock)
        yield Api(engine, rules)


def _happen(engine: Engine, clock: FrozenClock) -> None:
    engine.track("purchase", anonymous_id="anon-1", properties={"price": 7})
    engine.identify("ada", anonymous_id="anon-1", traits={"plan": "pro", "email": "a@example.com"})
    engine.identify(ODD, traits={"plan": "free", "nested": {"a": [1, 2.5, None]}})
    engine.track(
        "Device Created or Updated",
        user_id="ada",
        context={"device": {"token": "t/1", "type": "ios"}},
    )
    engine.group("acme", user_id="ada", traits={"seats": 3})
    for price in (3, 8, 9):
        engine.track("purchase", user_id="ada", properties={"price": price})
        engine.track("purchase", user_id=ODD, properties={"price": price})
    engine.run_due()
    clock.move_to(NOON + timedelta(days=1, hours=2))
    engine.run_due()
    engine.trigger("news", properties={"title": "June"}, key="june")
    engine.run_due()
    for person in ("ada", ODD):  # who are inside until the next day
        engine.track("purchase", user_id=person, properties={"price": 10})
    for person in ("ada", ODD):
        engine.requests.erase(person, by="somebody")
    sent = engine.deliveries(limit=1, rule="news")[0]
    engine.report(sent.idempotency_key, "opened", reason="a reader")
    engine.suppress("email", "b@example.com", by="somebody")
