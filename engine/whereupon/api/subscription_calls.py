"""What the pages behind the links of mails ask of the engine: read what a person wants to be sent, and change it."""

from collections.abc import Mapping

from whereupon.api.parts import EngineParts
from whereupon.api.report_calls import ReportCalls
from whereupon.delivery.subscriptions import Subscriptions, Wish


class SubscriptionCalls(EngineParts, ReportCalls):
    """The calls by the tokens of links. Each raises `LinkError` if the token is not one of ours."""

    def subscriptions(self, token: str) -> Subscriptions:
        """What the person of a link wants to be sent.

        Args:
            token: the last part of the link that `Links.unsubscribe` makes.
        """
        self._check_open()
        return self._desk.read(token)

    def unsubscribe(self, token: str) -> Subscriptions:
        """Unsubscribe the person of a link, as one click does: from the mail's topic, or without one from all.

        Once is enough: a second call changes nothing. If the person was erased, nothing is written.
        """
        self._check_open()
        return self._change(token, self._desk.unsubscribing(token))

    def set_subscriptions(
        self,
        token: str,
        *,
        unsubscribed: bool | None = None,
        topics: Mapping[str, bool] | None = None,
    ) -> Subscriptions:
        """Change what the person of a link wants to be sent, by an ``identify`` of a server.

        Args:
            unsubscribed: whether the person wants no marketing at all; None leaves it.
            topics: whether the person is subscribed, by topic; those that are not named are left.

        Returns:
            What the person wants now.

        Raises:
            ValueError: no rule has such a topic.
        """
        self._check_open()
        return self._change(token, Wish(unsubscribed=unsubscribed, topics=topics or {}))

    def _change(self, token: str, wish: Wish) -> Subscriptions:
        delivery = self._desk.change(token, wish)
        if delivery is not None and wish.unsubscribes:
            self.report(delivery, "unsubscribed", consent=False)
        return self._desk.read(token)

    def report_click(self, token: str) -> str:
        """Report the delivery as clicked in which a link stands; gives the URL that the link leads to.

        Args:
            token: the last part of the link that `Links.click` makes.
        """
        clicked = self._signer.read_click(token)
        self.report(clicked.delivery, "clicked")
        return clicked.url

    def target_of(self, token: str) -> str:
        """The URL that the link of a click leads to; nothing is reported."""
        return self._signer.read_click(token).url

    def report_open(self, token: str) -> None:
        """Report the delivery as opened in which an image stands.

        Args:
            token: the last part of the address that `Links.opened` makes.
        """
        self.report(self._signer.read_opened(token), "opened")
