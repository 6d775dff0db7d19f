"""The store and the rules that a command works with."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path

from whereupon.api.config import settings_for
from whereupon.cli.configured import digest_keys
from whereupon.cli.exit_status import FINDINGS, fail
from whereupon.cli.options import RULES, paths_of
from whereupon.engine import Engine
from whereupon.errors import OperationError, RequestError, StoreError, UnknownNameError
from whereupon.messages.streams import StreamReader
from whereupon.ports import Session, Store
from whereupon.render.formatting import clean
from whereupon.replay.stream_replay import read_streams, replay, temporary_store
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rulebook
from whereupon.storage import open_store

DIGEST_KEY = "WHEREUPON_DIGEST_KEY"
"""The environment variable with the key of the store's hashes (see `Config.digest_keys`).

It is not an option, since lists of processes show options.
"""

_MOST_SEARCHED = 10_000
_SQLITE_FILE = "sqlite:///"


def existing_store(url: str) -> Store:
    """The store at a URL; raises `StoreError` if there is none, and creates neither file nor tables."""
    path = url.removeprefix(_SQLITE_FILE).partition("?")[0]
    if url.startswith(_SQLITE_FILE) and path and not Path(path).exists():
        raise StoreError(code="no-store", reason=f"there is no file {path}")
    return open_store(url, make=False)


@contextmanager
def keyed_engine(
    url: str, rules: Path | Rulebook = RULES, *, make: bool = False
) -> Iterator[Engine]:
    """An engine on a store, with the keys of the configuration. Its errors end the command.

    Args:
        make: whether to make the store if there is none.
    """
    own, *former = digest_keys(url)
    book = rules if isinstance(rules, Rulebook) else open_rules(rules)
    settings = settings_for(book, digest_key=own, former_keys=former)
    store = open_store(url) if make else existing_store(url)
    with Engine(store, book, settings=settings) as engine:
        try:
            yield engine
        except (OperationError, RequestError, UnknownNameError) as error:
            fail(str(error), FINDINGS)


def rules_for(folder: Path | None, store: str | None) -> Rulebook:
    """The rules of a folder, or of the default folder.

    A store can be asked without rules, since it keeps its decisions. A replay needs rules.
    """
    if folder is None and store is not None and not RULES.is_dir():
        return Rulebook()
    if folder is None and not RULES.is_dir():
        fail(f"there is no folder {str(RULES)!r}, and a replay needs rules; name one: --rules DIR")
    return open_rules(folder or RULES)


@contextmanager
def store_to_ask(url: str | None, streams: Sequence[Path], book: Rulebook) -> Iterator[Store]:
    """The store at a URL, or a temporary store with a replay of the streams."""
    if (url is None) == (not streams):
        fail("name either a store (--store URL) or streams to replay (--stream STREAM)")
    if url is not None:
        with closing(existing_store(url)) as store:
            yield store
        return
    with temporary_store() as temporary:
        replay(
            read_streams(paths_of(list(streams)), StreamReader()),
            lambda clock: Engine.open(temporary, rules=book, clock=clock),
            lambda _: None,
        )
        with closing(open_store(temporary)) as store:
            yield store


def unknown_person(session: Session, person: str) -> str:
    """A sentence that the person is not known, with similar user ids that are."""
    ids = [known.user_id for known in session.persons_after(0, _MOST_SEARCHED)]
    near = get_close_matches(person, ids, n=3)
    hint = f"; similar ids: {', '.join(map(clean, near))}" if near else ""
    return f"nobody is known as {person!r} here{hint}"
