"""What a deployer may say about a mailbox, and what they are told when it cannot work."""

from typing import Any

import msgspec
import pytest
from fluxki_email.settings import EmailAccount

WORKING = {"address": "suporte@acme.com.br", "smtp_host": "smtp.acme.com.br"}


def test_the_port_follows_from_the_kind_of_tls_unless_it_is_given() -> None:
    ports = {tls: msgspec.convert({**WORKING, "smtp_tls": tls}, EmailAccount).port for tls in ("implicit", "none")}

    assert ports == {"implicit": 465, "none": 25}
    assert msgspec.convert(WORKING, EmailAccount).port == 587
    assert msgspec.convert({**WORKING, "smtp_port": "2525"}, EmailAccount, strict=False).port == 2525


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"address": "suporte"}, "address: write one e-mail address"),
        ({"address": "a@b, c@d"}, "address: write one e-mail address"),
        ({"address": "a@b..c"}, "address: write one e-mail address"),
        ({"address": "a@b\r\nX: y"}, "address: write one e-mail address"),
        ({"maildir": " "}, "maildir: name a folder"),
        ({"smtp_host": "smtp://x"}, "smtp_host: write a host name"),
        ({"smtp_port": 70000}, "smtp_port: write a number"),
        ({"smtp_user": "robo"}, "smtp_user, smtp_password: set both"),
        ({"smtp_host": None}, "set at least one"),
        ({"smtp_tls": "ssl"}, "Invalid enum value"),
        ({"smtp_verify": False}, "unknown field"),
    ],
)
def test_settings_that_cannot_work_say_what_to_do(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert({**WORKING, **wrong}, EmailAccount)


def test_the_password_is_not_in_the_repr() -> None:
    account = msgspec.convert({**WORKING, "smtp_user": "robo", "smtp_password": "segredo"}, EmailAccount)

    assert "segredo" not in repr(account)
