"""The guard of requests: public hosts by https on port 443, and what a host allows besides; nothing else."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whereupon.channels.http.guard import Guard, RefusedUrlError, is_public, read_url

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.1.2.3
127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1
192.0.0.8 192.0.0.9 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1:ffff::1 100::1 100:0:0:1::1
2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:808:808::
2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 fc00::1 fd00::1 fd00:ec2::254
fd20:ce::254 fe80::1 fe80::1%1 fe80::1%eth0 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff0e::1 2a00::1%1
""".split()  # noqa: SIM905 - a table

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
172.15.255.255 172.32.0.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
2001:4860:4860::8888 2606:4700::1111 2a00:1450:4001::1 2600::1 ::ffff:8.8.8.8
""".split()  # noqa: SIM905 - a table

REFUSED_URLS = [
    # schemes
    *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/"),
    *(
        "javascript:alert(1)",
        "//example.com/",
        "example.com/",
        "https:/example.com",
        "https:example.com",
    ),
    *(
        "",
        "https://",
        "https:///path",
        "ws://example.com/",
        "httpss://example.com",
        " https://example.com",
    ),
    # ports
    *("https://example.com:80/", "https://example.com:8443/", "https://example.com:22/"),
    *("https://example.com:0/", "https://example.com:65536/", "https://example.com:99999/"),
    *("https://example.com:/", "https://example.com:443x/", "https://example.com:-1/"),
    *("https://example.com:4 43/", "https://example.com:٤٤٣/"),
    # user names
    *(
        "https://good.com@127.0.0.1/",
        "https://user:pw@example.com/",
        "https://127.0.0.1@example.com/",
    ),
    *("https://@example.com/", "https://a@b@c/", "https://example.com:443@127.0.0.1/"),
    *("https://good.com%40127.0.0.1/",),
    # spaces, control characters, backslashes
    *(
        "https://example.com\\@127.0.0.1/",
        "https:\\\\example.com\\",
        "https://127.0.0.1\\.example.com/",
    ),
    *("https://exam\tple.com/", "https://example.com\r\nHost: evil/", "https://example.com/\n"),
    *("https://exa mple.com/", "https://example.com\x00.evil.com/", "\thttps://example.com/"),
    *(
        "https://example.com/\x7f",
        "https://example.com\u2028/",
        "https://example.com /",
        "https://exam\u00adple.com/",
    ),
    # addresses that are not public, in every way to write them
    *("https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/"),
    *("https://017700000001/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/"),
    *("https://0x7f.1/", "https://127.0.0.1./", "https://127.0.0.0x1/", "https://00000177.0.0.1/"),
    *("https://0/", "https://0.0.0.0/", "https://169.254.169.254/latest/meta-data/"),
    *("https://2852039166/", "https://0xa9fea9fe/", "https://0251.0376.0251.0376/"),
    *(
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127。0。0。1/",
        "https://127\uff0e0\uff0e0\uff0e1/",
        "https://①②⑦.0.0.1/",
    ),
    *("https://%31%32%37.0.0.1/", "https://127.0.0.1%00.example.com/", "https://1.1.1.1.1/"),
    *(
        "https://8.8/",
        "https://8.8.8.8./",
        "https://256.1.1.1/",
        "https://08.8.8.8/",
        "https://1.2.3.0x/",
    ),
    *("https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
    *("https://[0:0:0:0:0:0:0:1]/", "https://[0000::0001]/", "https://[::127.0.0.1]/"),
    *("https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/"),
    *(
        "https://[fe80::1%eth0]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
    ),
    *("https://[::1/", "https://::1/", "https://[::1]x/", "https://[]/", "https://[1::2::3]/"),
    *(
        "https://[127.0.0.1]/",
        "https://[v1.x]/",
        "https://[2001:db8::1]:8443/",
        "https://[::1].example.com/",
    ),
    # names of private networks
    *("https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/"),
    *("https://printer.local/", "https://db.internal/", "https://metadata.google.internal/"),
    *("https://router.lan/", "https://x.home.arpa/", "https://wiki.corp/", "https://wiki/"),
    *(
        "https://localhost.localdomain/",
        "https://x.onion/",
        "https://\uff4cocalhost/",
        "https://ⓛocalhost/",
    ),
    # names that parsers read differently
    *(
        "https://example.com./",
        "https://.example.com/",
        "https://exam..ple.com/",
        "https://-x.com/",
    ),
    *(
        "https://example。com/",
        "https://exämple.com/",
        "https://exam%70le.com/",
        "https://exam_ple-.com/",
    ),
    *("https://exam$ple.com/", "https://example.com;evil.com/", "https://example.com,evil.com/"),
    *(
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 130 + "com/",
        "https://{host}/",
        "https://*.com/",
    ),
]

ALLOWED_URLS = {
    "https://example.com": ("example.com", "/"),
    "https://EXAMPLE.com:443/": ("example.com", "/"),
    "HTTPS://hooks.example.com/x?y=1#part": ("hooks.example.com", "/x?y=1"),
    "https://example.com?y=ä": ("example.com", "/?y=%C3%A4"),
    "https://example.com/%20/é": ("example.com", "/%20/%C3%A9"),
    "https://example.com/a@127.0.0.1": ("example.com", "/a@127.0.0.1"),
    "https://example.com/a b\\c": ("example.com", "/a%20b%5Cc"),
    "https://8.8.8.8/": ("8.8.8.8", "/"),
    "https://[2606:4700:0::1111]/": ("2606:4700::1111", "/"),
    "https://xn--exmple-cua.com/": ("xn--exmple-cua.com", "/"),
    "https://my_host.example.com/": ("my_host.example.com", "/"),
}


def _allows(url: str, *allow: str) -> bool:
    try:
        Guard.from_texts(allow).read(url)
    except RefusedUrlError:
        return False
    return True


def test_the_cases_are_at_least_a_hundred() -> None:
    """The table of cases of the guard."""
    assert len({*NOT_PUBLIC, *PUBLIC}) > 100
    assert len(set(REFUSED_URLS)) > 100


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    """Whatever its form, and by whatever way it leads to a private network."""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_allowed(text: str) -> None:
    """Also right beside the special networks."""
    assert is_public(ip_address(text))


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_may_lead_elsewhere_is_refused(url: str) -> None:
    """By its text alone, before any name is resolved."""
    assert not _allows(url)


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_a_plain_url_is_read_as_it_stands(url: str) -> None:
    """The host is in lower case, the path percent-encoded; a fragment is left out."""
    target = Guard().read(url)
    assert (target.host, target.path) == ALLOWED_URLS[url]


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
    )
)
@example(IPv6Address("::ffff:8.8.8.8"))
@example(IPv6Address("2001:4860:4860::8888"))
@example(IPv4Address("8.8.8.8"))
def test_what_the_guard_lets_through_is_public_unicast(address: IPv4Address | IPv6Address) -> None:
    """Global, neither multicast nor reserved, and of IPv6 only what is assigned as unicast."""
    if is_public(address):
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        inner = mapped or address
        assert inner.is_global
        for never in ("multicast", "private", "loopback", "reserved", "link_local", "unspecified"):
            assert not getattr(inner, f"is_{never}")
        if isinstance(inner, IPv6Address):
            assert inner.packed[0] >> 5 == 0b001
            assert inner.sixtofour is None
            assert inner.teredo is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A host that is read is plain ASCII, whatever is written."""
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            target = read_url(url)
        except RefusedUrlError:
            continue
        assert target.host.isascii()
        assert target.path.isascii()
        assert target.path.startswith("/")
        assert not set(target.path) & set(" \r\n\t\\")


