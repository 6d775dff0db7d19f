"""`whereupon doctor` on instances that are broken, each in its own way."""

import json
import socket
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.scenarios.commands import Finished, whereupon, whereupon_process
from tests.servers import Server

from whereupon import Engine, GiveUp
from whereupon.config import read_config
from whereupon.doctor import examine
from whereupon.ports import FindingLevel
from whereupon.scheduling import FrozenClock, SystemClock

SECRET = "k3y-that-nobody-may-see"  # noqa: S105 - made up
KEY = '{file = "key"}'
RULE = """\
campaign: hello
description: Say hello.
when: hello
reentry: every_time
whereupon:
  - {send: push, title: Hello}
  - {webhook: "http://hooks.example.com/x"}
"""


class Instance:
    """A folder with a configuration, rules and a store, as healthy as can be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/shop.db"
        (folder / "rules").mkdir()
        (folder / "key").write_text(SECRET)
        (folder / "rules" / "hello.yaml").write_text(RULE)
        self.write("[channels.push]\nuse = 'console'\n[channels.webhook]\nuse = 'console'\n")
        with Engine.open(self.url, rules=folder / "rules", digest_key=SECRET.encode()):
            pass

    def write(self, channels: str, *, url: str | None = None, key: str | None = None) -> None:
        """Write the configuration."""
        (self.folder / "whereupon.toml").write_text(
            f"store = {json.dumps(url or self.url)}\ndigest_key = {key or KEY}\n"
            f"public_url = 'https://shop.example/w'\n{channels}"
        )

    def examined(self, *options: str) -> Finished:
        """Run the command."""
        done = whereupon("doctor", "--config", self.folder / "whereupon.toml", *options)
        assert SECRET not in done.stdout + done.stderr
        return done


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance on SQLite."""
    return Instance(tmp_path)


def test_a_healthy_instance_has_no_error(instance: Instance) -> None:
    """The status is 0, and each area says what was looked at."""
    done = instance.examined("--json")
    assert done.status == 0
    areas = {str(record["area"]) for record in done.of_kind("finding")}
    assert areas == {"configuration", "keys", "machine", "store", "rules", "channels"}
    assert done.of_kind("summary")[0]["errors"] == 0


def test_a_store_that_is_not_there_is_an_error(instance: Instance) -> None:
    """Neither a file nor tables are made by looking."""
    instance.write("", url=f"sqlite:///{instance.folder}/nowhere.db")
    done = instance.examined()
    assert (done.status, (instance.folder / "nowhere.db").exists()) == (1, False)
    assert "ERROR   store: The store cannot be used: no-store" in done.stdout
    assert "→ Run whereupon migrate" in done.stdout


def test_a_database_without_tables_has_a_migration_pending(instance: Instance) -> None:
    """It is no error, since the first engine makes them."""
    (instance.folder / "empty.db").touch()
    instance.write("", url=f"sqlite:///{instance.folder}/empty.db")
    assert "warning store: There are no tables yet." in instance.examined().stdout


def test_a_database_that_is_away_is_an_error_without_its_password(instance: Instance) -> None:
    """The address is shown, the password is not."""
    instance.write("", url=f"postgresql://shop:{SECRET}@127.0.0.1:1/shop")
    done = instance.examined()
    assert done.status == 1
    assert "ERROR   store: The store cannot be used: unreachable" in done.stdout
    assert "warning configuration: The secret store stands in the file in clear." in done.stdout


def test_older_and_newer_tables_are_told_apart(instance: Instance) -> None:
    """Older ones can be migrated, newer ones need a newer library."""
    for version, said in {"0003": "A migration is pending", "9999": "Upgrade whereupon"}.items():
        database = create_engine(instance.url)
        with database.begin() as connection:
            change = text("UPDATE whereupon_version SET version_num = :version")
            connection.execute(change, {"version": version})
        database.dispose()
        assert said in instance.examined().stdout


