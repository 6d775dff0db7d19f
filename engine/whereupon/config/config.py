"""The configuration as a value, read from its file and the environment, and an engine made from it."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from whereupon.api.parts import UnknownChannels
from whereupon.config.arguments import arguments_of, read_arguments
from whereupon.config.callbacks import Maker, make_callbacks
from whereupon.config.channels import ConfiguredChannel, make_channels
from whereupon.config.door import DoorOptions
from whereupon.config.environment import CONFIG_VARIABLE, Table, overlay
from whereupon.config.functions import ConfiguredFunction, make_functions
from whereupon.config.secrets import TABLE, SecretReader, is_reference, written_secrets
from whereupon.config.server import ServerOptions
from whereupon.config.toml_places import Places, syntax_error
from whereupon.delivery.retries import Retry
from whereupon.engine import Engine
from whereupon.errors import ConfigInvalidError, Diagnostic
from whereupon.identity.algebra import IdentityPolicy
from whereupon.ports import Clock
from whereupon.rules.model import Rulebook

FILE = "whereupon.toml"
RULES = "rules"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings beside the channels; each has the name and the meaning of the argument of `Engine.open`.

    Attributes:
        store: as written; may be a reference to a secret, as `digest_key` may.
        rules: the rules folder.
        server: how `whereupon serve` takes requests; no argument of an engine.
        door: how it takes messages, likewise.
    """

    store: str | None = field(default=None, repr=False)  # its URL may have a password
    rules: str = RULES
    digest_key: str | None = field(default=None, repr=False)
    public_url: str | None = None
    unknown_channels: UnknownChannels | None = None
    poll: timedelta | None = None
    patience: timedelta | None = None
    schema: str | None = None
    migrate: bool | None = None
    identity: IdentityPolicy | None = None
    retry: Retry | None = None
    server: ServerOptions | None = None
    door: DoorOptions | None = None
    channels: dict[str, object] = field(default_factory=dict, repr=False)
    callbacks: dict[str, object] = field(default_factory=dict, repr=False)
    functions: dict[str, object] = field(default_factory=dict)
    secrets: dict[str, object] = field(default_factory=dict, repr=False)


