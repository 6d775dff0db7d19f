"""How many bytes of bodies a process keeps, and how much of it is whose. The thread of the event loop counts."""

import asyncio
from collections import Counter, OrderedDict, deque

from whereupon.messages.structs import Frozen

_FOR_WAITING = 0.25
"""The part of the budget that is kept for requests that wait for room."""
_SMALLEST_SHARE = 64 << 10
_FOR_ADDRESS = 0.25
"""The part of a share that one address may take while its keys are not known; it may have one body at least."""
_ONE_BODY = 1 << 20


class Sharer(Frozen, frozen=True):
    """Who shares the server: a key; and for a key that many hold, and for requests without one, an address.

    Attributes:
        key_id: empty as long as the key is not known.
        address: empty for a server's key.
        is_server: whether it is known to be a server, which asks again when it is refused.
    """

    key_id: str = ""
    address: str = ""
    is_server: bool = False

    @property
    def narrow(self) -> str:
        """What its bytes are counted under, too, beside its key; empty if that is all.

        Nobody's key is known before the body is here if the key stands in the body, as apps and Customer.io's client
        for browsers send it. So one address that holds up bodies without a key keeps no other address out.
        """
        return "" if self.key_id or not self.address else f"@{self.address}"


class Budget:
    """Bytes of bodies that are being received, wait, or are worked on.

    Requests are let in while those that are in leave a quarter free, and those of a key have its share at most. The
    quarter is for the bodies of requests that wait to be let in, which are received meanwhile, and for the rest of
    bodies that are on their way. All requests whose key is not known have one share, of which an address has a
    quarter. Nothing is taken beyond the whole, but a little for those who operate the server. Their requests count
    for no share.

    Args:
        most: bytes.
        share: the part of it that one key may take.
    """

    def __init__(self, most: int, share: float) -> None:
        self._most = most
        self._usual = max(1, int(most * (1 - _FOR_WAITING)))
        self._share = min(most, max(_SMALLEST_SHARE, int(most * share)))
        self._for_operators = most // 8
        self.held = 0
        self._outside = 0
        self._inside: Counter[str] = Counter()
        self._outside_of: Counter[str] = Counter()
        self._waiting: OrderedDict[Sharer, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many requests wait to be let in."""
        return sum(not each.done() for turns in self._waiting.values() for each in turns)

    def held_by(self, sharer: Sharer) -> int:
        """How many bytes the requests of a key hold."""
        return self._inside[sharer.key_id] + self._outside_of[sharer.key_id]

    def has_room(self, sharer: Sharer) -> bool:
        """Whether a new request of a sharer may come in."""
        if self.held - self._outside >= self._usual or self._inside[sharer.key_id] >= self._share:
            return False
        narrow = sharer.narrow
        return not narrow or self._inside[narrow] < _of_address(self._share)

    def hold(self, sharer: Sharer | None, size: int, *, is_in: bool) -> bool:
        """Count bytes; False if there is no room for them.

        Args:
            is_in: whether their request was let in.
        """
        if self.held + size > self._most + (self._for_operators if sharer is None else 0):
            return False
        if sharer is not None:
            counts, narrow = self._inside if is_in else self._outside_of, sharer.narrow
            most = self._most * _FOR_WAITING + (self._share if is_in else 0)
            if counts[sharer.key_id] + size > most:
                return False
            if narrow and counts[narrow] + size > _of_address(most):
                return False
            _add(counts, sharer, size)
        self.held += size
        self._outside += 0 if is_in else size
        return True

    def move(self, before: Sharer | None, after: Sharer, size: int, *, is_in: bool) -> None:
        """Count bytes that are held as those of another sharer."""
        counts = self._inside if is_in else self._outside_of
        if before is not None:
            _take_off(counts, before, size)
        _add(counts, after, size)

    def let_in(self, before: Sharer | None, sharer: Sharer, size: int) -> None:
        """Count the bytes of a request that is let in as those of a sharer.

        Args:
            before: whose they were until now.
        """
        self._outside -= size
        if before is not None:
            _take_off(self._outside_of, before, size)
        _add(self._inside, sharer, size)

    def release(self, sharer: Sharer | None, size: int, *, is_in: bool) -> None:
        """Give bytes back, and let the next in."""
        self.held -= size
        self._outside -= 0 if is_in else size
        if sharer is not None:
            _take_off(self._inside if is_in else self._outside_of, sharer, size)
        if self._waiting:
            self._let_in()

    async def room(self, sharer: Sharer, seconds: float) -> bool:
        """Wait until a request of a sharer may come in; False if there is no room in that time."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = sharer.changed(address="") if sharer.key_id else sharer
        self._waiting.setdefault(line, deque()).append(waiting)
        try:
            async with asyncio.timeout(seconds):
                await waiting
        except TimeoutError:
            return waiting.done() and not waiting.cancelled()
        return True

    def _let_in(self) -> None:
        """Wake those that wait and have room: each key, or address without one, in turn, one at a time."""
        for sharer in list(self._waiting):
            turns = self._waiting[sharer]
            while turns and turns[0].done():
                turns.popleft()
            if turns and self.has_room(sharer):
                turns.popleft().set_result(None)
                self._waiting.move_to_end(sharer)
            if not turns:
                self._waiting.pop(sharer, None)


def _of_address(most: float) -> float:
    return max(most * _FOR_ADDRESS, _ONE_BODY)


def _add(counts: Counter[str], sharer: Sharer, size: int) -> None:
    counts[sharer.key_id] += size
    if not sharer.key_id and (narrow := sharer.narrow):
        counts[narrow] += size


def _take_off(counts: Counter[str], sharer: Sharer, size: int) -> None:
    _reduce(counts, sharer.key_id, size)
    if not sharer.key_id and (narrow := sharer.narrow):
        _reduce(counts, narrow, size)


def _reduce(counts: Counter[str], account: str, size: int) -> None:
    left = counts[account] - size
    if left > 0:
        counts[account] = left
    else:
        counts.pop(account, None)