def test_another_digest_key_is_an_error_once_something_is_hashed(instance: Instance) -> None:
    """An engine would refuse to open the store; a short key is told as well."""
    with Engine.open(instance.url, digest_key=SECRET.encode()) as engine:
        engine.identify("ada")
        engine.track("Delete Person", user_id="ada")
    instance.write("", key='"short"')
    said = instance.examined().stdout
    assert "ERROR   store: The store was hashed under another digest_key" in said
    assert "warning keys: The digest_key has 5 bytes" in said
    assert "The secret digest_key stands in the file in clear" in said
    instance.write("", key=f'"another-key-of-the-shop,{SECRET}"')
    assert "under a former key" in instance.examined().stdout


def test_rules_with_errors_and_channels_that_are_missing_are_told(instance: Instance) -> None:
    """With the rules that send to the channel, and the hosts that webhooks call."""
    instance.write("")
    said = instance.examined().stdout
    assert "No channel 'push' is configured; these rules send to it: hello." in said
    assert "1 webhook steps have a URL that is not https." in said
    assert "Webhook steps call hooks.example.com." in said
    (instance.folder / "rules" / "hello.yaml").write_text(RULE + "wher: {}\n")
    done = instance.examined()
    assert done.status == 1
    assert "ERROR   rules: The rules have 1 errors, and are not loaded." in done.stdout
    assert instance.examined("--rules", "nowhere").status == 1


def test_channels_that_cannot_be_made_are_errors(instance: Instance) -> None:
    """Each with its place; a variable that is not set is named."""
    instance.write("[channels.a]\nuse = 'emai'\n[channels.inbox]\nexpires = {env = 'NOT_SET'}\n")
    done = instance.examined()
    assert done.status == 1
    assert "there is no ready channel called 'emai'" in done.stdout
    assert "the environment variable NOT_SET is not set" in done.stdout


def test_a_channels_own_check_is_asked_unless_offline(instance: Instance) -> None:
    """What it finds counts; a check that raises is told by the type of the error alone."""
    (instance.folder / "checked_channels.py").write_text(
        "from whereupon.ports import Finding, FindingLevel\n"
        "class Good:\n"
        "    def send(self, delivery): ...\n"
        "    def check(self): return [Finding(FindingLevel.ERROR, 'login refused', 'mend it')]\n"
        "class Bad(Good):\n"
        f"    def check(self): raise RuntimeError({SECRET!r})\n"
    )
    instance.write(
        "[channels.good]\nuse = 'checked_channels:Good'\n"
        "[channels.bad]\nuse = 'checked_channels:Bad'\n"
    )
    said = instance.examined().stdout
    assert "ERROR   channels: good: login refused\n        → mend it" in said
    assert "The check of the channel bad failed: RuntimeError." in said
    assert instance.examined("--offline").status == 0


def test_what_is_held_and_dead_is_told_by_number(instance: Instance) -> None:
    """Nobody's name is in it."""
    with Engine.open(
        instance.url, rules=instance.folder / "rules", digest_key=SECRET.encode()
    ) as e:

        @e.channel("push")
        def _push(_: object) -> None:
            reason = "no"
            raise GiveUp(reason)

        e.track("hello", user_id="ada-lovelace")
        e.run_due()
    said = instance.examined().stdout
    assert "1 deliveries for push are dead." in said
    assert "1 deliveries for webhook are held." in said
    assert "lovelace" not in said


def test_a_clock_that_is_off_is_an_error(instance: Instance) -> None:
    """Leases and waits go by the clocks of the processes."""
    config = read_config(instance.folder / "whereupon.toml", environ={})

    def late() -> object:
        return SystemClock().now() - timedelta(minutes=5)

    found = examine(config, store=instance.url, rules=config.rules, now=late)  # type: ignore[arg-type]
    worst = [each.finding for each in found if each.finding.level is FindingLevel.ERROR]
    assert [each.said for each in worst] == ["This machine's clock is 5m behind the database's."]


