"""`whereupon send-test`: one delivery of a rule to oneself, of which the store knows nothing."""

import json
from pathlib import Path

import pytest
from tests.scenarios.commands import Finished, whereupon
from tests.smtp import mail_server
from tests.stores import tables_in

from whereupon import Engine

RULE = """\
campaign: thanks
description: Thank for socks.
when: purchase
where: {price: {gt: 20}}
reentry: once
whereupon:
  - {send: email, subject: "Your {{ properties.product }}", text: "Hello {{ person.first_name }}"}
  - {send: push, title: "One"}
  - {send: push, title: "Two"}
"""
CHANNELS = """\
import json, os
from whereupon import GiveUp, RetryLater

class Mail:
    address = "email"
    def attach(self, host):
        self.links = host.links
    def send(self, delivery):
        said = {**delivery.content, "to": delivery.recipient["email"], "key": delivery.idempotency_key,
                "link": self.links and self.links.unsubscribe(delivery)}
        with open(os.path.join(os.path.dirname(__file__), "sent"), "a") as sent:
            sent.write(json.dumps(said) + "\\n")

async def push(delivery):
    raise RetryLater(reason="the service is busy")

class Many:
    def send_many(self, deliveries):
        return [GiveUp("no such device")]
"""


class Shop:
    """A store with Ada in it, who has bought socks, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/shop.db"
        (folder / "rules").mkdir()
        (folder / "rules" / "thanks.yaml").write_text(RULE)
        self.module = f"mail_{folder.name}"  # of its own, since this process imports each
        (folder / f"{self.module}.py").write_text(CHANNELS)
        (folder / "whereupon.toml").write_text(
            f"store = '{self.url}'\npublic_url = 'https://shop.example/w'\ndigest_key = 'k'\n"
            f"[channels.email]\nuse = '{self.module}:Mail'\n"
            f"[channels.push]\nuse = '{self.module}:push'\n"
        )
        with Engine.open(self.url, rules=folder / "rules") as engine:
            engine.identify("ada", traits={"first_name": "Ada", "email": "ada@example.com"})
            engine.track("purchase", user_id="ada", properties={"product": "socks", "price": 5})

    def sends(self, *options: str, typed: str | None = None) -> Finished:
        """Run the command."""
        config = self.folder / "whereupon.toml"
        return whereupon("send-test", "thanks", *options, "--config", config, typed=typed)

    @property
    def sent(self) -> list[dict[str, str]]:
        """What the channel got."""
        path = self.folder / "sent"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop on SQLite."""
    return Shop(tmp_path)


def test_a_test_goes_to_oneself_and_the_store_knows_nothing_of_it(shop: Shop) -> None:
    """Rendered with the person's last matching message, marked, under a key of its own."""
    before = tables_in(shop.url)
    done = shop.sends("ada", "--channel", "email", "--to", "me@example.com")
    assert (done.status, done.stdout) == (0, "Sent step 0 of thanks through email.\n")
    (mail,) = shop.sent
    assert mail["to"] == "me@example.com"
    assert mail["subject"] == "[test] Your socks"
    assert mail["text"] == "Hello Ada"
    assert tables_in(shop.url) == before


def test_a_link_in_a_test_unsubscribes_nobody(shop: Shop) -> None:
    """Else the tester, who tries the link, would unsubscribe the person."""
    shop.sends("ada", "--channel", "email", "--to", "me@example.com")
    assert shop.sent[0]["link"] == "https://shop.example/w/u/test"


def test_the_persons_own_address_is_asked_about(shop: Shop) -> None:
    """Without --to; a no sends nothing."""
    assert shop.sends("ada", "--channel", "email", typed="n\n").status == 1
    assert shop.sent == []
    assert shop.sends("ada", "--channel", "email", typed="y\n").status == 0
    assert shop.sent[0]["to"] == "ada@example.com"


def test_event_data_can_be_given(shop: Shop) -> None:
    """For a message that nobody has sent yet; what is no object is refused."""
    event = '{"properties": {"product": "shoes"}}'
    done = shop.sends("ada", "--channel", "email", "--event", event, "--dry-run")
    assert done.stdout == (
        "Step 0 of thanks, with the data that were given:\n"
        "subject: [test] Your shoes\ntext: Hello Ada\n"
    )
    assert shop.sends("ada", "--channel", "email", "--event", "[1]", "--dry-run").status == 2


def test_missing_variables_are_named_with_what_is_there(shop: Shop) -> None:
    """All of them, and the names of what could be used, without values."""
    done = shop.sends("ada", "--channel", "email", "--event", '{"properties": {"sku": "S-1"}}')
    assert done.status == 1
    assert "the templates lack properties.product, so nothing would be sent." in done.stderr
    assert "properties has sku; person has email, first_name, user_id" in done.stderr
    assert "S-1" not in done.stderr


