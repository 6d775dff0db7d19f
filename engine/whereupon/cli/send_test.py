"""``whereupon send-test``: sends one delivery of a rule to oneself, and records nothing."""

import asyncio
import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import JsonValue

from whereupon.cli.configured import config_of, import_beside
from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import RULES, Confirmed, PersonId, RulesFolder, StoreUrl
from whereupon.cli.stores import existing_store, unknown_person
from whereupon.config import Config
from whereupon.config.channels import ConfiguredChannel
from whereupon.delivery.channel_policy import policy_of
from whereupon.delivery.host_secrets import HostSecrets
from whereupon.delivery.retries import GiveUp
from whereupon.errors import UnknownNameError
from whereupon.insight.samples import Sample, SampleError, sample_delivery
from whereupon.messages.codec import decode, encode
from whereupon.operations.devices import devices_of
from whereupon.ports import Attachable, BatchSender, Channel, Clock, Sender
from whereupon.ports.host import LinkMaker
from whereupon.records import Delivery, Device
from whereupon.render.formatting import clean
from whereupon.rules.loading import open_rules
from whereupon.rules.spelling import nearest
from whereupon.scheduling import SystemClock


@exits_with_status
def send_test_command(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(help="The rule's id: its file's name without .yaml.")],
    person: PersonId,
    store: StoreUrl,
    channel: Annotated[str, typer.Option(metavar="NAME", help="The channel to send through.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Your own address; by default the person's."),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Which step, if several send to the channel."),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="The message to render with, as '{\"properties\": {…}}'; by default the person's last "
            "one that triggers the rule.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it, and send nothing.")] = False,
    yes: Confirmed = False,
    rules: RulesFolder = RULES,
) -> None:
    """Render what a rule would send to a person, mark it as a test, and send it to yourself.

    It is no entry and no delivery of the store: re-entry, caps and statistics do not know of it. Links in it
    act on nobody.
    """
    config = config_of(ctx)
    sample = _sample(store, rule, person, channel, step, event, rules)
    if dry_run:
        _print(sample)
        return
    import_beside(config)
    configured = _channel(config, channel)
    delivery = _addressed(sample.delivery, configured, to)
    question = f"No --to is given. Send it to the own address of {person}?"
    if to is None and not yes and not typer.confirm(question, err=True):
        fail("nothing was sent", FINDINGS)
    with closing(existing_store(store)) as opened, opened.reading() as session:
        devices = devices_of(session, delivery.person)
    host = _TestHost(config.settings.public_url, devices)
    _send(configured, delivery, host, HostSecrets(config.secrets()))
    sys.stdout.write(f"Sent step {sample.step} of {clean(rule)} through {clean(channel)}.\n")


def _sample(
    store: str,
    rule: str,
    person: str,
    channel: str,
    step: str | None,
    event: str | None,
    rules: Path,
) -> Sample:
    book = open_rules(rules)
    known = book.rule(rule)
    if known is None:
        fail(f"there is no rule called {rule!r}{nearest(rule, [each.id for each in book.rules])}")
    with closing(existing_store(store)) as kept, kept.reading() as session:
        try:
            return sample_delivery(
                session,
                known,
                person,
                channel,
                now=SystemClock().now(),
                step=step,
                event=_event(event),
                settings=book.settings,
            )
        except UnknownNameError:
            fail(unknown_person(session, person), FINDINGS)
        except SampleError as error:
            fail(str(error), FINDINGS)


def _event(text: str | None) -> dict[str, JsonValue] | None:
    if text is None:
        return None
    advice = '--event is a JSON object such as \'{"properties": {"price": 20}}\''
    try:
        data = decode(text)
    except ValueError:
        fail(advice)
    if not isinstance(data, dict):
        fail(advice)
    unknown = data.keys() - {"properties", "context", "event", "type", "timestamp"}
    if unknown or not isinstance(data.get("properties", {}), dict):
        fail(advice)
    return data


def _channel(config: Config, name: str) -> ConfiguredChannel:
    found = next((each for each in config.channels() if each.name == name), None)
    if found is None:
        hint = nearest(name, config.settings.channels)
        fail(f"no channel {name!r} is configured{hint}; add [channels.{name}] to whereupon.toml")
    return found


