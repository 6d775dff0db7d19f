"""``whereupon keys``: the API keys of those who call the HTTP service.

A secret is printed once, when it is made: alone on standard output, so that it can be piped to where it is kept.
Everything else goes to standard error. No secret is an argument, since lists of processes show arguments.
"""

import getpass
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail, print_to_stderr
from whereupon.cli.options import AsJson, StoreUrl, duration
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import keyed_engine
from whereupon.messages.times import parse_instant, parse_long_duration
from whereupon.operations.api_keys import KeyChanges, NewKey
from whereupon.operations.key_fields import LONGEST_SECRET, checked_limit
from whereupon.records import ApiKey, KeyKind, KeyLimit, KeyState, Scope
from whereupon.records.api_keys import MOST_AT_LIMIT
from whereupon.render.api_keys import key_line, key_object
from whereupon.rules.model import Rulebook
from whereupon.scheduling import SystemClock

app = typer.Typer(no_args_is_help=True)
_NO_RULES = Rulebook()


def expiry(text: str) -> datetime | timedelta:
    """Read an option that is an instant, or a duration from now on."""
    found = parse_long_duration(text) or parse_instant(text)
    if found is None:
        message = f"{text!r} is neither a duration such as 90d nor an instant such as 2027-01-31T00:00:00Z"
        raise typer.BadParameter(message)
    return found


KeyId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the key; not its secret.")
]
Scopes: TypeAlias = Annotated[
    list[Scope] | None,
    typer.Option(
        "--scope",
        "--role",
        help="What the key is good for; repeat it for more. Of a server key all by default.",
    ),
]
Origins: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--origin",
        metavar="ORIGIN",
        help="A page that may use a client key, as https://shop.example; repeat it for more.",
    ),
]
Expiry: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        metavar="WHEN", parser=expiry, help="For how long the key is good, as 90d, or an instant."
    ),
]
Limit: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="The most messages in each process, as '100 per 1s'."),
]
Burst: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_AT_LIMIT, help="With --limit: the most messages at once."),
]
Actor: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who does it, for the audit log; by default the user here."
    ),
]


@app.callback()
def keys_commands() -> None:
    """Make, list, change, rotate and revoke the API keys of the HTTP service."""


@app.command("create")
@exits_with_status
def keys_create(  # noqa: PLR0913, PLR0917 - one for each option
    name: Annotated[str, typer.Argument(help="What people call the key.")],
    store: StoreUrl,
    kind: Annotated[
        KeyKind,
        typer.Option(help="Who holds it: a server, a client that anybody can read, an operator."),
    ] = KeyKind.SERVER,
    scope: Scopes = None,
    origin: Origins = None,
    expires: Expiry = None,
    limit: Limit = None,
    burst: Burst = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only count what is over the limit.")
    ] = False,
    key_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Its id, such as the site id that apps have."),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Read a secret that apps have already from standard input."),
    ] = False,
    by: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print its secret, once. Tables are made if the store has none."""
    secret = _read_secret() if adopt else None
    with keyed_engine(store, _NO_RULES, make=True) as engine:
        made = engine.keys.create(
            name,
            kind=kind,
            scopes=scope or (),
            origins=origin or (),
            expires=expires,
            limit=_limit(limit, burst),
            shadow=shadow,
            adopt=secret,
            key_id=key_id,
            by=by or _user(),
        )
    print_to_stderr(f"whereupon: made {_shown(made.key)}")
    _print_secret(made, is_known=adopt, as_json=as_json)


@app.command("list")
@exits_with_status
def keys_list(
    store: StoreUrl,
    every: Annotated[
        bool, typer.Option("--all", help="Also keys that have expired or are revoked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys that are good, oldest first."""
    with keyed_engine(store, _NO_RULES) as engine:
        found, now = engine.keys.list(), engine.clock.now()
    shown = [key for key in found if every or key.state(now) is KeyState.GOOD]
    if as_json:
        print_objects(*(key_object(key, now) for key in shown))
    else:
        print_lines([key_line(key, now) for key in shown] or ["There are no such keys."])


@app.command("check")
@exits_with_status
def keys_check(store: StoreUrl, as_json: AsJson = False) -> None:
    """Read a secret from standard input, and say whose it is and whether it is good."""
    secret = _read_secret()
    with keyed_engine(store, _NO_RULES) as engine:
        found, now = engine.keys.identify(secret), engine.clock.now()
    if found.key is None:
        fail("no key has this secret", FINDINGS)
    if as_json:
        print_objects({**key_object(found.key, now), "refusal": found.refusal})
    else:
        print_lines([key_line(found.key, now)])
    if found.refusal is not None:
        fail(f"the secret is not good: {found.refusal}", FINDINGS)


