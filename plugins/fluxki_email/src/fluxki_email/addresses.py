"""E-mail addresses as they go over the wire: domains in ASCII, and whether the local part needs SMTPUTF8."""

import re

LOCAL_PART_LIMIT = 64  # octets, RFC 5321 §4.5.3.1.1
# Quoted local parts are left out on purpose: the SMTP library would take a comment in one for no part of the address.
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f<>()\[\]:;,\\\"@\ud800-\udfff]|^$")
_DOMAIN = re.compile(r"[A-Za-z0-9_.-]{1,255}|\[[0-9A-Za-z.:]+\]")


def ascii_domain(domain: str) -> str:
    """The domain as DNS knows it (IDNA, RFC 3490). Raises ValueError for one that cannot exist."""
    encoded = domain.encode("idna").decode("ascii")
    if not _DOMAIN.fullmatch(encoded):
        raise ValueError(f"{domain!r} is no domain name")
    return encoded


def wire_address(address: str) -> str:
    """`local@domain` with the domain in ASCII. The local part stays as it is. Raises ValueError for anything else."""
    local, at, domain = address.strip().rpartition("@")
    if not at or _FORBIDDEN.search(local):
        raise ValueError(f"{address!r} is no e-mail address")
    return f"{local}@{ascii_domain(domain)}"


def needs_smtputf8(*addresses: str) -> bool:
    """Whether a server must speak SMTPUTF8 (RFC 6531) for these wire addresses; an IDN domain alone needs none."""
    return not all(address.isascii() for address in addresses)


def message_id(token: str, address: str) -> str:
    """The Message-ID of a message sent from `address`, without angle brackets: the same for every attempt."""
    return f"{token}@{domain_of(address)}"


def reply_address(token: str, address: str) -> str | None:
    """The plus address that carries the token; None where the local part would grow over what servers must take."""
    local = f"{address.rpartition('@')[0]}+{token}"
    return f"{local}@{domain_of(address)}" if len(local.encode()) <= LOCAL_PART_LIMIT else None


def domain_of(address: str) -> str:
    """An address's domain in ASCII."""
    return wire_address(address).rpartition("@")[2]