@pytest.mark.slow
@pytest.mark.postgres
def test_settings_that_hurt_and_grants_that_lack_are_told(tmp_path: Path, server: Server) -> None:
    """The tests' own server does not wait for the disk, and a role may be given too little."""
    with server.clean() as url:
        instance = Instance(tmp_path)
        schema = url.rpartition("%3D")[2]
        server.run(
            "DROP ROLE IF EXISTS poor",
            "CREATE ROLE poor LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO poor",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO poor",
        )
        instance.write(
            "[channels.push]\nuse = 'console'\n", url=url.replace("postgres@", "poor@", 1)
        )
        said = instance.examined("--offline").stdout
        server.run("DROP OWNED BY poor", "DROP ROLE poor")
    assert "warning store: The server has fsync = off" in said
    assert "ERROR   store: The role lacks INSERT ON whereupon_person." in said
    assert "SELECT ON whereupon_person" not in said


def test_without_a_configuration_it_says_what_to_write(tmp_path: Path) -> None:
    """Somebody who has just installed it sees the next step."""
    done = whereupon_process("doctor", "--rules", tmp_path, WHEREUPON_STORE="")
    assert done.status == 1
    assert "ERROR   store: No store is named.\n        → Set store = " in done.stdout


def test_api_keys_that_somebody_should_look_at_are_found(instance: Instance) -> None:
    """Those that end soon or have ended, those that nobody uses, and an old secret that somebody still has."""
    clock = FrozenClock(SystemClock().now() - timedelta(days=100))
    day = timedelta(days=1)
    with Engine.open(instance.url, digest_key=SECRET.encode(), clock=clock) as engine:
        keys = engine.keys
        never = keys.create("never", kind="server").key.id
        unused = keys.create("unused", kind="server")
        expired = keys.create("expired", kind="server", expires=99 * day).key.id
        ends = keys.create("ends", kind="server", expires=110 * day)
        rotated = keys.create("rotated", kind="server")
        keys.revoke(keys.create("revoked", kind="server").key.id)
        keys.verify(unused.secret)
        keys.write_uses()
        clock.move_to(clock.now() + 99 * day)
        keys.rotate(rotated.key.id, overlap=5 * day)
        for secret in (ends.secret, rotated.secret):
            keys.verify(secret)
        keys.write_uses()
        fine = keys.create("fine", kind="client", expires=365 * day).key.id
    shown = instance.examined().stdout
    said = {
        line.partition("API key ")[2].split()[0]: line.partition(") ")[2].partition(" at ")[0]
        for line in shown.splitlines()
        if "The API key " in line
    }
    assert said == {
        never: "was never used.",
        unused.key.id: "was used last",
        expired: "expired",
        ends.key.id: "expires",
        rotated.key.id: "was rotated, and its old secret is still used,",
    }
    assert fine not in shown
    assert "5 API keys are good." in shown
    assert unused.secret not in shown


def test_a_server_without_a_key_a_port_or_tls_is_named(instance: Instance) -> None:
    """Each finding says what to do; without the table nothing is said of a server."""
    assert "server:" not in instance.examined().stdout
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        instance.write(
            "[channels.push]\nuse = 'console'\n[channels.webhook]\nuse = 'console'\n"
            f"[server]\nport = {port}\nproxy_headers = true\nforwarded_allow_ips = '*'\n"
        )
        done = instance.examined()
    assert f"server: The port {port} of 127.0.0.1 cannot be opened" in done.stdout
    assert "server: Every client is believed when it says whose address it has" in done.stdout
    assert "store: There is no API key that is good" in done.stdout
    instance.write(
        "[channels.push]\nuse = 'console'\n[channels.webhook]\nuse = 'console'\n"
        "[server]\nhost = '0.0.0.0'\nport = 0\n"
    )
    with Engine.open(instance.url, digest_key=SECRET.encode()) as engine:
        engine.keys.create("shop", kind="server")
    done = instance.examined()
    assert "server: The server listens on 0.0.0.0, and speaks no TLS." in done.stdout
    assert "no API key" not in done.stdout
    assert done.status == 0
