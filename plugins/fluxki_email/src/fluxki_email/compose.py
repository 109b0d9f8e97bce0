"""An outgoing delivery becomes a letter: the bytes of a message, ready for SMTP."""

import re
from datetime import tzinfo
from email.utils import format_datetime

from fluxki_core.domain.traffic import Outgoing, OutgoingFile

from fluxki_email.addresses import domain_of, message_id, reply_address, wire_address
from fluxki_email.headers import clean, field, mailbox, message_ids, words
from fluxki_email.letter import html_body, plain_body, shown_tokens
from fluxki_email.mime import file_part, multipart, text_part
from fluxki_email.settings import EmailAccount

LAST_REFERENCES = 20  # kept beside the first; some relays refuse longer headers (CHANNELS 19)
_PREFIX = re.compile(r"(?:re|res|resp|aw|sv|antw)\s*(?:\[\d+\])?\s*:\s*|\[#\d+\]\s*", re.IGNORECASE)


def compose(outgoing: Outgoing, account: EmailAccount, zone: tzinfo) -> bytes:
    """The whole message with CRLF line ends, in ASCII but for an address whose local part is not.

    The same for every attempt. `zone` is the deployment's, for the dates that people read. Raises ValueError for a
    recipient that is no address, OSError for a file that cannot be read.
    """
    return _head(outgoing, account, zone) + b"MIME-Version: 1.0\r\n" + _content(outgoing, account, zone)


def subject_line(outgoing: Outgoing) -> str:
    """`[#N] subject`, after `Re: ` for an answer: the same in every message of the ticket.

    The tag stands right before the subject, where programs that thread by subject look past it (RFC 5256 §2.1).
    """
    subject = clean(outgoing.subject).replace(f"[#{outgoing.ticket}]", " ").strip()
    while match := _PREFIX.match(subject):
        subject = subject[match.end() :]
    prefix = "Re: " if outgoing.answers or outgoing.quoted else ""
    return f"{prefix}[#{outgoing.ticket}] {' '.join(subject.split())}".rstrip()


def sender_name(author: str, from_name: str) -> str:
    """Who writes, for whom: `Ana Lima (Suporte ACME)`, or the one of the two that there is."""
    author, from_name = clean(author), clean(from_name)
    return f"{author} ({from_name})" if author and from_name else author or from_name


def reference_chain(outgoing: Outgoing) -> list[str]:
    """The ids for `References`: the first and the last 20, each once, the answered one last."""
    chain = [*outgoing.references, *([outgoing.answers] if outgoing.answers else [])]
    newest_first = dict.fromkeys(reversed(message_ids(chain)))
    ids = list(newest_first)[::-1]
    return ids if len(ids) <= LAST_REFERENCES + 1 else [ids[0], *ids[-LAST_REFERENCES:]]


def _head(outgoing: Outgoing, account: EmailAccount, zone: tzinfo) -> bytes:
    tagged = reply_address(outgoing.token, account.address) if account.plus_addressing else None
    subject = subject_line(outgoing)
    plain, _, rest = subject.partition("] ")
    optional = {
        "Reply-To": mailbox(account.from_name, tagged) if tagged else [],
        "In-Reply-To": message_ids([outgoing.answers] if outgoing.answers else []),
        "References": reference_chain(outgoing),
    }
    return b"".join(
        (
            field("Date", format_datetime(outgoing.written_at.astimezone(zone))),
            field("From", *mailbox(sender_name(outgoing.author, account.from_name), wire_address(account.address))),
            field("To", *mailbox(outgoing.recipient_name, wire_address(outgoing.recipient.value))),
            field("Subject", *words(f"{plain}]" if rest else subject), *words(rest)),
            field("Message-ID", f"<{message_id(outgoing.token, account.address)}>"),
            *(field(name, *pieces) for name, pieces in optional.items() if pieces),
        )
    )


def _content(outgoing: Outgoing, account: EmailAccount, zone: tzinfo) -> bytes:
    shown = shown_tokens(outgoing.body_html)
    domain = domain_of(account.address)
    images = [file for file in outgoing.files if file.inline and file.token in shown]
    attached = [file for file in outgoing.files if file not in images]
    content_ids = {str(file.token): f"{file.token}@{domain}" for file in images}
    plain = text_part("plain", plain_body(outgoing, account.signature, zone))
    rich = text_part("html", html_body(outgoing, account.signature, zone, content_ids))
    letter = multipart("alternative", [plain, rich])
    related = multipart("related", [letter, *(_file(file, content_ids[file.token]) for file in images)])
    return multipart("mixed", [related, *(_file(file) for file in attached)])


def _file(file: OutgoingFile, content_id: str | None = None) -> bytes:
    return file_part(file.path, file.name, file.media_type, content_id)
