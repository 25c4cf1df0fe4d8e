"""IP addresses that strangers name, or that lead to what they name (CWE-918, server-side request forgery)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, without the zone that a link-local one may have; None if the text is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; the IPv4 address inside an IPv6 one counts."""
    found = parse_address(address)
    if found is None:
        return False
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved
