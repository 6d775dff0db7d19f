"""Checks of the channels: whether each can be made, has its packages, and could deliver."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from whereupon.config import Config
from whereupon.config.channels import ConfiguredChannel
from whereupon.doctor.findings import error, ok, warning
from whereupon.errors import ConfigInvalidError
from whereupon.ports import Checkable, Finding

_REQUIREMENT = re.compile(r"^([\w.-]+).*extra\s*==\s*['\"]([\w.-]+)['\"]")


def check_channels(config: Config, store: str | None, *, offline: bool) -> Iterator[Finding]:
    """Whether each channel of the configuration could deliver."""
    if store is not None and store.startswith("postgres"):
        yield from missing_packages("postgres", "the store")
    for name, table in config.settings.channels.items():
        use = table.get("use", name) if isinstance(table, dict) else name
        yield from missing_packages(str(use), f"the channel {name}")
    try:
        channels = config.channels()
    except ConfigInvalidError as invalid:
        for each in invalid.diagnostics:
            yield error(f"{each.location}: {each.message}.", "Correct it in the configuration.")
        return
    if not channels:
        advice = "Add [channels.NAME], or register channels in Python."
        yield warning("No channel is configured, so this process sends nothing.", advice)
    for channel in channels:
        yield from _check(channel, offline=offline)


def missing_packages(name: str, user: str) -> Iterator[Finding]:
    """The packages of the extra of that name that are missing."""
    for each in requires("whereupon") or ():
        found = _REQUIREMENT.match(each)
        if found is None or found[2] != name:
            continue
        try:
            version(found[1])
        except PackageNotFoundError:
            said = f"The package {found[1]} is missing, which {user} needs."
            yield error(said, f"Run: pip install 'whereupon[{name}]'.")


def _check(channel: ConfiguredChannel, *, offline: bool) -> Iterator[Finding]:
    if offline or not isinstance(channel.sender, Checkable):
        yield ok(f"The channel {channel.name} ({channel.use}) can be made.")
        return
    found: Sequence[Finding] = ()
    try:
        found = channel.sender.check()
    except Exception as failed:  # noqa: BLE001 - it may be a channel of the host's
        said = f"The check of the channel {channel.name} failed: {type(failed).__name__}."
        yield error(said, "Look at the channel's settings, and at its check().")
    for each in found:
        yield each._replace(said=f"{channel.name}: {each.said}")
