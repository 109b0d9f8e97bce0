"""Reads from a mail who wrote it, when, under which id, and to which conversation it says it belongs."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.people import Address, email_address
from fluxki_core.domain.traffic import Nature, Refs, SignedRef

from fluxki_email.fields import Headers, date, mailboxes
from fluxki_email.notices import Notice

MAX_REFS = 50
MAX_ID = 500
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# A clock that is a little ahead still tells the truth.
SKEW = timedelta(minutes=10)
NOBODY = Address("email", "unknown@invalid")

_ID = re.compile(rf"<\s*([^<>\s]{{1,{MAX_ID}}})\s*>")
_TOKEN = r"fk\.[a-z0-9.]{1,61}"  # noqa: S105  the shape of one, not one
_TOKEN_ID = re.compile(rf"({_TOKEN})@")
_TOKEN_ADDRESS = re.compile(rf"[^@]*\+({_TOKEN})@")
_TOKEN_IN_TEXT = re.compile(rf"\[({_TOKEN})\]")
_TAG = re.compile(r"\[#([1-9][0-9]{0,17})\]")
_LIST_TAGS = r"^\s*(?:\[[^\]]{1,60}\]\s*)*"
_REPLY = re.compile(
    _LIST_TAGS + r"(?:re|res|resp|ref|r|aw|antw|sv|vs|rif|odp|ynt|bls|atb)(?:\s?[\[(]\d+[\])])?\s*:", re.IGNORECASE
)
_FORWARD = re.compile(_LIST_TAGS + r"(?:enc|fwd?|wg|tr|rv|i|vl|doorst|fs)\s*:", re.IGNORECASE)
_NO_REPLY = re.compile(r"(?:no|nao|não|do-?not|sem)[-_.]?(?:reply|responda|responder|respond|resposta)", re.IGNORECASE)


class Sender(NamedTuple):
    address: Address
    name: str


def sender_of(headers: Headers, nature: Nature, ours: Collection[str]) -> Sender:
    """From, else Sender, else Return-Path, else `NOBODY`.

    Reply-To stands in for it where a person writes through a form: From is one of our addresses, or of one of our
    domains, or says no-reply (CHANNELS 21).
    """
    fallbacks = (one for name in ("from", "sender", "return-path") for one in mailboxes(headers.get(name)))
    found = next(fallbacks, None)
    own = {address.lower() for address in ours}
    if nature is Nature.PERSON and (found is None or _is_form(found.address, own)):
        answers = (one for one in mailboxes(headers.get("reply-to")) if one.address.lower() not in own)
        found = next(answers, found)
    return Sender(email_address(found.address), found.name) if found else Sender(NOBODY, "")


def _is_form(address: str, own: Collection[str]) -> bool:
    local, _, domain = address.lower().rpartition("@")
    return domain in {one.rpartition("@")[2] for one in own} or bool(_NO_REPLY.match(local))


def sent_at(headers: Headers, received_at: datetime) -> tuple[datetime, Notice | None]:
    """The newest plausible Received, else Date, never later than `received_at` (CHANNELS 30).

    Before 1990 or more than ten minutes ahead is not plausible; then it is `received_at`, with a notice.
    """
    hops = (date(value.rpartition(";")[2]) for value in headers.all("received", 2_000)[:MAX_REFS] if ";" in value)
    plausible = [moment for moment in hops if moment and EARLIEST <= moment <= received_at + SKEW]
    if plausible:
        return min(max(plausible), received_at), None
    claimed = date(headers.get("date"))
    if claimed and EARLIEST <= claimed <= received_at + SKEW:
        return min(claimed, received_at), None
    return received_at, Notice.BAD_DATE


def message_id_of(headers: Headers) -> str | None:
    """The Message-ID without angle brackets; None for none, or one that nothing could refer to."""
    value = headers.get("message-id")
    found = _ID.search(value)
    if found:
        return found[1]
    bare = value.strip("<> \t")
    return bare if bare and len(bare) <= MAX_ID and not re.search(r"[\s<>]", bare) else None


def refs_of(headers: Headers, subject: str, bodies: Iterable[str], verify: Callable[[str], SignedRef | None]) -> Refs:
    """What the mail says about its conversation (CHANNELS 14, 15); at most `MAX_REFS` of each kind are looked at.

    Tokens: In-Reply-To and References from the newest, then plus-addresses, then `[token]` in the bodies from the
    newest, whose place there says nothing: a letter's own stands below all that it quotes.
    """
    ids = list(dict.fromkeys(_ids(headers)))[:MAX_REFS]
    named = list(dict.fromkeys(_tokens(headers, ids)))[:MAX_REFS]
    written = [token for token in dict.fromkeys(_tokens_in(bodies)) if token not in named][: MAX_REFS - len(named)]
    verified, quoted = _verified(named, verify), _verified(written, verify)
    verified |= sorted(quoted.items(), key=lambda item: item[1].message, reverse=True)
    number = _TAG.search(subject)
    forward = bool(_FORWARD.match(subject))
    return Refs(
        tokens=tuple(dict.fromkeys(verified.values())),
        # An id of our shape that we did not sign may be another help desk's own.
        outside_ids=tuple(one for one in ids if _token_of(one) not in verified),
        ticket=TicketId(int(number[1])) if number else None,
        is_reply=not forward and (bool(ids) or bool(_REPLY.match(subject))),
    )


def _ids(headers: Headers) -> Iterator[str]:
    for value in headers.all("in-reply-to"):
        yield from _ID.findall(value) or [word for word in value.split() if "@" in word and len(word) <= MAX_ID]
    for value in headers.all("references", 64 * 1024):
        yield from reversed(_ID.findall(value))


def _token_of(outside_id: str) -> str | None:
    found = _TOKEN_ID.match(outside_id.lower())
    return found[1] if found else None


def _verified(tokens: Iterable[str], verify: Callable[[str], SignedRef | None]) -> dict[str, SignedRef]:
    found = {token: verify(token) for token in tokens}
    return {token: ref for token, ref in found.items() if ref is not None}


def _tokens(headers: Headers, ids: Iterable[str]) -> Iterator[str]:
    yield from filter(None, map(_token_of, ids))
    for name in ("to", "cc", "delivered-to", "x-original-to", "envelope-to"):
        for value in headers.all(name):
            if "+" in value:
                found = (_TOKEN_ADDRESS.match(one.address.lower()) for one in mailboxes(value))
                yield from (match[1] for match in found if match)


def _tokens_in(bodies: Iterable[str]) -> Iterator[str]:
    for body in bodies:
        if "[fk." in body:
            yield from _TOKEN_IN_TEXT.findall(body)
