"""The two bodies of an outgoing letter, plain and HTML: reply, signature, quoted message and, discreetly, the token."""

import html
import re
from collections.abc import Mapping
from datetime import tzinfo

from fluxki_core.domain.traffic import Outgoing, Quoted

QUOTE_HTML_LIMIT = 60_000  # characters; Gmail cuts messages of more than 102 kB
QUOTE_TEXT_LIMIT = 20_000
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5"
_QUOTE = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"
_TAG = re.compile(r"<[A-Za-z/!][^>]*>")
_BLOCK_END = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6])>", re.IGNORECASE)
# Stored HTML is cleaned: within its tags ">" stands only at the end, and values are in double quotes.
_NO_DATA_IMAGE = re.compile(r'<img\b(?![^>]*\ssrc="data:)[^>]*>', re.IGNORECASE)
_SHOWN = re.compile(r'(<img\b[^>]*?\ssrc=)"cid:([^"<>\s]+)"', re.IGNORECASE)
_REMOTE = re.compile(r'(<img\b[^>]*?\s)data-remote-src="', re.IGNORECASE)


def shown_tokens(body_html: str) -> frozenset[str]:
    """The tokens of the files that the stored HTML shows by `src="cid:TOKEN"`."""
    return frozenset(match[2] for match in _SHOWN.finditer(body_html))


def plain_body(outgoing: Outgoing, signature: str, zone: tzinfo) -> str:
    """The letter in plain text. No `-- ` above the signature: clients drop all that follows one, the quote too."""
    parts = [outgoing.body_text.strip("\r\n"), _as_text(signature)]
    if outgoing.quoted:
        cited = _cut(outgoing.quoted.body_text).splitlines()
        parts.append("\n".join([introduction(outgoing.quoted, zone), *(f"> {line}".rstrip() for line in cited)]))
    parts.append(f"[{outgoing.token}]")
    return "\n\n".join(part for part in parts if part) + "\n"


def html_body(outgoing: Outgoing, signature: str, zone: tzinfo, content_ids: Mapping[str, str]) -> str:
    """The letter in HTML. `content_ids` maps the token of each shown file to its Content-ID.

    Styles are inline, since Outlook and Gmail drop much of the rest; the quote is in Gmail's markup, which clients
    fold. The token is small and grey: filters count text with `display:none` as spam.
    """
    return "\n".join(
        part
        for part in (
            '<!DOCTYPE html>\n<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">',
            '<meta name="viewport" content="width=device-width"></head><body>',
            f'<div style="{_FONT};color:#1f2328">',
            f"<div>{_with_images(outgoing.body_html or _as_html(outgoing.body_text), content_ids)}</div>",
            f'<div style="margin-top:16px;color:#57606a">{_as_html(signature)}</div>' if signature.strip() else "",
            "</div>",
            _quote_html(outgoing.quoted, zone) if outgoing.quoted else "",
            f'<div style="margin-top:16px;font-size:9px;line-height:1.2;color:#b8bec5">[{outgoing.token}]</div>',
            "</body></html>",
        )
        if part
    )


def introduction(quoted: Quoted, zone: tzinfo) -> str:
    """The line above a quoted message, as Brazilian mail programs write it."""
    author = " ".join(quoted.author.split())
    return f"Em {quoted.sent_at.astimezone(zone):%d/%m/%Y %H:%M}, {author} escreveu:"


def _quote_html(quoted: Quoted, zone: tzinfo) -> str:
    # Files are not sent again, and what the cleaner kept from loading has no address to show.
    body = _NO_DATA_IMAGE.sub("", quoted.body_html)
    if not body or len(body) > QUOTE_HTML_LIMIT:
        body = _lines_as_html(_cut(quoted.body_text))
    return (
        f'<div class="gmail_quote gmail_quote_container" style="margin-top:16px;{_FONT}">'
        '<div dir="ltr" class="gmail_attr" style="color:#57606a">'
        f"{html.escape(introduction(quoted, zone))}<br></div>\n"
        f'<blockquote class="gmail_quote" style="{_QUOTE}">{body}</blockquote></div>'
    )


def _with_images(body: str, content_ids: Mapping[str, str]) -> str:
    """The agent's own images: files by their Content-ID, and those on the web, which only our pages hold back."""

    def name(match: re.Match[str]) -> str:
        known = content_ids.get(match[2])
        if known is None:
            return match[0]
        return f'{match[1]}"cid:{known}" style="max-width:100%;height:auto"'

    return _SHOWN.sub(name, _REMOTE.sub(r'\1src="', body))


def _cut(text: str) -> str:
    text = text.strip("\r\n")
    return text if len(text) <= QUOTE_TEXT_LIMIT else f"{text[:QUOTE_TEXT_LIMIT]}\n[…]"


def _as_text(text: str) -> str:
    if not _TAG.search(text):
        return text.strip()
    return html.unescape(_TAG.sub("", _BLOCK_END.sub("\n", text))).strip()


def _as_html(text: str) -> str:
    return text.strip() if _TAG.search(text) else _lines_as_html(text.strip())


def _lines_as_html(text: str) -> str:
    return "<br>\n".join(html.escape(line) for line in text.splitlines())