_PASSED = (
    "public_url",
    "unknown_channels",
    "poll",
    "patience",
    "schema",
    "migrate",
    "identity",
    "retry",
)
_SECRETS = ("store", "digest_key")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was read; secrets and channels are read from it when they are asked for.

    Attributes:
        file: the file; None if there is none.
        folder: where relative paths begin: the file's folder.
        unknown: environment variables that begin with ``WHEREUPON_`` and name no setting.
    """

    file: Path | None
    folder: Path
    settings: Settings
    unknown: tuple[str, ...] = ()
    _raw: Table = field(default_factory=dict, repr=False)
    _places: Places = field(default=Places("", "", {}), repr=False)
    _environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def store(self) -> str | None:
        """The store's URL; None if none is named. The path of an SQLite file begins at the file's folder.

        Raises:
            ConfigInvalidError: it stands in a variable or file that is not there.
        """
        url = self._secret("store")
        if url is None or not url.startswith(_SQLITE) or self._is_from_variable("store"):
            return url
        path, mark, query = url.removeprefix(_SQLITE).partition("?")
        if not path or path == ":memory:" or path.startswith("file:"):
            return url
        return f"{_SQLITE}{self.folder / path}{mark}{query}"

    @property
    def rules(self) -> Path:
        """The rules folder."""
        folder = Path(self.settings.rules)
        return folder if self._is_from_variable("rules") else self.folder / folder

    @property
    def door(self) -> DoorOptions:
        """The options of the door. Folders in the file begin at the file's."""
        options = self.settings.door or DoorOptions()
        return replace(
            options,
            segment_scripts=self._placed("segment_scripts", options.segment_scripts),
            customerio_scripts=self._placed("customerio_scripts", options.customerio_scripts),
        )

    def _placed(self, name: str, folder: Path | None) -> Path | None:
        is_from_variable = ("door", name) in self._places.variables
        return folder if folder is None or is_from_variable else self.folder / folder

    @property
    def names_rules(self) -> bool:
        """Whether the rules folder is named, in the file or by a variable."""
        return "rules" in self._raw

    @property
    def digest_keys(self) -> tuple[bytes, ...]:
        """The key of the store's hashes, and former keys behind it; they are written with commas between.

        Raises:
            ConfigInvalidError: it stands in a variable or file that is not there.
        """
        text = self._secret("digest_key") or ""
        return tuple(part.encode() for part in text.split(","))

    @property
    def written_secrets(self) -> tuple[str, ...]:
        """The names of secrets that stand in the file in clear, such as ``channels.email.password``."""
        return tuple(".".join(map(str, path)) for path in written_secrets(self._raw))

    @property
    def source(self) -> str:
        """Where the settings come from, for people."""
        return str(self.file) if self.file is not None else "the environment"

    def channels(self) -> list[ConfiguredChannel]:
        """Make the channels.

        Raises:
            ConfigInvalidError: with everything that is wrong with them.
        """
        secrets = SecretReader(self._environ, self.folder)
        faults: list[Diagnostic] = []
        made = make_channels(self.settings.channels, secrets, faults)
        self._refuse(faults, secrets)
        return made

    def functions(self) -> list[ConfiguredFunction]:
        """Find the functions that `run` steps call.

        Raises:
            ConfigInvalidError: with everything that is wrong with them.
        """
        faults: list[Diagnostic] = []
        found = make_functions(self.settings.functions, faults)
        self._refuse(faults, SecretReader(self._environ, self.folder))
        return found

    def secrets(self) -> dict[str, str]:
        """Read the secrets that `webhook` steps may ask for, by name.

        Raises:
            ConfigInvalidError: one stands in a variable or file that is not there, or is no text.
        """
        secrets = SecretReader(self._environ, self.folder)
        read = {
            name: secrets.read(raw, (TABLE, name)) for name, raw in self.settings.secrets.items()
        }
        faults = [*secrets.faults]
        known = {fault.path for fault in faults}
        for name, value in read.items():
            if not isinstance(value, str) and (TABLE, name) not in known:
                message = f'a secret is a text: {name} = {{env = "NAME_OF_A_VARIABLE"}}'
                faults.append(Diagnostic.at((TABLE, name), "wrong-type", message))
        self._refuse(faults, secrets)
        return {name: str(value) for name, value in read.items()}

    def callbacks(self, ready: Mapping[str, Maker]) -> dict[str, Maker]:
        """Make what reads the reports of providers, by the names of channels.

        Args:
            ready: the classes that the tables may name.

        Raises:
            ConfigInvalidError: with everything that is wrong with them.
        """
        secrets = SecretReader(self._environ, self.folder)
        faults: list[Diagnostic] = []
        made = make_callbacks(self.settings.callbacks, ready, secrets, faults)
        self._refuse(faults, secrets)
        return made

    def open_engine(
        self,
        *,
        store: str | None = None,
        rules: Path | Rulebook | None = None,
        clock: Clock | None = None,
    ) -> Engine:
        """Open an engine with the channels, functions and secrets of the configuration.

        Args:
            store: comes before the configuration's, and so does ``rules``.

        Raises:
            ConfigInvalidError: with everything that is wrong.
            RulesInvalidError, StoreError: see `Engine.open`.
        """
        channels, functions, secrets = self.channels(), self.functions(), self.secrets()
        url = store if store is not None else self.store
        if url is None:
            raise ConfigInvalidError(diagnostics=self._located([_no_store()]))
        own, *former = self.digest_keys
        given = {name: getattr(self.settings, name) for name in _PASSED}
        try:
            engine = Engine.open(
                url,
                rules=rules if rules is not None else self.rules,
                clock=clock,
                digest_key=own,
                former_keys=former,
                secrets=secrets if self.settings.secrets else None,
                **{name: value for name, value in given.items() if value is not None},
            )
        except ValueError as error:  # of the settings, only the URL is checked there
            fault = Diagnostic.at(("public_url",), "wrong-value", str(error))
            raise ConfigInvalidError(diagnostics=self._located([fault])) from error
        try:
            for channel in channels:
                channel.register(engine)
            for function in functions:
                function.register(engine)
        except BaseException:
            engine.close()
            raise
        return engine

    def _secret(self, name: str) -> str | None:
        raw = self._raw.get(name)
        secrets = SecretReader(self._environ, self.folder)
        value = secrets.read(raw, (name,))
        self._refuse([*secrets.faults], secrets)
        return None if value is None else str(value)

    def _is_from_variable(self, name: str) -> bool:
        return (name,) in self._places.variables or is_reference(self._raw.get(name))

    def _refuse(self, faults: list[Diagnostic], secrets: SecretReader) -> None:
        if faults:
            told = [replace(each, message=secrets.masked(each.message)) for each in faults]
            raise ConfigInvalidError(diagnostics=self._located(told))

    def _located(self, faults: list[Diagnostic]) -> tuple[Diagnostic, ...]:
        return self._places.locate(faults)


