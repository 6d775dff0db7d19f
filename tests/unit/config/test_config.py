"""The configuration: the file, the environment over it, secrets, and everything that can be wrong with them."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.paths import ROOT

from whereupon import ConfigInvalidError, FrozenClock, open_config
from whereupon.config import read_config
from whereupon.config.ready_channels import ready_channels
from whereupon.config.secrets import SecretReader

SECRET = "s3cr3t-of-the-shop"  # noqa: S105 - made up

PLAIN = """\
store = "memory://"
rules = "rules"
poll = "5s"
[channels.console]
warn = false
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "whereupon.toml"
    path.write_text(text)
    (folder / "rules").mkdir(exist_ok=True)
    return path


def _faults(path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigInvalidError) as raised:
        read_config(path, environ=environ).channels()
    return [str(each).removeprefix(f"{path.parent}/") for each in raised.value.diagnostics]


def test_a_file_gives_an_engine_with_its_channels(tmp_path: Path) -> None:
    """Deliveries go to the channels that the file names, in words of TOML."""
    path = _file(tmp_path, PLAIN)
    (tmp_path / "rules" / "hello.yaml").write_text(
        "campaign: hello\ndescription: Hello.\nwhen: {known: person}\nreentry: once\n"
        "whereupon: [{send: console, title: Hello}]\n"
    )
    with open_config(path, environ={}) as engine:
        engine.identify("ada")
        assert engine.run_due().dispatched.sent == 1


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    """Each setting has a variable, whatever its depth; numbers and tables are read as in TOML."""
    path = _file(tmp_path, PLAIN)
    environ = {
        "WHEREUPON_POLL": "7s",
        "WHEREUPON_CHANNELS__CONSOLE__CONCURRENCY": "8",
        "WHEREUPON_CHANNELS__CONSOLE__RETRY": '{first = "2s"}',
        "WHEREUPON_CHANNELS__INBOX__KEEP": "9",
        "WHEREUPON_DIGEST_KEY": "new,old",
    }
    config = read_config(path, environ=environ)
    channels = {each.name: each for each in config.channels()}
    assert config.settings.poll == timedelta(seconds=7)
    assert channels["console"].policy["concurrency"] == 8
    assert channels.keys() == {"console", "inbox"}
    assert config.digest_keys == (b"new", b"old")


def test_a_variable_that_is_set_to_nothing_counts_as_not_set(tmp_path: Path) -> None:
    """Compose files and CI pass empty variables for what nobody has set."""
    config = read_config(_file(tmp_path, PLAIN), environ={"WHEREUPON_POLL": ""})
    assert config.settings.poll == timedelta(seconds=5)


def test_everything_that_is_wrong_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    """A typo gets a suggestion, an unknown key is an error, and each names its line or its variable."""
    path = _file(
        tmp_path,
        'store = "memory://"\nruls = "rules"\npoll = "30 s"\nmigrate = "yes"\n[retry]\nfist = "1s"\n',
    )
    assert _faults(path, WHEREUPON_UNKNOWN_CHANNELS="drop") == [
        "whereupon.toml:2:1: unknown-key there is no key 'ruls'; did you mean 'rules'?",
        (
            "whereupon.toml:3:1: bad-duration a duration is a whole number and a unit, such as 90s, 15m or "
            "2h; this is the text '30 s'"
        ),
        "whereupon.toml:6:1: unknown-key there is no key 'fist'; did you mean 'first'?",
        "WHEREUPON_UNKNOWN_CHANNELS: wrong-type this must be hold or console, not the text 'drop'",
    ]


def test_everything_that_is_wrong_with_channels_is_reported_at_once(tmp_path: Path) -> None:
    """Their arguments are those of their classes, and their policies those of the call."""
    path = _file(
        tmp_path,
        'store = "memory://"\n[channels.mail]\nuse = "consol"\n[channels.inbox]\nkepp = 3\n'
        'rate = "fast"\n[channels.console]\nstream = "x"\nbreaker = {failure = 5, pause = "1m"}\n',
    )
    codes = [" ".join(fault.split()[:2]) for fault in _faults(path)]
    assert codes == [
        "whereupon.toml:3:1: unknown-channel",
        "whereupon.toml:5:1: unknown-key",
        "whereupon.toml:6:1: wrong-value",
        "whereupon.toml:8:1: unknown-key",
        "whereupon.toml:9:1: missing-key",
        "whereupon.toml:9:12: unknown-key",
    ]


KEYS = """\
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

@dataclass(frozen=True)
class Key:
    selector: str
    age: timedelta = timedelta(days=1)

class Signed:
    def __init__(self, host: str, port: int = 25, *, keys: Key | Sequence[Key] = (), timeout: float = 20):
        if host == "refused":
            raise ValueError(f"the host {host} is refused")
        self.said = (host, port, keys, timeout)
    def send(self, delivery): ...
"""


