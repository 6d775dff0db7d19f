"""The rules that one name has, and which of them a message has to be decided for.

A roll is a value: changing a rule makes another, which shares all pages but that rule's. Its
revision names its content, so that one stored word can stand for all rules that did not match.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from hashlib import blake2b
from itertools import accumulate, chain
from typing import overload

from whereupon.conditions import Data
from whereupon.conditions.paths import root_of
from whereupon.matching.criteria import attributes_of
from whereupon.matching.rule_block import FEW, PAGE, Candidate, Looked, RuleBlock
from whereupon.messages.codec import encode
from whereupon.rules.model import OncePerKey, Rule, RuleKind
from whereupon.runtime.lazy import cached_property


class RuleList(Sequence[Rule]):
    """Rules, in the order in which they are decided."""

    def __init__(self, pages: Iterable[RuleBlock] = ()) -> None:
        self._pages = tuple(pages)
        self._rules = tuple(chain.from_iterable(page.rules for page in self._pages))
        self._firsts = [0, *accumulate(map(len, self._pages))]

    @classmethod
    def of(cls, rules: Iterable[Rule], *, page: int = PAGE, few: int = FEW) -> "RuleList":
        """The roll of these rules.

        Args:
            page: rules of one page.
            few: below so many rules a page evaluates each.
        """
        every = tuple(rules)
        firsts = range(0, len(every), page)
        return cls(RuleBlock(every[first : first + page], few=few) for first in firsts)

    def __len__(self) -> int:
        return len(self._rules)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Rule]: ...
    def __getitem__(self, place: int | slice) -> Rule | Sequence[Rule]:
        return self._rules[place]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    @cached_property
    def revision(self) -> str:
        """16 hexadecimal digits of the rules, their versions and their order."""
        return blake2b(self.as_bytes, digest_size=8).hexdigest()

    @property
    def as_bytes(self) -> bytes:
        """What is kept of the roll under its revision: each rule's id, digest and kind, in order."""
        return encode({"roll": [[rule.id, rule.digest, rule.kind] for rule in self._rules]})

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The rules' places, by their ids."""
        return {rule.id: place for place, rule in enumerate(self._rules)}

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The person's attributes that decide whether a rule is a candidate."""
        return frozenset(chain.from_iterable(map(attributes_of, self._rules)))

    @cached_property
    def longest_age(self) -> timedelta:
        """How old a message may be for any of its rules; none is opened by an older one."""
        return max((rule.max_age for rule in self._rules), default=timedelta())

    @cached_property
    def roots(self) -> frozenset[str]:
        """What deciding its rules reads of a message, by the names at the root of the data."""
        return roots_of(self._rules)

    def candidates(
        self, data: Data, *, kind: RuleKind | None = None, since: int = 0
    ) -> list[Candidate]:
        """The rules that have to be decided for a message, in order.

        Each of the others is skipped, for a reason that the message, the person's `attributes` and
        the rule tell by themselves: its `where` or the first part of its `who` does not hold.

        Args:
            data: as conditions see it.
            kind: campaigns or broadcasts only.
            since: from that place on.
        """
        looked = Looked(data)
        if len(self._pages) == 1 and not since:
            return self._pages[0].candidates(looked, kind, 0)
        found: list[Candidate] = []
        for page, first in zip(self._pages, self._firsts, strict=False):
            if first + len(page) > since:
                found += page.candidates(looked, kind, first)
        return [each for each in found if each.place >= since] if since else found

    def with_rule(self, rule: Rule) -> "RuleList":
        """This roll with the rule in the place of the one of its id, or behind all others."""
        for place, page in enumerate(self._pages):
            if any(each.id == rule.id for each in page.rules):
                changed = [rule if each.id == rule.id else each for each in page.rules]
                return self._with_page(place, changed)
        if not self._pages or len(self._pages[-1]) >= PAGE:
            return RuleList((*self._pages, RuleBlock([rule])))
        return self._with_page(len(self._pages) - 1, [*self._pages[-1].rules, rule])

    def without(self, rule_id: str) -> "RuleList":
        """This roll without the rule of that id."""
        for place, page in enumerate(self._pages):
            kept = [rule for rule in page.rules if rule.id != rule_id]
            if len(kept) < len(page):
                return self._with_page(place, kept)
        return self

    def _with_page(self, place: int, rules: Sequence[Rule]) -> "RuleList":
        few = self._pages[place].few
        page = [RuleBlock(rules, few=few)] if rules else []
        return RuleList((*self._pages[:place], *page, *self._pages[place + 1 :]))


class Selected(Sequence[Rule]):
    """Those of a roll that a message is put to, and rules that something else names besides.

    Attributes:
        kind: campaigns or broadcasts only; None for both.
        besides: rules that a change of segments names, decided behind the others.
        roots: see `RuleList.roots`.
    """

    __slots__ = ("_before", "besides", "kind", "roll", "roots")

    def __init__(self, roll: RuleList, *, kind: RuleKind | None = None) -> None:
        self.roll = roll
        self.kind = None if all(rule.kind is kind for rule in roll) else kind
        self.besides: Sequence[Rule] = ()
        self.roots = roll.roots
        of_kind = (rule.kind is self.kind for rule in roll) if self.kind else ()
        self._before = list(accumulate(of_kind, initial=0))

    def candidates(self, data: Data, *, since: int = 0) -> list[Candidate]:
        """Those of the roll that have to be decided (see `RuleList.candidates`)."""
        return self.roll.candidates(data, kind=self.kind, since=since)

    def between(self, since: int, until: int) -> Sequence[Rule]:
        """Those of the roll from one place up to another."""
        kind, rules = self.kind, self.roll[since:until]
        return rules if kind is None else [rule for rule in rules if rule.kind is kind]

    def size(self, since: int, until: int) -> int:
        """How many of the roll there are from one place up to another."""
        return until - since if self.kind is None else self._before[until] - self._before[since]

    def place_of(self, rule_id: str) -> int | None:
        """The rule's place in the roll, if it is one of these."""
        place = self.roll.places.get(rule_id)
        if place is None or self.kind in {None, self.roll[place].kind}:
            return place
        return None

    def __len__(self) -> int:
        return self.size(0, len(self.roll)) + len(self.besides)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Rule]: ...
    def __getitem__(self, place: int | slice) -> Rule | Sequence[Rule]:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[Rule]:
        return chain(self.between(0, len(self.roll)), self.besides)

    def and_besides(self, rules: Iterable[Rule]) -> "Selected":
        """These, and those of the rules that are not among them."""
        besides = tuple(rule for rule in rules if self.place_of(rule.id) is None)
        if not besides:
            return self
        more = copy(self)
        more.besides, more.roots = besides, self.roots | roots_of(besides)
        return more


def roots_of(rules: Iterable[Rule]) -> frozenset[str]:
    """See `RuleList.roots`."""
    paths = (path for rule in rules for path in (*rule.where.variables, *rule.who.variables))
    keys = (rule.reentry.path for rule in rules if isinstance(rule.reentry, OncePerKey))
    return frozenset([*(root_of(path) for path in paths), *(key[0] for key in keys)])