def open_config(
    path: str | os.PathLike[str] | None = None,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> Engine:
    """Open the engine that ``whereupon.toml`` and the environment describe, with its channels.

    Args:
        path: the file; by default what ``WHEREUPON_CONFIG`` names, or ``whereupon.toml`` in the working
            directory. Without a file the environment alone counts.
        clock: says the time; the system's clock by default.
        environ: the environment; by default that of the process.

    Raises:
        ConfigInvalidError: with everything that is wrong, each with its place.
        RulesInvalidError, StoreError: see `Engine.open`.
    """
    return read_config(path, environ=environ).open_engine(clock=clock)


def read_config(
    path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None
) -> Config:
    """Read the configuration; no secret is read, and no channel is made.

    Args:
        path, environ: see `open_config`.

    Raises:
        ConfigInvalidError: with everything that is wrong.
    """
    environ = os.environ if environ is None else environ
    file = _file(path, environ)
    text = "" if file is None else _text(file)
    try:
        written: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalidError(diagnostics=(syntax_error(str(file), error),)) from error
    taken = arguments_of(Settings)
    laid = overlay(written, environ, taken)
    places = Places("" if file is None else str(file), text, laid.variables)
    plain = {
        name: value
        for name, value in laid.settings.items()
        if name not in _SECRETS or not is_reference(value)
    }
    values, faults = read_arguments(plain, (), taken)
    faults = [*laid.clashes, *faults]
    if faults:
        secrets = SecretReader(environ, Path())
        secrets.read(plain, ())
        told = [replace(each, message=secrets.masked(each.message)) for each in faults]
        raise ConfigInvalidError(diagnostics=places.locate(told))
    folder = Path() if file is None else file.parent
    settings = Settings(**values)  # type: ignore[arg-type]  # read by its own signature
    return Config(file, folder, settings, laid.unknown, laid.settings, places, dict(environ))


def _file(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path | None:
    named = path if path is not None else environ.get(CONFIG_VARIABLE) or None
    if named is not None:
        return Path(named)
    return Path(FILE) if Path(FILE).is_file() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        why, cause = "it is not UTF-8", error
    except OSError as oserror:
        why, cause = oserror.strerror or str(oserror), oserror  # type: ignore[assignment]
    message = (
        f"the configuration cannot be read: {why}; name another by --config or {CONFIG_VARIABLE}"
    )
    fault = Diagnostic.at((), "no-config", message)
    raise ConfigInvalidError(diagnostics=Places(str(file), "", {}).locate([fault])) from cause


def _no_store() -> Diagnostic:
    message = (
        f'name a store: store = "sqlite:///shop.db" in {FILE}, WHEREUPON_STORE, or --store URL; '
        f"whereupon init writes a {FILE}"
    )
    return Diagnostic.at((), "missing-key", message)
