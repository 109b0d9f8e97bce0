"""What a deployer says about one mailbox: its address, where its mail arrives and how its mail leaves."""

import re
from typing import Literal

from msgspec import Struct

from fluxki_email.addresses import wire_address

PORTS = {"implicit": 465, "starttls": 587, "none": 25}


class EmailAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mailbox.

    `maildir` is the folder in which a mail server delivers; without it the account only sends. Without `smtp_host` it
    only receives. `smtp_port` follows from `smtp_tls` (465, 587, 25) unless it is given. `smtp_ca_file` is a PEM file
    of one's own certificate authority, trusted instead of the system's; certificates are always verified.
    `signature` stands under every reply, as plain text or as simple HTML. With `plus_addressing` answers are asked
    for at `name+TOKEN@domain`, which the mail server must deliver to the same mailbox. Raises ValueError, with what
    to do, for settings that cannot work.
    """

    address: str
    from_name: str = ""
    maildir: str | None = None
    smtp_host: str | None = None
    smtp_port: int | None = None
    smtp_tls: Literal["implicit", "starttls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_ca_file: str | None = None
    signature: str = ""
    plus_addressing: bool = False

    def __post_init__(self) -> None:
        try:
            wire_address(self.address)
        except ValueError as error:
            raise ValueError("address: write one e-mail address, such as suporte@example.com") from error
        if self.maildir is not None and not self.maildir.strip():
            raise ValueError("maildir: name a folder, or leave the key out for an account that only sends")
        if self.smtp_host is not None and (not self.smtp_host.strip() or re.search(r"[\s/]", self.smtp_host)):
            raise ValueError("smtp_host: write a host name without scheme or path, such as smtp.example.com")
        if self.smtp_port is not None and not 1 <= self.smtp_port <= 65535:
            raise ValueError("smtp_port: write a number from 1 to 65535, or leave the key out for the usual port")
        if bool(self.smtp_user) != bool(self.smtp_password):
            raise ValueError("smtp_user, smtp_password: set both, or neither for a server that asks for no login")
        if self.maildir is None and self.smtp_host is None:
            raise ValueError("maildir, smtp_host: set at least one, for mail in or mail out")

    def __repr__(self) -> str:
        """Without the password, since a repr ends in logs."""
        return f"EmailAccount(address={self.address!r}, maildir={self.maildir!r}, smtp_host={self.smtp_host!r})"

    @property
    def port(self) -> int:
        """The SMTP port in use."""
        return self.smtp_port or PORTS[self.smtp_tls]
