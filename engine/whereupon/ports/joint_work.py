"""Work of several callers that costs less together than one by one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from whereupon.ports.store import Session

T = TypeVar("T")


class JointWork(ABC, Generic[T]):
    """Work on a session that can be done with other work of its kind; a store may do so or not.

    Attributes:
        kind: work of equal kinds can be done together.
    """

    kind: object

    @abstractmethod
    def __call__(self, session: Session) -> T:
        """Do it alone."""

    @abstractmethod
    def together(self, session: Session, works: Sequence[Self]) -> Sequence[T]:
        """Do all these works, this one among them; returns their results in the same order.

        It may raise whatever it meets. Then nothing of it is kept, and each work is done alone.
        """
