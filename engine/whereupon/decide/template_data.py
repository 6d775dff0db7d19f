"""What the templates of a step read: the message that opened the entry, the person, the time, what functions returned."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Final

from pydantic import JsonValue
from typing_extensions import override

from whereupon.messages.times import format_local
from whereupon.records import Person, Trail, results_of
from whereupon.templates import Addressee

_OWN: Final = ("person", "now")
_HIDING: Final = frozenset({*_OWN, "run"})


class TemplateData(Mapping[str, JsonValue]):
    """The variables of templates by name; each is made when a template asks for it.

    The engine's own names hide members of the message of the same name.

    Args:
        facts: see `Entry.facts`.
        person: as they are now.
        now: when the step is done.
        addressee: gives on whose clock ``now`` is written.
        trail: of the entry; ``run`` is there if it has a mark.
    """

    __slots__ = ("_addressee", "_facts", "_now", "_person", "_seen", "_trail")

    def __init__(
        self,
        facts: Mapping[str, JsonValue],
        person: Person,
        now: datetime,
        addressee: Callable[[], Addressee],
        trail: Trail = (),
    ) -> None:
        self._facts = facts
        self._person = person
        self._now = now
        self._addressee = addressee
        self._trail = trail
        self._seen: JsonValue = None

    @override
    def get(self, name: str, default: Any = None) -> Any:
        if name not in _HIDING:
            return self._facts.get(name, default)
        return self[name] if name == "person" else super().get(name, default)

    @override
    def __getitem__(self, name: str) -> JsonValue:
        if name == "person":
            if self._seen is None:
                self._seen = {**self._person.attributes, "user_id": self._person.user_id}
            return self._seen
        if name == "now":
            return _written(self._now, self._addressee().zone)
        if name == "run" and self._trail:
            return results_of(self._trail)
        return self._facts[name]

    @override
    def __iter__(self) -> Iterator[str]:
        run = ("run",) if self._trail else ()
        return iter(dict.fromkeys((*self._facts, *_OWN, *run)))

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=64)
def _written(now: datetime, zone: tzinfo) -> str:
    """The instant as templates see it; the steps of many entries share one instant."""
    return format_local(now, zone)