def test_arguments_are_read_by_the_signature_and_types_of_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, numbers, durations, and tables for dataclasses, one or a list; a time-out leaves room for its error."""
    (tmp_path / "signed_channel.py").write_text(KEYS)
    monkeypatch.syspath_prepend(tmp_path)
    text = (
        'store = "memory://"\n[channels.x]\nuse = "signed_channel:Signed"\nhost = "h"\ntimeout = "10s"\n'
        '[[channels.x.keys]]\nselector = "a"\nage = "2h"\n[[channels.x.keys]]\nselector = "b"\n'
    )
    environ = {"WHEREUPON_CHANNELS__X__PORT": "587"}
    (channel,) = read_config(_file(tmp_path, text), environ=environ).channels()
    host, port, keys, timeout = channel.sender.said  # type: ignore[union-attr]
    assert (host, port, timeout, channel.policy["timeout"]) == ("h", 587, 8.0, "10s")
    assert [(key.selector, key.age) for key in keys] == [
        ("a", timedelta(hours=2)),
        ("b", timedelta(days=1)),
    ]
    wrong = text.replace('selector = "b"', 'selektor = "b"').replace('host = "h"\n', "")
    assert [fault.partition(" there")[0] for fault in _faults(_file(tmp_path, wrong))] == [
        "whereupon.toml:2:11: missing-key add host = …: a text",
        "whereupon.toml:8:1: missing-key add selector = …: a text",
        "whereupon.toml:9:1: unknown-key",
    ]


def test_what_a_channel_says_about_a_secret_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of the host's may quote the value that it refuses."""
    (tmp_path / "signed_channel.py").write_text(KEYS)
    monkeypatch.syspath_prepend(tmp_path)
    text = '[channels.x]\nuse = "signed_channel:Signed"\nhost = {env = "HOST"}\n'
    assert _faults(_file(tmp_path, text), HOST="refused") == [
        "whereupon.toml:1:11: wrong-value the host … is …"
    ]


def test_the_file_on_the_page_gives_its_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People begin by copying it."""
    page = (ROOT / "engine" / "docs" / "configuration.md").read_text()
    (tmp_path / "shop_channels.py").write_text("def push(delivery): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = _file(tmp_path, page.split("```toml\n")[1].split("```")[0])
    config = read_config(file, environ={"SHOP_DIGEST_KEY": "k", "SMTP_PASSWORD": SECRET})
    assert [channel.name for channel in config.channels()] == ["email", "push"]
    assert config.written_secrets == ()


def test_a_file_that_is_not_toml_is_reported_with_its_place(tmp_path: Path) -> None:
    """The sentence says that texts stand in quotes, which is what people forget."""
    (fault,) = _faults(_file(tmp_path, "store = memory\n"))
    assert fault.startswith("whereupon.toml:1:9: bad-toml this is not valid TOML: ")


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A file that nobody names may be missing."""
    (fault,) = _faults(tmp_path / "nowhere.toml")
    assert "no-config the configuration cannot be read: No such file" in fault


def test_secrets_are_read_when_they_are_needed(tmp_path: Path) -> None:
    """A command that sends nothing needs no password; one that does says which variable is not set."""
    text = 'store = {env = "SHOP_DB"}\n[channels.inbox]\nexpires = {env = "X"}\n'
    config = read_config(_file(tmp_path, text), environ={"SHOP_DB": "memory://"})
    assert config.store == "memory://"
    with pytest.raises(ConfigInvalidError, match="no-secret the environment variable X is not set"):
        config.channels()


def test_a_secret_may_stand_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """As container platforms mount them; the line feed at the end does not count."""
    (tmp_path / "key").write_text("k-1,k-0\n")
    config = read_config(_file(tmp_path, 'digest_key = {file = "key"}\n'), environ={})
    assert config.digest_keys == (b"k-1", b"k-0")


def test_no_secret_is_in_a_representation_or_an_error(tmp_path: Path) -> None:
    """Neither one that is written in clear, nor one that a variable gives, nor a password in a URL."""
    text = (
        f'store = "postgresql://shop:{SECRET}@db/shop"\ndigest_key = "{SECRET}"\n'
        f'[channels.inbox]\nexpires = {{env = "KEY"}}\n[channels.console]\npassword = "{SECRET}"\n'
    )
    path = _file(tmp_path, text)
    config = read_config(path, environ={"KEY": SECRET})
    with pytest.raises(ConfigInvalidError) as raised:
        config.channels()
    said = f"{config!r} {config} {raised.value} {raised.value.diagnostics!r}"
    assert SECRET not in said
    assert config.written_secrets == ("store", "digest_key", "channels.console.password")


def test_urls_that_are_secrets_themselves_are_known_as_such(tmp_path: Path) -> None:
    """Slack's and Apprise's URLs hold tokens; the path of a file of credentials holds none."""
    text = (
        '[channels.slack]\nurl = "https://hooks.slack.com/services/T0/B0/x"\n'
        '[channels.notify]\nurls = ["tgram://token/chat"]\n'
        '[channels.push]\ncredentials = "/run/secrets/fcm.json"\n'
    )
    config = read_config(_file(tmp_path, text), environ={})
    assert config.written_secrets == ("channels.slack.url", "channels.notify.urls.0")


