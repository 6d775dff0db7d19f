"""API keys and the hashes of their secrets."""

# ruff: noqa: S101, PT012 - tests assert, and a raising session is a block

from dataclasses import replace
from datetime import timedelta

import pytest

from whereupon.ports import Store
from whereupon.records import ApiKey, ApiSecret, Changes, KeyKind, KeyLimit, Scope
from whereupon.testing.contracts.samples import NOON, after, save

_KEY = ApiKey(
    id="key_1",
    name="the shop — page ä",
    kind=KeyKind.CLIENT,
    scopes=frozenset({Scope.MESSAGES}),
    created_at=NOON,
    hint="wk_abcd",
    origins=("https://shop.example", "https://*.shop.example"),
    rotated_at=after(1),
    replaced_until=after(2),
    expires_at=after(3),
    last_used_at=after(4),
    replaced_used_at=after(5),
    limit=KeyLimit(100, timedelta(seconds=1.5), 2_500),
    shadow=True,
)
_PLAIN = ApiKey(
    id="key_2",
    name="plain",
    kind=KeyKind.SERVER,
    scopes=frozenset({Scope.SEND, Scope.READ}),
    created_at=NOON,
)
_NEW = ApiSecret(digest=b"\x01" * 32, key_id="key_1")
_OLD = ApiSecret(digest=b"\x02" * 32, key_id="key_1", ends_at=after(2))


def _keys(store: Store) -> dict[str, ApiKey]:
    with store.reading() as session:
        return {key.id: key for key in session.scan(ApiKey)}


def _secrets(store: Store) -> dict[bytes, ApiSecret]:
    with store.reading() as session:
        return {secret.digest: secret for secret in session.scan(ApiSecret)}


class ApiKeysContract:
    """See `StoreContract`."""

    def test_keys_are_kept_whole(self, store: Store) -> None:
        """With every field, and with none that may be missing."""
        save(store, Changes(api_keys={key.id: key for key in (_KEY, _PLAIN)}))
        assert _keys(store) == {"key_1": _KEY, "key_2": _PLAIN}

    def test_a_key_is_replaced_by_its_id(self, store: Store) -> None:
        """What is written last counts, field by field."""
        save(store, Changes(api_keys={"key_1": _KEY, "key_2": _PLAIN}))
        changed = replace(_PLAIN, id="key_1", revoked_at=after(9))
        save(store, Changes(api_keys={"key_1": changed}))
        assert _keys(store) == {"key_1": changed, "key_2": _PLAIN}

    def test_secrets_are_kept_ended_and_removed_by_their_digests(self, store: Store) -> None:
        """One that is not there is removed without harm."""
        save(store, Changes(api_secrets={each.digest: each for each in (_NEW, _OLD)}))
        ended = replace(_NEW, ends_at=after(7))
        save(store, Changes(api_secrets={_NEW.digest: ended, b"\x03" * 32: None}))
        assert _secrets(store) == {_NEW.digest: ended, _OLD.digest: _OLD}
        save(store, Changes(api_secrets={_OLD.digest: None}))
        assert _secrets(store) == {_NEW.digest: ended}

    def test_a_key_of_a_transaction_that_failed_was_never_there(self, store: Store) -> None:
        """Nor was its secret."""
        made = Changes(api_keys={"key_1": _KEY}, api_secrets={_NEW.digest: _NEW})
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.flush(made)
            raise ZeroDivisionError
        assert (_keys(store), _secrets(store)) == ({}, {})
