"""What a mail server's refusal means for a delivery: later, never, or repair the account first (RFC 5321 §4.2)."""

import base64
import random
import ssl
from datetime import datetime, timedelta

import aiosmtplib
from fluxki_core.domain.traffic import SendLater, SendRejected

from fluxki_email.headers import clean
from fluxki_email.settings import EmailAccount

# Waits of 1, 2, 4, 8, 16 and 32 minutes, then 47 of an hour: together 48 hours.
ATTEMPTS = 53
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
# While a whole account waits for a repair, it should not take an hour to see that it was made.
LONGEST_ACCOUNT_WAIT = timedelta(minutes=10)
_DETAIL_LIMIT = 300
LOGIN_REQUIRED = 530  # RFC 4954 §6

NO_HOST = "No mail server is set: set smtp_host of the account"
BAD_CA_FILE = "The file of the certificate authority cannot be read: check smtp_ca_file"
CERTIFICATE = (
    "The mail server's certificate is not valid for it: check smtp_host, or name its authority in smtp_ca_file"
)
NOT_TLS = "The mail server does not speak TLS at this port: check smtp_port and smtp_tls"
NO_STARTTLS = "The mail server offers no STARTTLS: set smtp_tls to implicit (port 465)"
UNREACHABLE = "The mail server cannot be reached: check smtp_host, smtp_port, smtp_tls and the network"
LOGIN_REFUSED = "The mail server refused the login: check smtp_user and smtp_password"
NO_LOGIN = "The mail server offers no login that we know: check smtp_port and smtp_tls, or remove smtp_user"
NOT_SERVED = "The mail server does not serve us now: ask its operator if this goes on"
LOST = "The connection to the mail server broke before the message was handed over; it will be tried again"
BUSY = "Another message of the account is taking long; this one follows"
LATER = "The mail server asked to try again later"
TIRED = "The message could not be handed over for two days and was given up: send it again if it still matters"
REFUSED_SENDER = "The mail server refuses our address as sender"
REFUSED_RECIPIENT = "The mail server refuses the recipient's address"
REFUSED_MESSAGE = "The mail server refuses the message"
NEEDS_UTF8 = "The address has letters that this mail server cannot carry (no SMTPUTF8): ask for another address"
BAD_ADDRESS = "The recipient's address is not a valid e-mail address: correct it"
BAD_FILE = "A file of the message cannot be read: remove it and send again"
MAYBE = "The connection broke while the message was handed over: it may have been sent"


def wait(attempt: int, longest: timedelta = LONGEST_WAIT) -> timedelta:
    """The pause after an attempt (from 1): a minute, doubling, spread by a fifth so that not all come back at once."""
    doubled = FIRST_WAIT * (1 << min(attempt - 1, 16))
    return min(doubled, longest) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret depends on it


def account_later(now: datetime, faults: int, reason: str) -> SendLater:
    """The account must be repaired or its server come back; `faults` of it came one after the other, from 1."""
    return SendLater(now + wait(faults, LONGEST_ACCOUNT_WAIT), reason, account_wide=True)


def refusal(code: int, words: str, reason: str, now: datetime, attempt: int) -> SendLater | SendRejected:
    """What a reply other than success to MAIL, RCPT, DATA or the message means; `words` are for a permanent one."""
    if code >= 500:
        return SendRejected(f"{words} — {reason}")
    return put_off(f"{LATER} — {reason}", now, attempt)


def put_off(reason: str, now: datetime, attempt: int) -> SendLater | SendRejected:
    """A later attempt, unless two days of them are over."""
    if attempt >= ATTEMPTS:
        return SendRejected(f"{TIRED} — {reason}")
    return SendLater(now + wait(attempt), reason)


def trouble(error: Exception, account: EmailAccount) -> str:
    """Why no connection could be made, and what to do. The texts before ` — ` are constant, for translation."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{CERTIFICATE} — {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return NOT_TLS
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"{LOGIN_REFUSED} — {server_text(error.code, error.message, account)}"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{NOT_SERVED} — {server_text(error.code, error.message, account)}"
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return NOT_SERVED
    if isinstance(error, OSError):
        return UNREACHABLE
    return NO_LOGIN


def server_text(code: int, text: str, account: EmailAccount) -> str:
    """A server's reply for people: one line, not endless, and without our password should the server repeat it."""
    shown = clean(text)
    for secret in _secrets(account):
        shown = shown.replace(secret, "***")
    return f"{code} {shown}"[:_DETAIL_LIMIT] if code > 0 else shown[:_DETAIL_LIMIT]


def _secrets(account: EmailAccount) -> list[str]:
    if not account.smtp_password:
        return []
    user, password = account.smtp_user.encode(), account.smtp_password.encode()
    # The longest first: a shorter one may be the end of it.
    encoded = [base64.b64encode(value).decode() for value in (b"\0%b\0%b" % (user, password), password)]
    return [*encoded, account.smtp_password]