def _addressed(delivery: Delivery, channel: ConfiguredChannel, to: str | None) -> Delivery:
    """The delivery to the address that is given."""
    options: Callable[..., object] = policy_of
    address = getattr(options(channel.name, dict(channel.policy), channel.sender), "address", None)
    if to is None:
        return delivery
    if address is None:
        fail(f"the channel {channel.name} has no address; leave --to out, or say address = …")
    return delivery.changed(recipient={**delivery.recipient, address: to})


def _send(
    channel: ConfiguredChannel, delivery: Delivery, host: "_TestHost", secrets: HostSecrets
) -> None:
    """Call the channel once, with its secrets filled in; what it raises ends the command."""
    sender = channel.sender
    if isinstance(sender, Attachable):
        sender.attach(host)
    try:
        secrets.around(partial(_call, sender))(delivery)
    except Exception as error:  # noqa: BLE001 - it is the channel's, maybe the host's
        _refuse(error)


def _call(sender: Sender | BatchSender | Channel, delivery: Delivery) -> None:
    """Call it once; raises what it says of the delivery."""
    if not isinstance(sender, BatchSender):
        _done(sender(delivery) if callable(sender) else sender.send(delivery))
        return
    outcomes = _done(sender.send_many([delivery]))
    error = outcomes[0] if isinstance(outcomes, list | tuple) and outcomes else None
    if isinstance(error, Exception):
        raise error


def _done(returned: object) -> object:
    """What was returned, or what an ``async`` function returns in the end."""
    if not inspect.isawaitable(returned):
        return returned

    async def wait() -> object:
        return await returned

    return asyncio.run(wait())


def _refuse(error: Exception) -> NoReturn:
    kind = "for good" if isinstance(error, GiveUp) else "for now"
    fail(f"the channel refused it {kind}: {type(error).__name__}: {clean(str(error))}", FINDINGS)


def _print(sample: Sample) -> None:
    delivery = sample.delivery
    message = sample.message
    source = "the data that were given" if message is None else f"{message.name or message.type}"
    sys.stdout.write(f"Step {sample.step} of {clean(delivery.rule)}, with {clean(source)}:\n")
    for key, value in delivery.content.items():
        text = value if isinstance(value, str) else encode(value).decode()
        lines = [clean(line) for line in text.splitlines()] or [""]
        sys.stdout.write(f"{key}: " + "\n  ".join(lines) + "\n")


class _TestHost:
    """What a channel gets in place of an engine: it keeps nothing, reports nothing, and links to nobody."""

    def __init__(self, public_url: str | None, devices: Sequence[Device]) -> None:
        self._devices = devices
        self.clock: Clock = SystemClock()
        self.links: LinkMaker | None = None if public_url is None else _TestLinks(public_url)

    def put_in_inbox(self, delivery: Delivery, *, expires: timedelta | None, keep: int) -> bool:
        """Refuse: the item would be in the person's own inbox."""
        del delivery, expires, keep
        reason = "a test is not put into a person's inbox; use --dry-run"
        raise GiveUp(reason)

    def devices(self, person: str) -> Sequence[Device]:
        """Those of the person that the test is made for."""
        del person
        return self._devices

    def delete_device(self, person: str, device: Device) -> None:
        """Forget it: a test deletes nothing."""
        del person, device

    def report(
        self,
        key: str,
        metric: str,
        *,
        at: datetime | None = None,
        reason: str | None = None,
        permanent: bool = True,
    ) -> None:
        """Forget it: a test counts nowhere."""
        del key, metric, at, reason, permanent


class _TestLinks:
    """Links that no page knows: a click on one changes nothing."""

    def __init__(self, public_url: str) -> None:
        self._url = public_url.rstrip("/")

    def unsubscribe(self, delivery: Delivery) -> str:
        """An address whose page says that the link is not valid."""
        del delivery
        return f"{self._url}/u/test"

    def click(self, delivery: Delivery, url: str) -> str:
        """The URL itself."""
        del delivery
        return url

    def opened(self, delivery: Delivery) -> str:
        """An address that counts nothing."""
        del delivery
        return f"{self._url}/o/test"

    def callback(self, delivery: Delivery) -> str:
        """An address whose reports are about no delivery."""
        del delivery
        return f"{self._url}/callbacks/test"

    def rewrite(
        self, html: str, delivery: Delivery, *, clicks: bool = True, opens: bool = True
    ) -> str:
        """The text as it is."""
        del delivery, clicks, opens
        return html
