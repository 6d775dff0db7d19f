"""Links in mails: their addresses at the host's public URL.

The pages behind them are `whereupon.web`'s, or the host's own.
"""

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, urlsplit

from whereupon.delivery.link_rewriting import rewritten
from whereupon.delivery.link_tokens import TokenSigner
from whereupon.records import Delivery


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the links that stand in the mails of one engine (see `Engine.links`).

    Attributes:
        public_url: where the pages of `whereupon.web` are reached, without a slash at its end.
        signer: signs the tokens in the links.
    """

    public_url: str
    signer: TokenSigner

    def unsubscribe(self, delivery: Delivery) -> str:
        """The link to unsubscribe from what a delivery is about; also for the header of RFC 8058."""
        return f"{self.public_url}/u/{self.signer.unsubscribe(delivery)}"

    def click(self, delivery: Delivery, url: str) -> str:
        """A link that reports the delivery as clicked, and leads on to an URL.

        Raises:
            ValueError: it is not an ``http`` or ``https`` URL, or it has more than about 3,000 bytes.
        """
        return f"{self.public_url}/c/{self.signer.click(delivery, target(url))}"

    def opened(self, delivery: Delivery) -> str:
        """The address of an image that reports the delivery as opened."""
        return f"{self.public_url}/o/{self.signer.opened(delivery)}"

    def callback(self, delivery: Delivery) -> str:
        """Where a provider reports what became of a delivery: ``/callbacks/CHANNEL?key=KEY``."""
        channel = quote(delivery.channel, safe="")
        return f"{self.public_url}/callbacks/{channel}?key={delivery.idempotency_key}"

    def rewrite(
        self, html: str, delivery: Delivery, *, clicks: bool = True, opens: bool = True
    ) -> str:
        """An HTML text whose links report clicks, and that ends with an image that reports opens.

        A link stays as it is if it leads elsewhere than to an ``http`` or ``https`` URL, if it leads to our own
        pages, or if its element has the attribute ``data-no-track``.
        """
        links = partial(self.click, delivery) if clicks else None
        return rewritten(html, self.public_url, links, self.opened(delivery) if opens else None)


def target(url: str) -> str:
    """A URL that a link may lead to, as it stands.

    Raises:
        ValueError: it is not an ``http`` or ``https`` URL with a host, or it has a space or a control character.
    """
    parts = urlsplit(url)
    is_clean = url.isprintable() and " " not in url and "\\" not in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_clean:
        message = f"a link leads to an http or https URL, not to {url!r}"
        raise ValueError(message)
    return url


def links_at(public_url: str | None, signer: TokenSigner) -> Links | None:
    """The links at a public URL; None without one.

    Raises:
        ValueError: it is not an ``http`` or ``https`` URL, has a query, or there is no key to sign with.
    """
    if public_url is None:
        return None
    parts = urlsplit(target(public_url))
    if parts.query or parts.fragment or "?" in public_url or "#" in public_url:
        message = f"public_url is where the pages stand, without query: {public_url!r}"
        raise ValueError(message)
    if not signer.can_sign:
        message = "public_url needs a digest_key: links are signed under it"
        raise ValueError(message)
    return Links(public_url.rstrip("/"), signer)
