"""The rules that one name triggers, and which of them have to be decided for a message.

A list is a value. Its revision names its content, so that one stored summary can stand for all rules of the
list that a message does not open.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from hashlib import blake2b
from itertools import accumulate, chain
from typing import TypeAlias, overload

from whereupon.conditions import Data
from whereupon.conditions.paths import root_of
from whereupon.matching.attribute_tables import ValueKind, view_of
from whereupon.matching.criteria import attributes_of
from whereupon.matching.rule_block import (
    BLOCK,
    FEW,
    Candidate,
    JsonObject,
    RuleBlock,
    Screens,
    Texts,
    versions_of,
)
from whereupon.messages.codec import encode
from whereupon.messages.json_scan import sole_text
from whereupon.messages.model import Message
from whereupon.records import Person, SkippedList
from whereupon.rules.model import OncePerKey, Rule, RuleKind
from whereupon.runtime.lazy import cached_property

_OTHER = ValueKind.OTHER  # an attribute of an enumeration is looked up slowly
_Screened: TypeAlias = Sequence[tuple[RuleBlock, int, Screens]]
"""Blocks, each with the place of its first rule and with screens."""


class RuleList(Sequence[Rule]):
    """Rules, in the order in which they are decided.

    Attributes:
        blocks: the rules, some to each block.
        placed: each block with the place of its first rule.
    """

    def __init__(self, blocks: Iterable[RuleBlock] = ()) -> None:
        self.blocks = tuple(blocks)
        self._rules = tuple(chain.from_iterable(block.rules for block in self.blocks))
        firsts = accumulate(map(len, self.blocks), initial=0)
        self.placed = tuple(zip(self.blocks, firsts, strict=False))

    @classmethod
    def of(
        cls,
        rules: Iterable[Rule],
        *,
        earlier: "RuleList | None" = None,
        block: int = BLOCK,
        few: int = FEW,
    ) -> "RuleList":
        """The list of these rules.

        Args:
            earlier: a list whose equal blocks are shared, and with them their tables; the list itself, if all
                are equal.
            block: rules of one block.
            few: a block of fewer rules evaluates each of them.
        """
        every = tuple(rules)
        parts = [every[first : first + block] for first in range(0, len(every), block)]
        if earlier is None:
            return cls(RuleBlock(part, few=few) for part in parts)
        known = {each.versions: each for each in earlier.blocks}
        blocks = [known.get(versions_of(part)) or RuleBlock(part, few=few) for part in parts]
        return earlier if tuple(blocks) == earlier.blocks else cls(blocks)

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
        """What is stored of the list under its revision: each rule's id, digest and kind, in order."""
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
        """How old a message may be to open any of the rules."""
        return max((rule.max_age for rule in self._rules), default=timedelta())

    @cached_property
    def roots(self) -> frozenset[str]:
        """What deciding the rules reads of a message, by the names at the root of the data."""
        return roots_of(self._rules)

    def candidates(
        self, data: Data, *, kind: RuleKind | None = None, since: int = 0
    ) -> list[Candidate]:
        """The rules that have to be decided for a message, in order.

        Each other rule is skipped, since its `where` or the first part of its `who` does not hold. The
        message, the rule and the person's `attributes` are enough to find that reason again.

        Args:
            data: as conditions read it.
            kind: campaigns or broadcasts only; None for both.
            since: the place of the first rule to look at.
        """
        if len(self.blocks) == 1 and not since:
            return self.blocks[0].candidates(data, kind, 0)
        found: list[Candidate] = []
        for block, first in self.placed:
            if first + len(block) > since:
                found += block.candidates(data, kind, first)
        return [each for each in found if each.place >= since] if since else found


