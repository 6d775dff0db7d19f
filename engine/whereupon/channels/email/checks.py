"""Checks of a channel of mails: does the server answer, is the login right, do keys and sender fit.

DNS is asked only where the package `dnspython` is installed; else the advice says what has to stand there.
"""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from typing import Final

from whereupon.channels.email.addresses import Address
from whereupon.channels.email.connections import Connection, Server, UnsafeServerError
from whereupon.channels.email.dkim import Dkim
from whereupon.channels.email.refusals import RefusedError, Stage
from whereupon.ports import Finding, FindingLevel

_SAFE_RSA: Final = 2048  # bits
_DNS_SECONDS: Final = 5.0


def check_mail(
    server: Server, sender: Address, keys: Sequence[Dkim], *, has_links: bool
) -> list[Finding]:
    """What there is to say of a channel's settings and of its server.

    Args:
        has_links: whether marketing mails have the link to unsubscribe, or are not to have one.
    """
    findings = [*_of_server(server), *_of_keys(sender, keys)]
    if not has_links:
        said = "Marketing mails have no link to unsubscribe, which the big mailboxes demand."
        findings.append(
            Finding(FindingLevel.WARNING, said, "Set public_url, or unsubscribe=False.")
        )
    return findings


def _of_server(server: Server) -> Iterator[Finding]:
    at = f"{server.host}:{server.port}"
    try:
        connection = Connection(server)
    except (RefusedError, UnsafeServerError, OSError, smtplib.SMTPException) as error:
        yield Finding(FindingLevel.ERROR, f"No mail can be sent by {at}: {error}.", _advice(error))
        return
    login = "" if server.username is None else ", and the login is right"
    how = connection.tls_version or "in clear"
    yield Finding(FindingLevel.OK, f"{at} answers, {how}{login}.")
    if not connection.takes_utf8:
        said = f"{at} takes no addresses with characters beyond ASCII."
        yield Finding(FindingLevel.OK, said)
    if connection.tls_version is None and not _is_this_machine(server.host):
        said = f"Mails go to {at} in clear."
        yield Finding(FindingLevel.WARNING, said, "Use security='starttls' or security='tls'.")
    connection.quit()


def _advice(error: Exception) -> str:
    if isinstance(error, RefusedError) and error.stage is Stage.LOGIN:
        return "Check username and password; some providers want a password for applications."
    if isinstance(error, ssl.SSLCertVerificationError):
        return "Use the name that is in the server's certificate as host, or name its authority in ca_file."
    if isinstance(error, ssl.SSLError):
        return "Port 465 speaks TLS from the start (security='tls'), port 587 after STARTTLS."
    if isinstance(error, UnsafeServerError):
        return "Use another port or another security; without TLS a password would travel in clear."
    return "Check host and port, and whether a firewall lets the connection through."


def _of_keys(sender: Address, keys: Sequence[Dkim]) -> Iterator[Finding]:
    if not keys:
        said = "Mails are not signed here."
        yield Finding(FindingLevel.OK, said, "Let the provider sign them, or set dkim.")
    for key in keys:
        if not f".{sender.domain}".endswith(f".{key.domain.lower()}"):
            said = f"The DKIM key is {key.domain}'s, and the sender is of {sender.domain}: DMARC does not count it."
            advice = f"Sign for {sender.domain}, or for a domain above it."
            yield Finding(FindingLevel.WARNING, said, advice)
        if key.bits is not None and key.bits < _SAFE_RSA:
            said = f"The DKIM key {key.selector} has {key.bits} bits."
            yield Finding(FindingLevel.WARNING, said, f"Make one of {_SAFE_RSA}.")
        yield _of_record(key)


def _of_record(key: Dkim) -> Finding:
    """Whether DNS has the public half of the key."""
    advice = f"DNS needs the TXT record {key.dns_name}: {key.dns_record}"
    try:
        records = _txt_records(key.dns_name)
    except ModuleNotFoundError:
        said = f"Whether {key.dns_name} has the DKIM key was not looked up (no dnspython here)."
        return Finding(FindingLevel.OK, said, advice)
    except OSError as error:
        said = f"{key.dns_name} cannot be looked up: {error}."
        return Finding(FindingLevel.WARNING, said, advice)
    if any(_public_of(key.dns_record) == _public_of(record) for record in records):
        return Finding(FindingLevel.OK, f"{key.dns_name} has the DKIM key.")
    said = (
        f"{key.dns_name} has {'another' if records else 'no'} DKIM key: signatures are not valid."
    )
    return Finding(FindingLevel.ERROR, said, advice)


def _public_of(record: str) -> str | None:
    tags = dict(part.strip().partition("=")[::2] for part in record.split(";"))
    return "".join(tags["p"].split()) if tags.get("p") else None


def _txt_records(name: str) -> list[str]:
    """The TXT records of a name.

    Raises:
        ModuleNotFoundError: dnspython is not installed.
        OSError: nobody answers.
    """
    from dns import exception, resolver  # noqa: PLC0415 - used where it is installed

    try:
        answer = resolver.resolve(name, "TXT", lifetime=_DNS_SECONDS)
    except (resolver.NXDOMAIN, resolver.NoAnswer):
        return []
    except exception.DNSException as error:
        raise OSError(str(error)) from error
    return [b"".join(record.strings).decode("ascii", "replace") for record in answer]


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}