def test_of_several_steps_one_has_to_be_named(shop: Shop) -> None:
    """By its address, as explain says it."""
    done = shop.sends("ada", "--channel", "push", "--dry-run")
    assert (done.status, "--step is one of 1, 2" in done.stderr) == (1, True)
    done = shop.sends("ada", "--channel", "push", "--step", "2", "--dry-run")
    assert "title: [test] Two" in done.stdout


def test_what_the_channel_raises_is_told(shop: Shop) -> None:
    """Also that of an ``async`` function, and of a batch."""
    done = shop.sends("ada", "--channel", "push", "--step", "1", "--yes")
    assert done.status == 1
    assert "refused it for now: RetryLater: the service is busy" in done.stderr
    config = shop.folder / "whereupon.toml"
    config.write_text(config.read_text().replace(f"{shop.module}:push", f"{shop.module}:Many"))
    done = shop.sends("ada", "--channel", "push", "--step", "1", "--yes")
    assert "refused it for good: GiveUp: no such device" in done.stderr


def test_unknown_names_are_refused_with_what_resembles_them(shop: Shop) -> None:
    """A rule, a person, a channel of the rule, and a channel of the configuration."""
    config = shop.folder / "whereupon.toml"
    done = whereupon("send-test", "thank", "ada", "--channel", "email", "--config", config)
    assert "did you mean 'thanks'" in done.stderr
    assert "similar ids: ada" in shop.sends("adda", "--channel", "email").stderr
    assert "its channels: email, push" in shop.sends("ada", "--channel", "sms").stderr
    config.write_text(f"store = '{shop.url}'\n")
    assert "no channel 'email' is configured" in shop.sends("ada", "--channel", "email").stderr


def test_a_test_is_never_put_into_a_persons_inbox(shop: Shop) -> None:
    """The person would see it."""
    config = shop.folder / "whereupon.toml"
    config.write_text(f"store = '{shop.url}'\n[channels.push]\nuse = 'inbox'\n")
    done = shop.sends("ada", "--channel", "push", "--step", "1", "--yes")
    assert (done.status, "use --dry-run" in done.stderr) == (1, True)


def test_a_test_mail_arrives_at_a_mail_server(shop: Shop) -> None:
    """By the ready channel of the file, with its doctor's word that it could deliver."""
    with mail_server() as server:
        config = shop.folder / "whereupon.toml"
        config.write_text(
            f"store = '{shop.url}'\npublic_url = 'https://shop.example/w'\ndigest_key = 'k'\n"
            f"[channels.email]\nhost = '127.0.0.1'\nport = {server.port}\nsecurity = 'none'\n"
            "sender = 'Shop <hello@shop.example>'\ntimeout = '10s'\nconcurrency = 2\n"
        )
        done = shop.sends("ada", "--channel", "email", "--to", "me@example.com")
        assert done.status == 0, done.stderr
        (mail,) = server.wait_for(1)
        assert mail.parsed["To"].addresses[0].addr_spec == "me@example.com"
        assert mail.parsed["Subject"] == "[test] Your socks"
        assert "https://shop.example/w/u/test" in mail.parsed["List-Unsubscribe"]
        examined = whereupon("doctor", "--config", config, "--rules", shop.folder / "rules")
        assert "channels: email: " in examined.stdout
        assert "ERROR   channels" not in examined.stdout


RENEWAL = """\
campaign: renewal
description: Remind of a renewal.
when: {date: person.renews_at, before: 7d}
reentry: every_time
whereupon: [{send: email, subject: "It is {{ properties.date }}", text: "{{ properties.attribute }}"}]
"""
BACK = """\
campaign: renewal
description: Ask people back.
when: {quiet: purchase, for: 60d}
reentry: every_time
whereupon: [{send: email, subject: "Since {{ properties.last_event }}", text: "{{ properties.quiet_since }}"}]
"""


@pytest.mark.parametrize(
    ("rule", "subject"), [(RENEWAL, "It is 2031-04-01"), (BACK, "Since purchase")]
)
def test_a_rule_that_time_opens_is_rendered_as_of_the_persons_next_moment(
    shop: Shop, rule: str, subject: str
) -> None:
    """No message of theirs triggers it."""
    (shop.folder / "rules" / "renewal.yaml").write_text(rule)
    with Engine.open(shop.url, rules=shop.folder / "rules") as engine:
        engine.identify("ada", traits={"renews_at": "2031-04-01"})
    config = shop.folder / "whereupon.toml"
    asked = ("--channel", "email", "--dry-run", "--config", config)
    shown = whereupon("send-test", "renewal", "ada", *asked)
    assert f"subject: [test] {subject}" in shown.stdout
