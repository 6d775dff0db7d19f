"""Letting go of what is done with, in memory; see `whereupon.storage.sql.bygones`."""

from collections.abc import Callable, Iterable

from whereupon.records import (
    DONE,
    NOTHING,
    Entry,
    PruneStep,
    RetainedKind,
    RetentionCutoff,
    has_ended,
    keeps_out,
)
from whereupon.storage.memory.shelves import Shelves
from whereupon.storage.memory.undo import Undo


def let_go(
    bygones: RetentionCutoff, shelves: Shelves, undo: Undo, after: int, reach: int
) -> PruneStep:
    """Drop what is old among the next rows."""
    if bygones.kind is RetainedKind.SET_ASIDE:
        names = _old_asides(bygones, shelves)[:reach]
        for name in names:
            undo.drop(shelves.set_aside, name)
        return PruneStep(len(names), cursor=after if len(names) == reach else None)
    keys = sorted(key for key in _rows(bygones.kind, shelves) if key > after)
    looked_at = keys[:reach]
    gone, emptied = _split(bygones, shelves, looked_at)
    drop = _dropping(bygones.kind, shelves, undo)
    for key in gone:
        drop(key)
    for key in emptied:
        shelves.change_entry(shelves.entries[key]._replace(facts=NOTHING), undo)
    return PruneStep(len(gone), len(emptied), looked_at[-1] if len(looked_at) == reach else None)


def count(bygones: RetentionCutoff, shelves: Shelves) -> PruneStep:
    """How much would be dropped."""
    if bygones.kind is RetainedKind.SET_ASIDE:
        return PruneStep(len(_old_asides(bygones, shelves)))
    gone, emptied = _split(bygones, shelves, _rows(bygones.kind, shelves))
    return PruneStep(len(gone), len(emptied))


def _rows(kind: RetainedKind, shelves: Shelves) -> Iterable[int]:
    match kind:
        case RetainedKind.SKIPS:
            return shelves.skips
        case RetainedKind.DELIVERIES:
            return shelves.deliveries
        case _:
            return shelves.entries


def _dropping(kind: RetainedKind, shelves: Shelves, undo: Undo) -> Callable[[int], object]:
    match kind:
        case RetainedKind.SKIPS:
            return lambda key: undo.drop(shelves.skips, key)
        case RetainedKind.DELIVERIES:
            return lambda key: shelves.drop_delivery(key, undo)
        case _:
            return lambda key: shelves.drop_entry(key, undo)


def _split(
    bygones: RetentionCutoff, shelves: Shelves, keys: Iterable[int]
) -> tuple[list[int], list[int]]:
    """Those of the keys that go, and those of entries that are only emptied."""
    match bygones.kind:
        case RetainedKind.SKIPS:
            return [k for k in keys if shelves.skips[k].decided_at < bygones.before], []
        case RetainedKind.DELIVERIES:
            found = (shelves.deliveries[key] for key in keys)
            return [d.key for d in found if d.state in DONE and d.due_at < bygones.before], []
        case _:
            ended = [e for k in keys if has_ended(e := shelves.entries[k], bygones.before)]
            staying = {entry.key for entry in ended if keeps_out(entry, bygones)}
            emptied = [e.key for e in ended if e.key in staying and _says_something(e)]
            return [e.key for e in ended if e.key not in staying], emptied


def _says_something(entry: Entry) -> bool:
    return bool(entry.facts)


def _old_asides(bygones: RetentionCutoff, shelves: Shelves) -> list[str]:
    kept = shelves.set_aside.items()
    old = [(each.set_aside_at, name) for name, each in kept if each.set_aside_at < bygones.before]
    return [name for _, name in sorted(old)]
