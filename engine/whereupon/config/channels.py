"""The tables ``[channels.NAME]`` as channels: objects made of their settings, with their policies."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

from whereupon.config.arguments import Argument, arguments_of, read_arguments
from whereupon.config.environment import Table
from whereupon.config.ready_channels import channel_named
from whereupon.config.secrets import SecretReader
from whereupon.config.toml_places import Path
from whereupon.delivery.channel_policy import ChannelOptions, policy_of
from whereupon.delivery.retries import as_duration
from whereupon.engine import Engine
from whereupon.errors import Diagnostic, UnknownNameError, WhereuponError
from whereupon.ports import BatchSender, Channel, Sender
from whereupon.rules.spelling import nearest

_USE = "use"
_TIMEOUT = "timeout"
_OWN_PART = 0.8
"""The part of a call's time that a channel with a time-out of its own gets, so that its own error comes first."""


@dataclass(frozen=True, slots=True)
class ConfiguredChannel:
    """A channel as the configuration has it.

    Attributes:
        use: the ready channel's name, or ``module:name``.
        sender: the object or function that sends.
        policy: the keywords of `Engine.channel`.
    """

    name: str
    use: str
    sender: Sender | BatchSender | Channel = field(repr=False)
    policy: Mapping[str, object] = field(default_factory=dict)

    def register(self, engine: Engine) -> None:
        """Register it with an engine."""
        register: Callable[..., object] = engine.channel
        register(self.name, self.sender, **self.policy)


def make_channels(
    tables: Mapping[str, object], secrets: SecretReader, faults: list[Diagnostic]
) -> list[ConfiguredChannel]:
    """Make every channel that can be made; what is wrong with the others is added to the faults."""
    made: list[ConfiguredChannel] = []
    for name, raw in tables.items():
        path: Path = ("channels", name)
        table = secrets.read(raw, path)
        if not isinstance(table, dict):
            message = f"a channel is a table: [channels.{name}], with its settings below it"
            faults.append(Diagnostic.at(path, "wrong-type", message))
            continue
        before = len(faults), len(secrets.faults)
        channel = _make(name, table, path, faults)
        if channel is not None and before == (len(faults), len(secrets.faults)):
            made.append(channel)
    faults += secrets.faults
    return made


def _make(
    name: str, table: Table, path: Path, faults: list[Diagnostic]
) -> ConfiguredChannel | None:
    use = str(table.get(_USE, name))
    try:
        found = channel_named(use)
    except UnknownNameError as error:
        hint = nearest(use, error.known)
        message = f'{error}{hint}; or name a function of your own: use = "shop.channels:push"'
        faults.append(Diagnostic.at((*path, _USE), "unknown-channel", message))
        return None
    except ImportError as error:
        message = f"{use} cannot be imported: {error}"
        faults.append(Diagnostic.at((*path, _USE), "unknown-channel", message))
        return None
    policies = policy_arguments()
    is_class = inspect.isclass(found)
    taken = arguments_of(found) if is_class and callable(found) else {}
    given = {key: value for key, value in table.items() if key != _USE}
    ours = {key: value for key, value in given.items() if key in policies}
    rest = {key: value for key, value in given.items() if key not in policies or key in taken}
    if _TIMEOUT in rest:
        rest[_TIMEOUT] = _own_timeout(rest[_TIMEOUT])
    beside = (_USE, *policies)
    values, wrong = read_arguments(rest, path, taken, beside=beside)
    policy, wrong_policy = read_arguments(ours, path, policies)
    if wrong or wrong_policy:
        accused = {fault.path[: len(path) + 1] for fault in wrong_policy}
        _check_policy(
            name,
            {
                key: value
                for key, value in ours.items()
                if (*path, key) not in accused
                and path not in accused
                and not isinstance(value, dict)
            },
            None,
            path,
            wrong_policy,
        )
        faults += [*wrong, *wrong_policy]
        return None
    sender = made_by(found, values, taken, path, faults) if is_class and callable(found) else found
    if not callable(sender) and not hasattr(sender, "send") and not hasattr(sender, "send_many"):
        if sender is not None:
            message = f"{use} is neither a function nor an object with send(delivery)"
            faults.append(Diagnostic.at((*path, _USE), "unknown-channel", message))
        return None
    _check_policy(name, policy, sender, path, faults)
    return ConfiguredChannel(name, use, sender, policy)  # type: ignore[arg-type]  # it can send


def policy_arguments() -> dict[str, Argument]:
    """The keywords of `Engine.channel`, which are keys of every channel's table."""
    hints = get_type_hints(ChannelOptions)
    return {name: Argument(name, hint, False, False, True) for name, hint in hints.items()}


def _own_timeout(value: object) -> object:
    """Seconds, as a part of the time for the whole call. A value that is none is left to the policy's check."""
    try:
        return as_duration(value).total_seconds() * _OWN_PART  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return 1.0


def _check_policy(
    name: str, policy: Mapping[str, object], sender: object, path: Path, faults: list[Diagnostic]
) -> None:
    """Have each value of the policy checked as `Engine.channel` will do it."""
    check: Callable[..., object] = policy_of
    for key, value in policy.items():
        try:
            check(name, {key: value}, sender)
        except (ValueError, TypeError) as error:
            faults.append(Diagnostic.at((*path, key), "wrong-value", str(error)))


def made_by(
    maker: Callable[..., object],
    values: Mapping[str, object],
    taken: Mapping[str, Argument],
    path: Path,
    faults: list[Diagnostic],
) -> object:
    """What a class or function makes of arguments that were read; None if it refuses them."""
    several = [name for name in values if taken[name].is_repeated]
    repeated = [each for name in several for each in _listed(values[name])]
    named = {name: value for name, value in values.items() if name not in several}
    try:
        return maker(*repeated, **named)
    except ImportError as error:
        faults.append(Diagnostic.at(path, "missing-extra", str(error)))
    except (ValueError, TypeError, OSError, WhereuponError) as error:
        faults.append(Diagnostic.at(path, "wrong-value", str(error)))
    return None


def _listed(value: object) -> list[object]:
    return [*value] if isinstance(value, tuple | list) else [value]
