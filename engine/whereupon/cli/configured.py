"""The configuration as commands use it: what an option leaves out comes from ``whereupon.toml`` or the environment.

An option comes first, then the environment, then the file, then the default. A command that takes its store from
the configuration says so on standard error.
"""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, NoReturn, TypeAlias

import typer

from whereupon.cli.exit_status import fail, print_to_stderr
from whereupon.config import Config, read_config
from whereupon.errors import ConfigInvalidError
from whereupon.storage.addresses import shown_address

_META = "whereupon.config"
_FILE = "whereupon.config.file"


class KnownStore(str):
    """The URL of a store, with the configuration that it was chosen beside."""

    __slots__ = ("config", "is_given")

    config: Config
    is_given: bool
    """Whether the option names it."""


def note_file(ctx: typer.Context, _param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Note which file ``--config`` names, before the other options are read."""
    if value is not None:
        ctx.meta[_FILE] = value
    return value


ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=note_file,
        is_eager=True,
        help="The configuration; by default WHEREUPON_CONFIG, or whereupon.toml.",
    ),
]


def taking_config(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the option ``--config``, if it has a store or rules; what it does is as before."""
    signature = inspect.signature(command)
    taken = signature.parameters
    if "config" in taken or not taken.keys() & {"store", "rules", "folder"}:
        return command
    added = inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile
    )

    @wraps(command)
    def wrapped(*args: object, config: Path | None = None, **kwargs: object) -> None:
        del config  # its callback has noted it
        command(*args, **kwargs)

    wrapped.__signature__ = signature.replace(parameters=[*taken.values(), added])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {**command.__annotations__, "config": ConfigFile}
    return wrapped


def config_of(ctx: typer.Context) -> Config:
    """The configuration of a command, read once. Its errors end the command."""
    found = ctx.meta.get(_META)
    if not isinstance(found, Config):
        try:
            found = ctx.meta[_META] = read_config(ctx.meta.get(_FILE))
        except ConfigInvalidError as error:
            fail_for(error)
        for name in found.unknown:
            print_to_stderr(f"whereupon: {name} names no setting, and is ignored")
    return found


def secrets_beside(ctx: typer.Context, folder: Path) -> frozenset[str] | None:
    """The names of the secrets of the configuration that has the rules folder; None if it has none."""
    found = ctx.meta.get(_META)
    if not isinstance(found, Config) or not found.settings.secrets:
        return None
    is_its = found.rules.resolve() == folder.resolve()
    return frozenset(found.settings.secrets) if is_its else None


def fail_for(error: ConfigInvalidError) -> NoReturn:
    """Print all that is wrong with the configuration, and exit."""
    for diagnostic in error.diagnostics:
        print_to_stderr(str(diagnostic))
    fail("the configuration has errors; nothing was done")


def import_beside(config: Config) -> None:
    """Have modules beside the file found first, as by a server that is started there."""
    place = str(config.folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)


def required_store(ctx: typer.Context, value: str) -> str:
    """The store of ``--store`` or of the configuration; without either the command ends."""
    found = KnownStore(value or _configured_store(ctx) or "")
    if not found:
        fail('name a store: --store URL, WHEREUPON_STORE, or store = "…" in whereupon.toml')
    found.config, found.is_given = config_of(ctx), bool(value)
    return found


def store_if_any(ctx: typer.Context, value: str | None) -> str | None:
    """The store of ``--store``, or of the configuration if no stream is named; else None."""
    if value is not None or ctx.params.get("streams"):
        return value
    return _configured_store(ctx)


def store_to_count(ctx: typer.Context, value: str | None) -> str | None:
    """The store of ``--store``, or of the configuration; of the latter it is known that nobody gave it."""
    configured = None if value is not None else _configured_store(ctx)
    if configured is None:
        return value
    found = KnownStore(configured)
    found.config, found.is_given = config_of(ctx), False
    return found


def digest_keys(store: str) -> tuple[bytes, ...]:
    """The key of the configuration that a store was chosen beside, and former keys behind it."""
    try:
        return store.config.digest_keys if isinstance(store, KnownStore) else (b"",)
    except ConfigInvalidError as error:
        fail_for(error)


def rules_in_use(ctx: typer.Context, param: typer.CallbackParam, value: Path) -> Path:
    """The folder that is given, or that of the configuration. It must be there."""
    folder = value if _is_given(ctx, param) else config_of(ctx).rules
    _check_folder(folder, param)
    return folder


def rules_if_any(ctx: typer.Context, param: typer.CallbackParam, value: Path | None) -> Path | None:
    """The folder that is given, or that the configuration names; None if neither does."""
    config = None if value is not None else config_of(ctx)
    folder = config.rules if config is not None and config.names_rules else value
    if folder is not None:
        _check_folder(folder, param)
    return folder


def _configured_store(ctx: typer.Context) -> str | None:
    config = config_of(ctx)
    try:
        store = config.store
    except ConfigInvalidError as error:
        fail_for(error)
    if store is not None:
        print_to_stderr(f"whereupon: the store is {shown_address(store)} ({config.source})")
    return store


def _is_given(ctx: typer.Context, param: typer.CallbackParam) -> bool:
    source = ctx.get_parameter_source(param.name or "")
    return source is not None and source.name != "DEFAULT"


def _check_folder(folder: Path, param: typer.CallbackParam) -> None:
    """End the command if the folder is not there; its name stands in the sentence, as typer writes it."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        name = "--rules" if param.name == "rules" else "DIR"
        fail(f"the rules folder {str(folder)!r} {what}; name another: {name}")
