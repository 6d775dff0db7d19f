"""The tables ``[functions.NAME]`` as functions of the host's: what is called, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

from whereupon.config.arguments import Argument, read_arguments
from whereupon.config.environment import Table, VariableText
from whereupon.config.ready_channels import found_in_module
from whereupon.config.toml_places import Path
from whereupon.delivery.functions import FunctionOptions, check_function, function_policy
from whereupon.engine import Engine
from whereupon.errors import Diagnostic, UnknownNameError

_USE = "use"


@dataclass(frozen=True, slots=True)
class ConfiguredFunction:
    """A function as the configuration has it.

    Attributes:
        use: ``module:name``.
        function: what that leads to.
        policy: the keywords of `Engine.function`.
    """

    name: str
    use: str
    function: Callable[..., object] = field(repr=False)
    policy: Mapping[str, object] = field(default_factory=dict)

    def register(self, engine: Engine) -> None:
        """Register it with an engine."""
        register: Callable[..., object] = engine.function
        register(self.name, self.function, **self.policy)


def make_functions(
    tables: Mapping[str, object], faults: list[Diagnostic]
) -> list[ConfiguredFunction]:
    """Find every function that can be found; what is wrong with the others is added to the faults."""
    made = (_make(name, raw, ("functions", name), faults) for name, raw in tables.items())
    return [each for each in made if each is not None]


def _make(
    name: str, raw: object, path: Path, faults: list[Diagnostic]
) -> ConfiguredFunction | None:
    table: object = {_USE: str(raw)} if isinstance(raw, str | VariableText) else raw
    if not isinstance(table, dict) or not isinstance(table.get(_USE), str):
        message = f'say which function: {name} = "shop.scoring:score_lead" in [functions]'
        faults.append(Diagnostic.at(path, "wrong-type", message))
        return None
    use = str(table[_USE])
    policy = _policy(name, {k: each for k, each in table.items() if k != _USE}, path, faults)
    where = (*path, _USE) if isinstance(raw, dict) else path
    try:
        found = found_in_module(use)
        check_function(name, found)
    except (UnknownNameError, ImportError, TypeError, ValueError) as error:
        faults.append(Diagnostic.at(where, "unknown-function", f"{use}: {error}"))
        return None
    assert callable(found)  # noqa: S101 - checked
    return None if policy is None else ConfiguredFunction(name, use, found, policy)


def _policy(
    name: str, table: Table, path: Path, faults: list[Diagnostic]
) -> dict[str, object] | None:
    """The keywords of `Engine.function`; None if they are wrong."""
    hints = get_type_hints(FunctionOptions)
    taken = {key: Argument(key, hint, False, False, True) for key, hint in hints.items()}
    policy, wrong = read_arguments(table, path, taken, beside=(_USE,))
    check: Callable[..., object] = function_policy
    for key, value in policy.items():
        try:
            check(name, {key: value})
        except (ValueError, TypeError) as error:
            wrong.append(Diagnostic.at((*path, key), "wrong-value", str(error)))
    faults += wrong
    return None if wrong else policy
