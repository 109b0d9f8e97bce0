"""Codes of the oddities of a mail that agents are told of."""

from enum import StrEnum


class Notice(StrEnum):
    NO_SENDER = "no_sender"
    """No usable address in From, Sender or Return-Path; the sender is `unknown@invalid`."""
    NO_MESSAGE_ID = "no_message_id"
    """None, or a broken one; a synthetic one stands in for it."""
    BAD_DATE = "bad_date"
    """No Received, and a Date that is missing, absurd or in the future; the time of intake stands in for it."""
    DAMAGED_PART = "damaged_part"
    """A part was cut off or is not in the encoding that it names; what could be read is there."""
    TOO_MANY_PARTS = "too_many_parts"
    """Parts beyond the limit are only in the original."""
    TOO_MANY_LINES = "too_many_lines"
    """Beyond the limit of lines no part was looked for; what comes after it is in the last part."""
    TOO_DEEP = "too_deep"
    """Parts nested beyond the limit are kept as one file, not opened."""
    HEADERS_CUT = "headers_cut"
    """A block of headers beyond the limit; the rest of it is only in the original."""
    LONG_BODY = "long_body"
    """The body shows the start of a very long text; the whole of it is among the files."""
    SIGNED = "signed"
    """S/MIME or OpenPGP signature, not verified."""
    ENCRYPTED = "encrypted"
    """S/MIME or OpenPGP; the encrypted content is among the files."""
