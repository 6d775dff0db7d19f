"""Suppressed addresses: the calls by which an operator asks, suppresses and lifts."""

from whereupon.api.parts import EngineParts
from whereupon.records import SuppressedAddress


class AddressCalls(EngineParts):
    """The calls about addresses that get nothing more on a channel.

    Addresses are compared without case, spaces and punctuation of phone numbers. The store keeps their keyed hashes.
    """

    def suppression(self, channel: str, address: str) -> SuppressedAddress | None:
        """Whether and why an address is suppressed on a channel; None if it is not.

        Args:
            channel: such as ``email``.
            address: in plain text.

        Raises:
            ValueError: the address is blank.
        """
        return self._addresses.suppression(channel, address)

    def suppress(self, channel: str, address: str, *, by: str) -> SuppressedAddress:
        """Suppress an address on a channel by hand; one that is suppressed already stays as it is.

        Args:
            channel: such as ``email``.
            address: in plain text.
            by: who does it, by name, for the audit log.

        Raises:
            ValueError: the address is blank.
        """
        return self._addresses.suppress(channel, address, by=by)

    def unsuppress(self, channel: str, address: str, *, by: str | None = None) -> bool:
        """Lift the suppression of an address on a channel; returns whether it was suppressed.

        What was withheld stays withheld; what is made or due from now on is sent again.

        Args:
            channel: such as ``email``.
            address: in plain text.
            by: who does it, by name, for the audit log.

        Raises:
            ValueError: the address is blank.
        """
        return self._addresses.unsuppress(channel, address, by=by)
