"""How results of the core are given out, where that differs from how the core keeps them."""

import re
from typing import Any

import msgspec
from fluxki_core.domain.tickets import Message, Page

FILES = "/api/v1/attachments/"
_IMAGE = re.compile(r"""(<img\b[^>]*?\bsrc\s*=\s*["']?)(?:https?://[^/"'>\s]+)?/api/v1/attachments/""", re.IGNORECASE)


def shown(message: Message) -> Message:
    """A message whose images are addresses here; the store keeps them as `cid:TOKEN`."""
    html = message.body_html
    for each in message.attachments:
        html = html.replace(f'src="cid:{each.id}"', f'src="{FILES}{each.id}"')
    return msgspec.structs.replace(message, body_html=html)


def stored(html: str) -> str:
    """A body as the store keeps it: images given by their address here become `cid:TOKEN`."""
    return _IMAGE.sub(r"\1cid:", html)


def encoded(result: Any) -> str:
    """What is kept under an Idempotency-Key: exactly what the handler of that order answers."""
    match result:
        case None:
            return ""
        case Message():
            return _json(shown(result))
        case list():
            return _json(Page(result, None))
    return _json(result)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
