"""The tables ``[callbacks.CHANNEL]`` as what reads the reports of the channel's provider."""

import inspect
from collections.abc import Callable, Mapping
from typing import TypeAlias

from whereupon.config.arguments import arguments_of, read_arguments
from whereupon.config.channels import made_by
from whereupon.config.environment import Table
from whereupon.config.ready_channels import found_in_module
from whereupon.config.secrets import SecretReader
from whereupon.config.toml_places import Path
from whereupon.errors import Diagnostic, UnknownNameError
from whereupon.rules.spelling import nearest

Maker: TypeAlias = Callable[..., object]
_USE = "use"


def make_callbacks(
    tables: Mapping[str, object],
    ready: Mapping[str, Maker],
    secrets: SecretReader,
    faults: list[Diagnostic],
) -> dict[str, Maker]:
    """What reads the reports, by the names of channels; what is wrong is added to the faults.

    Args:
        ready: the classes that a table may name, by their names.
    """
    made: dict[str, Maker] = {}
    for name, raw in tables.items():
        path: Path = ("callbacks", name)
        table = secrets.read(raw, path)
        if not isinstance(table, dict):
            message = f"callbacks are a table: [callbacks.{name}], with its settings below it"
            faults.append(Diagnostic.at(path, "wrong-type", message))
            continue
        callback = _make(table, path, ready, faults)
        if callable(callback):
            made[name] = callback
    faults += secrets.faults
    return made


def _make(table: Table, path: Path, ready: Mapping[str, Maker], faults: list[Diagnostic]) -> object:
    use = str(table.get(_USE, ""))
    found = _found(use, path, ready, faults)
    if found is None or not inspect.isclass(found):
        return found
    taken = arguments_of(found)
    given = {key: value for key, value in table.items() if key != _USE}
    values, wrong = read_arguments(given, path, taken, beside=(_USE,))
    if wrong:
        faults += wrong
        return None
    return made_by(found, values, taken, path, faults)


def _found(use: str, path: Path, ready: Mapping[str, Maker], faults: list[Diagnostic]) -> object:
    where = (*path, _USE)
    if ":" not in use:
        if use in ready:
            return ready[use]
        known = ", ".join(ready)
        said = f"add use = …: {known}" if not use else f"there are no callbacks {use!r}"
        hint = "" if not use else nearest(use, ready) or f"; there are {known}"
        message = f'{said}{hint}; or name a function of your own: use = "shop.callbacks:push"'
        faults.append(Diagnostic.at(where, "unknown-callback", message))
        return None
    try:
        found = found_in_module(use)
    except (UnknownNameError, ImportError) as error:
        faults.append(Diagnostic.at(where, "unknown-callback", f"{use}: {error}"))
        return None
    if not callable(found):
        message = f"{use} is neither a function nor a class"
        faults.append(Diagnostic.at(where, "unknown-callback", message))
        return None
    return found
