"""Keys of the deployment: signed tokens for conversations, and secrets that are stored encrypted."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from fluxki_core.domain.errors import SettingsError
from fluxki_core.domain.ids import MessageId, TicketId
from fluxki_core.domain.traffic import SignedRef

_TOKEN = re.compile(r"fk\.([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.([a-z2-7]{26})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Keys:
    """Keys derived from the deployment's secret keys, newest first: the first makes, all of them check.

    A key is rotated by putting a new one in front; the old ones go when no answer to an old message is awaited.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(each) < 16 for each in secrets):
            raise SettingsError("web.secret_key: give at least 16 characters, or leave it out to have one made.")
        self._signing = [_derive(each, "tokens") for each in secrets]
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(each, "fernet"))) for each in secrets])

    def sign(self, ref: SignedRef) -> str:
        """A token for the reference: lower-case letters, digits and full stops, so that any relay lets it through."""
        payload = f"fk.{_base36(ref.message)}.{_base36(ref.ticket)}"
        return f"{payload}.{_signature(self._signing[0], payload)}"

    def verify(self, token: str) -> SignedRef | None:
        """What a token stands for; None unless one of the keys made it."""
        found = _TOKEN.fullmatch(token.lower())
        if found is None:
            return None
        payload = f"fk.{found[1]}.{found[2]}"
        if not any(hmac.compare_digest(_signature(key, payload), found[3]) for key in self._signing):
            return None
        return SignedRef(ticket=TicketId(int(found[2], 36)), message=MessageId(int(found[1], 36)))

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, text: str) -> str:
        try:
            return self._fernet.decrypt(text.encode()).decode()
        except InvalidToken as error:
            raise SettingsError(
                "A stored password cannot be read with the present secret key: put the key back"
                " (data_dir/secret.key or web.secret_key), or set the password again."
            ) from error


def _derive(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"fluxki {purpose}".encode(), hashlib.sha256).digest()


def _signature(key: bytes, payload: str) -> str:
    digest = hmac.new(key, payload.encode(), hashlib.sha256).digest()[:16]
    return base64.b32encode(digest).decode().rstrip("=").lower()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
