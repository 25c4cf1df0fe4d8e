import pytest

from nexus_gateway.auth.client_address import TrustedProxies, address_block

PROXIES = "10.0.0.0/8 192.0.2.7, fd00::/8"


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # the peer is no proxy: what it says is its own claim
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client claims 1.1.1.1
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 192.0.2.7,10.1.2.3"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),  # a client inside
        ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, \xe9, 10.0.0.2"], "10.0.0.2"),
        ("unknown", ["198.51.100.1"], "unknown"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_trusted_proxy(peer: str, header: list[str], client: str) -> None:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in header]
    others = [(b"forwarded", b"for=9.9.9.9"), (b"x-real-ip", b"9.9.9.9")]

    assert TrustedProxies.parse(PROXIES).client_of(peer, [*headers, *others]) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (["for=1.1.1.1, For=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1"),
        (["for=1.1.1.1", "proto=http; for=198.51.100.1"], "198.51.100.1"),
        (['for="[2001:db8::5]:4711"'], "2001:db8::5"),
        (['host="a, for=1.1.1.1; b";for=198.51.100.1'], "198.51.100.1"),
        (["for=198.51.100.1, for=10.0.0.2;proto=http"], "198.51.100.1"),
        (["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
        (["for=198.51.100.1, proto=http"], "10.0.0.1"),
        (["for=198.51.100.1, ;;"], "10.0.0.1"),
        (['for=198.51.100.1, for="10.0.0.2'], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_the_header_forwarded_is_read_instead_where_it_is_the_one_that_is_set(header: list[str], client: str) -> None:
    headers = [(b"forwarded", value.encode()) for value in header]
    proxies = TrustedProxies.parse(PROXIES, "forwarded")

    assert proxies.client_of("10.0.0.1", [*headers, (b"x-forwarded-for", b"9.9.9.9")]) == client


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "proxy", "10.0.0.0/8;192.0.2.7"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|has host bits set"):
        TrustedProxies.parse(text)


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, block: str) -> None:
    assert address_block(address) == block
