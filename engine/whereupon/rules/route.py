"""The route of a rule: each step by its address, and where an entry goes after it.

A step's address is its path: its number from 0 among the steps that it stands with, behind the address of the step
and the label of the arm that hold it, such as ``2``, ``2.else.0``, ``3.b.1``. A step's `name` takes the place
of its whole path. From the second round of a wait with `again` on, ``#`` and the number of the round follow.
Stored entries and idempotency keys say addresses, so how they are made never changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition
from whereupon.messages.model import MessageType
from whereupon.rules.steps.exit import Leave
from whereupon.rules.steps.step_form import Step, Steps

END: Final = "end"
"""The address behind the last step."""
MOST_ROUNDS: Final = 10
"""How often a wait starts anew."""


@dataclass(slots=True)  # not frozen, which would cost four times as much to make
class Place:
    """A step on its route.

    Attributes:
        address: without a round.
        path: where the step stands in its file: keys and positions.
        following: the address of the step that comes after it; `END` if none does.
        loops: the addresses of the waits that may start anew and hold the step, from the outside in; a wait that
            may start anew holds itself.
        order: how many steps stand before it in the file.
    """

    address: str
    step: Step
    path: tuple[str | int, ...]
    following: str
    loops: tuple[str, ...]
    order: int


class Route:
    """The steps of a rule, by address. Its places are found when they are first asked for.

    Args:
        is_plain: for a copy of other steps, what holds of these; found by the steps themselves if it is None.

    Attributes:
        first: the address of the first step; `END` if there is none.
        is_plain: whether the rule has nothing but sends, plain waits and the like: no arms, no `if`, no name.
    """

    __slots__ = ("_arms", "_places", "first", "is_plain", "steps")

    def __init__(self, steps: Sequence[Step], *, is_plain: bool | None = None) -> None:
        self.steps: Steps = tuple(steps)
        plain = all(map(_is_plain, self.steps)) if is_plain is None else is_plain
        self.first: Final = (self.steps[0].name or "0") if self.steps else END
        self.is_plain: Final = plain
        self._places: dict[str, Place] | None = None
        self._arms: dict[tuple[str, str], str] = {}

    @property
    def places(self) -> Mapping[str, Place]:
        """Every step by its address, in the order of the file."""
        if self._places is None:
            found: dict[str, Place] = {}
            self._walk(found, self.steps, "", ("whereupon",), END, ())
            self._places = found
        return self._places

    def place(self, address: str) -> Place | None:
        """The step at an address, of whichever round; None behind the last, and if there is no such step."""
        places = self._places or self.places
        return places.get(address) or places.get(base_of(address))

    def before(self, address: str) -> Step | None:
        """The step that stands before an address, among those that it stands with; None for the first."""
        place = self.place(address)
        path = ("whereupon", len(self.steps)) if place is None else place.path
        *list_path, number = path
        if place is None and address.isdecimal():
            number = int(address)
        wanted = (*list_path, int(number) - 1)
        return next((p.step for p in self.places.values() if p.path == wanted), None)

    def after(self, address: str) -> str:
        """Where an entry goes that has done a step."""
        place = self.places[base_of(address)]
        return self._going(place, place.following, address)

    def arm(self, address: str, label: str) -> str:
        """Where an entry goes that takes an arm of a step: to its first step, or on, if it has none."""
        place = self.places[base_of(address)]
        first = self._arms.get((place.address, label), "")
        return self._going(place, first or self._beyond(place, label), address)

    def beside(self, address: str, other: str) -> str:
        """Another step's address as an entry would come to it in the rounds in which it is."""
        place = self.places.get(base_of(address))
        if place is None:
            return other
        if other == place.address:
            return address
        rounds = _rounds_of(address, len(place.loops))
        return _in_rounds(place, self.places[other], rounds)

    def _beyond(self, place: Place, label: str) -> str:
        """Where an arm without steps leads to."""
        return place.address if label in place.step.looping else place.following

    def _going(self, place: Place, to: str, address: str) -> str:
        """The address with its rounds, from an address with its own."""
        if not place.loops:
            return to
        target = self.places.get(to)
        if target is None:
            return to
        rounds = _rounds_of(address, len(place.loops))
        if to in place.loops and target.order <= place.order:  # it starts anew
            number = rounds[len(target.loops) - 1] + 1
            if number > MOST_ROUNDS:
                return self._going(target, target.following, address)
            rounds = (*rounds[: len(target.loops) - 1], number)
        return _in_rounds(place, target, rounds)

    def _walk(
        self,
        found: dict[str, Place],
        steps: Steps,
        before: str,
        path: tuple[str | int, ...],
        beyond: str,
        loops: tuple[str, ...],
    ) -> None:
        """Add the places of a list of steps, and of those within them."""
        addresses = [step.name or f"{before}{i}" for i, step in enumerate(steps)]
        addresses.append(beyond)
        for i, step in enumerate(steps):
            address, following = addresses[i], addresses[i + 1]
            within = (*loops, address) if step.looping else loops
            found[address] = Place(address, step, (*path, i), following, within, len(found))
            for label, inner, within_step in step.arms:
                loops_back = label in step.looping
                first = inner[0].name or f"{address}.{label}.0" if inner else ""
                self._arms[address, label] = first
                self._walk(
                    found,
                    inner,
                    f"{address}.{label}.",
                    (*path, i, *within_step),
                    address if loops_back else following,
                    within if loops_back else loops,
                )

    # --- what all steps together say ------------------------------------------------------------

    def every_step(self) -> Iterator[Step]:
        """Every step, those of arms included, in the order of the file."""
        if not any(step.arms for step in self.steps):
            return iter(self.steps)
        return (place.step for place in self.places.values())

    def lists(self) -> Iterator[tuple[Steps, tuple[str | int, ...]]]:
        """Every list of steps, those of arms included, and where it stands in the file."""
        yield self.steps, ("whereupon",)
        for place in self.places.values():
            for _, inner, within_step in place.step.arms:
                yield inner, (*place.path, *within_step)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition over the person that a step asks."""
        return tuple(condition for step in self.every_step() for condition in step.conditions)

    @property
    def awaited(self) -> frozenset[str]:
        """The names of the events that steps wait for."""
        return frozenset(name for step in self.every_step() for name in step.awaited)

    @property
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The messages, by type and name, that steps send; they may trigger rules and end entries."""
        return tuple(message for step in self.every_step() for message in step.messages_sent)

    if not TYPE_CHECKING:

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Route) and self.steps == other.steps

        def __hash__(self) -> int:
            return hash(self.steps)

    @override
    def __repr__(self) -> str:
        return f"Route({self.steps!r})"


