"""Tells who really wrote a mail: a person, a machine, or a mail server that reports a failure (CHANNELS 22, 26)."""

from fluxki_core.domain.traffic import Nature

from fluxki_email.fields import Headers, mailboxes, parameters
from fluxki_email.structure import Part

_MACHINE_HEADERS = ("list-id", "list-unsubscribe", "x-auto-response-suppress", "x-autoreply", "x-autorespond")
_MACHINE_PRECEDENCE = frozenset(("bulk", "junk", "list", "auto_reply"))


def nature_of(root: Part) -> Nature:
    """The nature of the mail with this structure. A no-reply sender alone makes no machine: web forms write so."""
    if any(_is_status(part) for part in (root, *root.children)):
        return Nature.BOUNCE
    return Nature.AUTOMATIC if _is_automatic(root.headers) else Nature.PERSON


def _is_report(part: Part) -> bool:
    kind = part.params.get("report-type", "").lower()
    return part.media_type == "multipart/report" and kind == "delivery-status"


def _is_status(part: Part) -> bool:
    return part.media_type in ("message/delivery-status", "message/global-delivery-status") or _is_report(part)


def _is_automatic(headers: Headers) -> bool:
    submitted = parameters(headers.get("auto-submitted"))[0].partition("(")[0].strip()
    if submitted and submitted != "no":
        return True
    if headers.get("precedence").lower() in _MACHINE_PRECEDENCE or any(name in headers for name in _MACHINE_HEADERS):
        return True
    if headers.get("return-path").replace(" ", "") == "<>":
        return True
    sender = mailboxes(headers.get("from"))
    return bool(sender) and sender[0].address.lower().startswith("mailer-daemon@")