class RuleSelection(Sequence[Rule]):
    """The rules of a list that a message is evaluated against, and rules that are triggered otherwise.

    Attributes:
        selected: how many rules of the list these are.
        kind: campaigns or broadcasts of the list only; None for both.
        end: the place behind the last rule of the list.
        besides: rules that a change of segments triggers, or that a person becomes known. They are decided
            among the others, by `Rule.precedence`.
        roots: see `RuleList.roots`.
    """

    __slots__ = (
        "_asked", "_before", "_beyond_texts", "_blocks", "_opening", "_quoted", "_skipped_whole", "_texts",
        "besides", "end", "kind", "roots", "rule_list", "selected",
    )  # fmt: skip

    def __init__(self, rule_list: RuleList, *, kind: RuleKind | None = None) -> None:
        self.rule_list = rule_list
        self.kind = None if all(rule.kind is kind for rule in rule_list) else kind
        self.besides: Sequence[Rule] = ()
        self.roots = rule_list.roots
        of_kind = (rule.kind is self.kind for rule in rule_list) if self.kind else ()
        self._before = list(accumulate(of_kind, initial=0))
        self.end = len(rule_list)
        self.selected = self.size(0, self.end)
        self._blocks: _Screened | None = None
        self._beyond_texts: _Screened = ()
        self._asked: str | None = None
        self._quoted: Texts = ()
        self._opening: Mapping[str, int] = {}
        self._texts: Texts = ()
        self._skipped_whole: SkippedList | None = None

    @property
    def skipped_whole(self) -> SkippedList | None:
        """What messages say that skip all of the list's selected rules; None if a rule asks about the person."""
        if self._skipped_whole is None and not self.rule_list.attributes:
            kind = None if self.kind is None else self.kind.value
            self._skipped_whole = SkippedList(self.rule_list.revision, kind)
        return self._skipped_whole

    def candidates(self, data: Data, *, since: int = 0) -> list[Candidate]:
        """The selected rules of the list that have to be decided (see `RuleList.candidates`)."""
        return self.rule_list.candidates(data, kind=self.kind, since=since)

    def plain_candidates(
        self, message: Message, properties: JsonObject | None, person: Person
    ) -> Sequence[Candidate]:
        """The same for a message of a person, if the rules read `PLAIN_ROOTS` alone: mostly none, as the tables tell.

        Args:
            properties: the message's; None if they are not read yet.
        """
        if properties is None:
            if self._opens_none(message.body):
                return ()
            properties = message.data
        asked = self._asked
        value = properties.get(asked) if asked is not None else None
        if type(value) is str:
            opening = self._opening
            if value not in opening:
                return ()
            left = opening[value]
            for name, by_text in self._texts:
                value = properties.get(name)
                if type(value) is not str:
                    break
                if value not in by_text or not (left := left & by_text[value]):
                    return ()
            else:
                return self._screened(message, properties, person, self._beyond_texts, left)
        screened = self._blocks if self._blocks is not None else self._made_screens()
        return self._screened(message, properties, person, screened)

    def _opens_none(self, body: bytes) -> bool:
        """Whether a message's text tells that no rule is left, without being read: by the texts that are asked for first."""
        if not self._quoted:
            return False
        left, whole = -1, body.decode()
        for name, by_text in self._quoted:
            text = sole_text(whole, name)
            if text is None:
                return False
            if text not in by_text or not (left := left & by_text[text]):
                return True
        return False

    def _screened(
        self,
        message: Message,
        properties: JsonObject,
        person: Person,
        screened: _Screened,
        within: int = -1,
    ) -> Sequence[Candidate]:
        """The same by the tables of some screens.

        Args:
            screened: of each block those that were not asked yet.
            within: as bits, the rules that those which were asked leave.
        """
        found: list[Candidate] | None = None
        for block, first, (every, tables, tells) in screened:
            left, is_told = every & within, tells
            for is_persons, name, table, by_text, others in tables:
                value = person.attributes.get(name) if is_persons else properties.get(name)
                if by_text is not None and type(value) is str:
                    left &= by_text.get(value, others)
                else:
                    view = view_of(value)
                    if view.kind is not _OTHER:
                        left &= table.passing(view)
                    else:
                        is_told = False
                if not left:
                    break
            else:
                data: dict[str, object] = {
                    "type": message.type,
                    "event": message.name,
                    "properties": properties,
                    "person": person.attributes,
                }
                of_block = block.candidates(data, self.kind, first, left if is_told else None)  # type: ignore[arg-type]  # read only
                found = of_block if found is None else [*found, *of_block]
        return found or ()

    def _made_screens(self) -> _Screened:
        """Make the screens of the blocks; and keep those of texts of an only block, which most messages do not pass."""
        placed = self.rule_list.placed
        screened = [(block, first, block.screens(self.kind)) for block, first in placed]
        if len(screened) == 1:
            ((block, first, screens),) = screened
            if texts := screens.texts:
                beyond = screens._replace(tables=screens.tables[len(texts) :])
                self._beyond_texts = [(block, first, beyond)]
                self._quoted, self._texts = screens.quoted, texts[1:]
                asked, self._opening = texts[0]
                self._asked = asked  # last, for other threads
        self._blocks = screened
        return screened

    def between(self, since: int, until: int) -> Sequence[Rule]:
        """The selected rules of the list from one place up to another."""
        kind, rules = self.kind, self.rule_list[since:until]
        return rules if kind is None else [rule for rule in rules if rule.kind is kind]

    def size(self, since: int, until: int) -> int:
        """How many rules of the list are selected from one place up to another."""
        return until - since if self.kind is None else self._before[until] - self._before[since]

    def place_of(self, rule_id: str) -> int | None:
        """The rule's place in the list; None if the rule is not selected."""
        place = self.rule_list.places.get(rule_id)
        if place is None or self.kind in {None, self.rule_list[place].kind}:
            return place
        return None

    def __len__(self) -> int:
        return self.selected + len(self.besides)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Rule]: ...
    def __getitem__(self, place: int | slice) -> Rule | Sequence[Rule]:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[Rule]:
        return chain(self.between(0, len(self.rule_list)), self.besides)

    def and_besides(self, rules: Iterable[Rule]) -> "RuleSelection":
        """This selection, and those of the rules that are not in it."""
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
