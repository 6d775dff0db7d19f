"""Checks of the configuration itself, of the keys, and of the machine."""

import ctypes
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whereupon.config import Config
from whereupon.doctor.findings import error, ok, warning
from whereupon.errors import ConfigInvalidError
from whereupon.ports import Finding

_SHORTEST = 16
"""Bytes that a digest key should have at least; fewer can be guessed."""

_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_ZONES = ("Europe/Paris", "America/New_York", "Asia/Kolkata")


def check_configuration(config: Config) -> Iterator[Finding]:
    """Where it comes from, what it leaves open, and secrets that stand in it."""
    where = config.source
    yield ok(f"The configuration is {where}.")
    for name in config.unknown:
        advice = (
            "Take it out, or correct its name; platforms set variables of that kind for services."
        )
        yield warning(f"The variable {name} names no setting.", advice)
    for name in config.written_secrets:
        advice = f'Write {name} = {{env = "…"}} or {{file = "…"}} instead.'
        yield warning(f"The secret {name} stands in the file in clear.", advice)
    yield _public_url(config.settings.public_url)
    if config.settings.unknown_channels == "console":
        advice = 'Use unknown_channels = "hold" outside of development.'
        yield warning("Deliveries without a channel are printed and count as sent.", advice)


def _public_url(url: str | None) -> Finding:
    if url is None:
        advice = 'Set public_url = "https://…" where whereupon.web is mounted.'
        return warning("There is no public_url, so mails have no link to unsubscribe.", advice)
    if urlsplit(url).scheme != "https":
        advice = "Use https: mailbox providers ask for it in one-click unsubscribing (RFC 8058)."
        return warning("The public_url is not https.", advice)
    return ok(f"Links lead to {urlsplit(url).hostname}.")


def check_keys(config: Config) -> Iterator[Finding]:
    """Whether there is a key, and whether it is long enough."""
    try:
        own, *former = config.digest_keys
    except ConfigInvalidError as invalid:
        yield error(invalid.diagnostics[0].message + ".", "Set it, or take digest_key out.")
        return
    if not own:
        said = "There is no digest_key: ids of deleted people can be guessed, and the audit log forged."
        yield warning(said, 'Set digest_key = {env = "…"} to at least 32 random characters.')
        return
    if len(own) < _SHORTEST:
        said = f"The digest_key has {len(own)} bytes, which can be guessed."
        yield warning(said, "Make a longer one, and keep this one behind it after a comma.")
    else:
        yield ok(f"There is a digest_key, and {len(former)} former ones.")
    if any(not key for key in former):
        yield warning("One of the former keys is empty.", "Take the spare comma out.")


def check_machine() -> Iterator[Finding]:
    """Timezone data, and whether the clock is kept by NTP where that can be known."""
    try:
        for name in _ZONES:
            ZoneInfo(name)
        yield ok("Timezone data are there.")
    except ZoneInfoNotFoundError as missing:
        yield error(f"Timezone data are missing: {missing}.", "Install tzdata: pip install tzdata.")
    state = _clock_state()
    if state == _UNSYNCHRONISED:
        advice = "Run chrony or systemd-timesyncd; waits and quiet times go by this clock."
        yield warning("The kernel says that no time service keeps this machine's clock.", advice)
    elif state is not None:
        yield ok("A time service keeps this machine's clock.")


def _clock_state() -> int | None:
    """What adjtimex(2) answers; None where it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        asked = ctypes.CDLL(None).adjtimex
        answer = int(asked(ctypes.create_string_buffer(512)))  # all zero: it only reads
    except (OSError, AttributeError):
        return None
    return answer if answer >= 0 else None
