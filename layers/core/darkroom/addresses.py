"""Which hosts are public: addresses, and names, of those that anybody may be asked to connect to."""

import ipaddress
import re

# Within what is global, and yet somebody's own, or a disguise of an IPv4 address. Not every ipaddress knows them all.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's own services for each of its machines
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2002::/16",  # 6to4
        "3ffe::/16",  # the 6bone, given back
        "3fff::/20",  # documentation
    )
)
# Of IPv6 only this much has been given out. NAT64, IPv4-mapped, segment routing and the like are all outside of it.
_GIVEN_OUT = ipaddress.ip_network("2000::/3")

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"({_LABEL}\.)+([a-z]{{2,63}}|(?=xn--){_LABEL})", re.IGNORECASE)
# What only one machine or network knows. Clouds keep their metadata under such names.
_INSIDE = (".localhost", ".localdomain", ".local", ".internal")


def public(address: str) -> bool:
    """Whether an IP address (with a zone, if it has one) leads to the internet, and nowhere else."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    given_out = ip.version == 4 or ip in _GIVEN_OUT
    return given_out and ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL)


def literal(host: str) -> bool:
    """Whether a URL's host is an address as parsers of addresses know it, without a zone."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def name(host: str) -> bool:
    """
    Whether a URL's host (in ASCII) is a full name such as the internet has.

    Resolvers take more for a name than that: `127.1`, `0x7f.0.0.1.`, `::1%lo`, and whatever is in a hosts file. An
    underscore or a dot at the end would be of no use: OpenSSL finds such a name in no wildcard certificate.
    """
    return len(host) <= 253 and bool(_NAME.fullmatch(host)) and not host.lower().endswith(_INSIDE)