def test_a_variable_that_names_no_setting_is_noted(tmp_path: Path) -> None:
    """It may be one of the platform's, such as Kubernetes' links to services; so it is no error."""
    config = read_config(_file(tmp_path, PLAIN), environ={"WHEREUPON_PORT": "tcp://10.0.0.1:80"})
    assert config.unknown == ("WHEREUPON_PORT",)


def test_relative_paths_begin_at_the_file(tmp_path: Path) -> None:
    """So the working directory decides neither the database nor the rules."""
    path = _file(tmp_path, 'store = "sqlite:///shop.db"\n')
    config = read_config(path, environ={})
    assert config.store == f"sqlite:///{tmp_path}/shop.db"
    assert config.rules == tmp_path / "rules"


def test_every_ready_channel_has_a_name_in_files() -> None:
    """A class in `whereupon.channels` needs no second list."""
    assert {"console", "inbox"} <= ready_channels().keys()


def test_an_engine_without_a_store_is_refused(tmp_path: Path) -> None:
    """A forgotten setting must not become a new database somewhere."""
    with pytest.raises(ConfigInvalidError, match="missing-key name a store"):
        open_config(_file(tmp_path, ""), environ={}, clock=FrozenClock())


def test_a_value_that_the_engine_refuses_is_reported_with_its_place(tmp_path: Path) -> None:
    """Links are signed, so an address of pages asks for a key."""
    path = _file(tmp_path, 'store = "memory://"\npublic_url = "https://shop.example/w"\n')
    with pytest.raises(ConfigInvalidError, match=r"whereupon\.toml:2:1: wrong-value .*digest_key"):
        open_config(path, environ={})


@given(secret=st.text(min_size=1), around=st.text())
def test_a_secret_that_was_read_is_never_in_a_masked_sentence(secret: str, around: str) -> None:
    """Whatever its characters, and whatever a channel says about it."""
    reader = SecretReader({"KEY": secret}, Path())
    reader.read({"env": "KEY"}, ("password",))
    masked = reader.masked(f"{around}{secret}{around} {secret!r}")
    assert secret in ("…", *"…") or secret not in masked


DOOR = """
[door]
url = "https://events.shop.example"
segment_scripts = "node_modules/x"
allowed_headers = ["traceparent"]
"""


def test_the_door_has_a_table(tmp_path: Path) -> None:
    """A folder in the file begins at the file's, and one in a variable at the working directory."""
    path = _file(tmp_path, PLAIN + DOOR)
    environ = {"WHEREUPON_DOOR__CUSTOMERIO_SCRIPTS": "elsewhere"}
    door = read_config(path, environ=environ).door
    assert door.url == "https://events.shop.example"
    assert door.segment_scripts == tmp_path / "node_modules/x"
    assert door.customerio_scripts == Path("elsewhere")
    assert door.allowed_headers == ("traceparent",)
    assert read_config(_file(tmp_path, PLAIN), environ={}).door.url is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('url = "events.shop.example"', "wrong-value url is where the door stands"),
        ('ulr = "https://x.example"', "unknown-key there is no key 'ulr'; did you mean 'url'?"),
        ('allowed_headers = ["a b"]', "wrong-value allowed_headers are names of headers"),
        ("segment_scripts = 1", "wrong-type this must be a path"),
    ],
)
def test_a_door_that_cannot_be_is_told_with_its_place(
    tmp_path: Path, line: str, fault: str
) -> None:
    """Before the service starts."""
    path = _file(tmp_path, f"{PLAIN}[door]\n{line}\n")
    with pytest.raises(ConfigInvalidError) as raised:
        read_config(path, environ={})
    (told,) = map(str, raised.value.diagnostics)
    assert fault in told


def test_the_server_has_a_table(tmp_path: Path) -> None:
    """Each option by its name; durations as everywhere; a variable comes first."""
    path = _file(tmp_path, PLAIN + "[server]\nport = 9000\nbody_timeout = '20s'\nthreads = 4\n")
    server = read_config(path, environ={"WHEREUPON_SERVER__THREADS": "6"}).settings.server
    assert server is not None
    assert (server.port, server.body_timeout, server.threads) == (9000, timedelta(seconds=20), 6)
    assert server.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("port = 70000", "wrong-value port is between 0 and 65535"),
        ("prot = 80", "unknown-key there is no key 'prot'; did you mean 'port'?"),
        ("threads = 0", "wrong-value threads is at least 1"),
        ("idle_timeout = '0s'", "wrong-value idle_timeout is longer than 0"),
        ("queue_bytes = 1000", "wrong-value queue_bytes is at least 1048576"),
        ("body_timeout = 'soon'", "bad-duration"),
        ("root_path = 'x/'", "wrong-value root_path begins with a slash"),
    ],
)
def test_a_server_that_cannot_be_is_told_with_its_place(
    tmp_path: Path, line: str, fault: str
) -> None:
    """Before anything is opened."""
    path = _file(tmp_path, f"{PLAIN}[server]\n{line}\n")
    with pytest.raises(ConfigInvalidError) as raised:
        read_config(path, environ={})
    (told,) = map(str, raised.value.diagnostics)
    assert fault in told