@app.command("change")
@exits_with_status
def keys_change(  # noqa: PLR0913, PLR0917 - one for each option
    key_id: KeyId,
    store: StoreUrl,
    name: Annotated[str | None, typer.Option(help="What people call the key.")] = None,
    scope: Scopes = None,
    origin: Origins = None,
    any_origin: Annotated[
        bool, typer.Option("--any-origin", help="Let pages of every origin use it.")
    ] = False,
    expires: Expiry = None,
    never_expires: Annotated[bool, typer.Option("--never-expires", help="Without an end.")] = False,
    limit: Limit = None,
    burst: Burst = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Any number of messages.")] = False,
    shadow: Annotated[
        bool | None,
        typer.Option(
            "--shadow/--no-shadow", help="Only count what is over the limit, or refuse it."
        ),
    ] = None,
    by: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Change a key; its secret stays, and so does what is not named."""
    new_limit = _limit(limit, burst)
    changes: KeyChanges = {}
    if name is not None:
        changes["name"] = name
    if scope:
        changes["scopes"] = scope
    if _is_said(origin, any_origin, "--origin and --any-origin"):
        changes["origins"] = origin or ()
    if _is_said(expires, never_expires, "--expires and --never-expires"):
        changes["expires"] = expires
    if _is_said(limit, no_limit, "--limit and --no-limit"):
        changes["limit"] = new_limit
    if shadow is not None:
        changes["shadow"] = shadow
    if not changes:
        fail("say what to change; see --help")
    with keyed_engine(store, _NO_RULES) as engine:
        key = engine.keys.change(key_id, by=by or _user(), **changes)
    _print_key(f"changed {_shown(key)}", key, as_json=as_json)


@app.command("rotate")
@exits_with_status
def keys_rotate(
    key_id: KeyId,
    store: StoreUrl,
    overlap: Annotated[
        timedelta,
        typer.Option(
            metavar="DURATION",
            parser=duration,
            help="For how long the old secret is good, as 7d or 0s.",
        ),
    ] = "1d",  # type: ignore[assignment]  # the parser makes a duration of it
    by: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret for a key, and print it, once. The old one is good until the overlap is over."""
    with keyed_engine(store, _NO_RULES) as engine:
        made = engine.keys.rotate(key_id, overlap=overlap, by=by or _user())
    print_to_stderr(f"whereupon: rotated {_shown(made.key)}")
    _print_secret(made, is_known=False, as_json=as_json)


@app.command("revoke")
@exits_with_status
def keys_revoke(key_id: KeyId, store: StoreUrl, by: Actor = None, as_json: AsJson = False) -> None:
    """Revoke a key with all its secrets, for ever."""
    with keyed_engine(store, _NO_RULES) as engine:
        key = engine.keys.revoke(key_id, by=by or _user())
    _print_key(f"revoked {_shown(key)}", key, as_json=as_json)


def _is_said(given: object, undone: bool, names: str) -> bool:
    """Whether an option is given, or the one that takes it back; not both."""
    if given and undone:
        fail(f"choose one of {names}")
    return bool(given) or undone


def _read_secret() -> str:
    if sys.stdin is None:
        fail("give the secret on standard input")
    if sys.stdin.isatty():
        return getpass.getpass("The secret (it is not shown): ").strip()
    return sys.stdin.read(4 * LONGEST_SECRET).strip()


def _limit(text: str | None, burst: int | None) -> KeyLimit | None:
    limit = checked_limit(text)
    if limit is None:
        if burst is not None:
            fail("--burst goes with --limit")
        return None
    return limit if burst is None else replace(limit, burst=burst)


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # there is no such user, as in some containers
        return "unknown"


def _shown(key: ApiKey) -> str:
    return key_line(key, SystemClock().now())


def _print_key(said: str, key: ApiKey, *, as_json: bool) -> None:
    print_to_stderr(f"whereupon: {said}")
    if as_json:
        print_objects(key_object(key, SystemClock().now()))


def _print_secret(made: NewKey, *, is_known: bool, as_json: bool) -> None:
    """The secret, unless the caller has it already."""
    if as_json:
        own = {} if is_known else {"secret": made.secret}
        print_objects({**key_object(made.key, SystemClock().now()), **own})
    elif not is_known:
        print_to_stderr(
            "whereupon: its secret is shown once; keep it where only its holder reads it"
        )
        print_lines([made.secret])