def _is_plain(step: Step) -> bool:
    return not step.arms and not step.conditions and not step.holds_entry and step.name is None


def base_of(address: str) -> str:
    """An address without its round."""
    return address.partition("#")[0]


def _in_rounds(place: Place, target: Place, rounds: Sequence[int]) -> str:
    """The address of a step with the rounds of the loops that hold it and another one, whose rounds these are."""
    shared = 0
    for mine, theirs in zip(place.loops, target.loops, strict=False):
        if mine != theirs:
            break
        shared += 1
    kept = (*rounds[:shared], *(0,) * (len(target.loops) - shared))
    return f"{target.address}#{'.'.join(map(str, kept))}" if any(kept) else target.address


def _rounds_of(address: str, depth: int) -> tuple[int, ...]:
    """The round of each loop that holds an address, from the outside in."""
    written = address.partition("#")[2]
    rounds = tuple(map(int, written.split("."))) if written else ()
    return (*rounds, *(0,) * depth)[:depth]


def ends_always(step: Step) -> bool:
    """Whether an entry is over in any case that comes to the step: an exit, or arms that all end it."""
    if step.condition is not ALWAYS:
        return False
    if isinstance(step, Leave):
        return True
    return step.is_exhaustive and all(any(map(ends_always, arm.steps)) for arm in step.arms)
