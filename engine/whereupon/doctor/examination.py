"""All checks of a configuration, in the order in which a reader wants to read them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from whereupon.config import Config
from whereupon.doctor.channel_checks import check_channels
from whereupon.doctor.process_checks import check_configuration, check_keys, check_machine
from whereupon.doctor.rule_checks import check_rules
from whereupon.doctor.server_checks import check_server
from whereupon.doctor.store_checks import check_store
from whereupon.ports import Finding


class Examined(NamedTuple):
    """A finding, and what it is about: configuration, keys, store, backlog, clock, rules, server or channels."""

    area: str
    finding: Finding


def examine(
    config: Config,
    *,
    store: str | None,
    rules: Path,
    now: Callable[[], datetime],
    offline: bool = False,
) -> Iterator[Examined]:
    """Look at everything that an engine would need.

    Args:
        store: the URL of the store; None if none is named.
        rules: the rules folder.
        now: says the time of this machine.
        offline: whether to leave out what asks other services than the store.
    """
    for area, findings in (
        ("configuration", check_configuration(config)),
        ("keys", check_keys(config)),
        ("machine", check_machine()),
        ("store", check_store(config, store, now)),
        ("rules", check_rules(rules, config)),
        ("server", check_server(config)),
        ("channels", check_channels(config, store, offline=offline)),
    ):
        yield from (Examined(area, finding) for finding in findings)