ALLOWING = [
    ("http://hooks.internal:8080/x", "http://hooks.internal:8080", True),
    ("http://hooks.internal:8081/x", "http://hooks.internal:8080", False),
    ("https://hooks.internal:8080/x", "http://hooks.internal:8080", False),
    ("https://hooks.internal/x", "hooks.internal", True),
    ("https://other.internal/x", "hooks.internal", False),
    ("http://127.0.0.1:9000/", "http://127.0.0.1:9000", True),
    ("http://127.0.0.2:9000/", "http://127.0.0.1:9000", False),
    ("https://10.1.2.3/", "10.1.0.0/16", True),
    ("https://10.2.2.3/", "10.1.0.0/16", False),
    ("http://10.1.2.3/", "10.1.0.0/16", False),
    ("https://[fd00::1]/", "fd00::/8", True),
    ("https://[::ffff:10.1.2.3]/", "10.1.0.0/16", True),
    ("https://partner.com:8443/", "https://*:8443", True),
    ("https://10.1.2.3:8443/", "https://*:8443", False),
    ("https://db.internal:8443/", "https://*:8443", False),
    ("https://a.partner.com:8443/", "https://*.partner.com:8443", True),
    ("https://partner.com:8443/", "https://*.partner.com:8443", False),
    ("https://apartner.com:8443/", "https://*.partner.com:8443", False),
    ("https://169.254.169.254/", "https://169.254.169.254", False),
    ("https://169.254.169.254/", "169.254.169.254/32", True),
    ("https://[fd00:ec2::254]/", "https://[fd00:ec2::254]", False),
    ("https://0.0.0.0/", "https://0.0.0.0", False),
    ("https://169.254.7.7/", "169.254.7.7", True),
]


@pytest.mark.parametrize(("url", "allow", "is_allowed"), ALLOWING)
def test_a_host_allows_what_it_names(url: str, allow: str, *, is_allowed: bool) -> None:
    """An origin with its scheme, name and port, or a network; no more than that."""
    assert _allows(url, allow) is is_allowed


@pytest.mark.parametrize(
    "allow",
    [
        "",
        "http://",
        "https://x/path",
        "10.0.0.0/40",
        "10.0.0.1/8",
        "https://a.*.com",
        "*x",
        "a b",
        "https://u@x",
    ],
)
def test_a_wrong_text_in_allow_is_an_error(allow: str) -> None:
    """It says what to write."""
    with pytest.raises(ValueError, match="in allow is"):
        Guard.from_texts([allow])


def test_a_single_text_for_allow_is_an_error() -> None:
    """Else each of its letters would be a host."""
    with pytest.raises(ValueError, match="list of texts"):
        Guard.from_texts("hooks.internal")
