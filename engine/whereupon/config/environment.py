"""Settings in environment variables: ``WHEREUPON_STORE``, ``WHEREUPON_CHANNELS__EMAIL__HOST``.

Two underscores lead into a table. Case does not count, and an underscore stands for a hyphen. A variable that is
set to nothing counts as not set.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from whereupon.config.toml_places import Path
from whereupon.errors import Diagnostic

PREFIX = "WHEREUPON_"
CONFIG_VARIABLE = "WHEREUPON_CONFIG"
"""The variable that names the file."""

Table: TypeAlias = dict[str, object]


class VariableText(str):
    """The text of an environment variable."""

    __slots__ = ()

    @property
    def value(self) -> object:
        """What it says where no text is asked for: a number, a boolean, a list or a table, as in TOML."""
        try:
            return tomllib.loads(f"x = {self}")["x"]
        except tomllib.TOMLDecodeError:
            return str(self)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Settings with those of the environment over them.

    Attributes:
        variables: the variables by the paths of what they set.
        unknown: variables that begin like ours and name no setting.
        clashes: variables that would lead into a value that is no table.
    """

    settings: Table
    variables: Mapping[Path, str]
    unknown: tuple[str, ...]
    clashes: tuple[Diagnostic, ...]


def overlay(settings: Table, environ: Mapping[str, str], known: Collection[str]) -> Overlay:
    """Lay the variables of the environment over settings, which stay as they are."""
    laid = _copy(settings)
    variables: dict[Path, str] = {}
    unknown: list[str] = []
    clashes: list[Diagnostic] = []
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name == CONFIG_VARIABLE or not environ[name]:
            continue
        first, *rest = name[len(PREFIX) :].lower().split("__")
        if first not in known:
            unknown.append(name)
            continue
        path = _set(laid, [first, *rest], VariableText(environ[name]))
        variables[path] = name
        if len(path) <= len(rest):
            message = f"{name} leads into {'.'.join(path)}, which is no table: take one of them out"
            clashes.append(Diagnostic.at(path, "wrong-type", message))
    return Overlay(laid, variables, tuple(unknown), tuple(clashes))


def _set(table: Table, names: list[str], text: VariableText) -> tuple[str, ...]:
    """Set a value below a table; the path of what was set, or of what is no table."""
    key = next((each for each in table if _plain(each) == _plain(names[0])), names[0])
    if len(names) == 1:
        table[key] = text
        return (key,)
    inner = table.setdefault(key, {})
    if not isinstance(inner, dict):
        return (key,)
    return (key, *_set(inner, names[1:], text))


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _copy(table: Table) -> Table:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in table.items()}
