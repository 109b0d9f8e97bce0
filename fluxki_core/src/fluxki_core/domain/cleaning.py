"""Makes HTML from outside safe to show, and turns HTML into text and text into HTML.

What stays is an allow-list: structure, links that open elsewhere, images that came with the message. Nothing loads from
elsewhere, nothing runs, nothing is styled. Codes of what was taken out (`Cleaned.removed`):

- `script`: scripts and event handlers; `style`: style sheets (style attributes go without a word);
- `form`, `frame`, `object` (also SVG, MathML, audio, video), `meta` (base address, redirects);
- `links`: targets that are not http, https, mailto or tel, such as `javascript:`;
- `remote_images`: images that would load from elsewhere, kept as `<img data-remote-src="URL">`;
- `images`: `data:` images that are too large or of no kind that is shown;
- `structure`: nesting or an amount of tags beyond what is shown; the text is whole.
"""

import re
from collections.abc import Callable, Mapping
from html import escape, unescape
from urllib.parse import unquote

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from msgspec import Struct

from fluxki_core.domain.markup import MAX_TAGS, TAGS, Keep, Verdict, tidy

# Data images stand in the row of the message: only what a signature's logo needs.
MAX_DATA_IMAGE = 200_000
MAX_LINK = 4_000
# inscriptis pads every line of a table to the width of its widest one.
_MAX_PADDED = 20_000_000

QUOTE_CLASSES = frozenset(
    "gmail_quote gmail_quote_container gmail_attr gmail_extra moz-cite-prefix moz-forward-container yahoo_quoted "
    "protonmail_quote zmail_extra tutanota_quote OutlookMessageHeader WordSection1".split()
)
QUOTE_IDS = frozenset("appendonsend divRplyFwdMsg mail-editor-reference-message-container reply-intro".split())

_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "data-remote-src", "alt", "title", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "ol": {"start"},
    "div": {"class", "id", "dir"},
    "blockquote": {"class", "id", "type", "dir"},
    "p": {"dir"},
    "span": {"dir"},
    "table": {"dir"},
}
_NUMBER = re.compile(r"\d{1,4}%?\Z", re.ASCII)
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[a-z0-9+/=\s]+\Z", re.IGNORECASE)
_IGNORED_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\u200b\u2028\u2029\ufeff]+")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_REL = "noopener noreferrer nofollow"
_NOTHING = Verdict()


class Cleaned(Struct, frozen=True):
    """`html` is safe to stand in a page; `removed` are codes of what was taken out of it."""

    html: str
    removed: frozenset[str]


def clean(html: str, names: Mapping[str, str] | None = None) -> Cleaned:
    """HTML of anybody in a form that is safe inside our pages. Never raises, takes linear time.

    Images: `cid:OLD` becomes `cid:NEW` for the OLD of `names`, whatever its case, angle brackets and percent-encoding,
    others stay; `data:` ones stay if they are base64 PNG, JPEG, GIF or WebP of at most `MAX_DATA_IMAGE` characters.
    Nesting beyond 100 is flattened; beyond 50,000 tags only the text stays. Nothing may be written into what comes
    back: text and titles of it can look like attributes.
    """
    if html.count("<") > MAX_TAGS or html.count("&") > MAX_TAGS:
        return Cleaned(from_text(_stripped(html)), frozenset(("structure",)))
    tidied = tidy(html.replace("\x00", ""), _naming(names) if names else _keep)
    return Cleaned(_CLEANER.clean(tidied.html), tidied.removed)


def _naming(names: Mapping[str, str]) -> Keep:
    keyed = {cid_key(old): new for old, new in names.items()}

    def keep(tag: str, name: str, value: str) -> Verdict:
        verdict = _keep(tag, name, value)
        if verdict.name == "src" and verdict.value.startswith("cid:"):
            new = keyed.get(cid_key(verdict.value[4:]))
            return verdict if new is None else verdict._replace(value=f"cid:{new}")
        return verdict

    return keep


def _keep(tag: str, name: str, value: str) -> Verdict:
    """What becomes of one attribute."""
    if name.startswith("on") and len(name) > 2:
        return Verdict(said="script")
    if name == "background" or (name == "srcset" and tag == "img"):
        return Verdict(said="remote_images" if _REMOTE.search(value) else None)
    if name not in _ATTRIBUTES.get(tag, ()):
        return _NOTHING
    if name == "href":
        return _link(value)
    if name == "src":
        return _image(value)
    if name == "class":
        value = " ".join(one for one in value.split()[:20] if one in QUOTE_CLASSES)
    elif name in _ALLOWED and not _ALLOWED[name](value):
        return _NOTHING
    return Verdict(name, value, "remote_images" if name == "data-remote-src" else None) if value else _NOTHING


def _link(value: str) -> Verdict:
    target = _IGNORED_IN_URL.sub("", value)
    scheme = _SCHEME.match(target)
    if scheme and scheme[1].lower() in ("http", "https", "mailto", "tel"):
        return Verdict("href", target) if len(target) <= MAX_LINK else Verdict(said="links")
    return Verdict(said="links") if scheme else _NOTHING


def _image(value: str) -> Verdict:
    source = _IGNORED_IN_URL.sub("", value)
    start = source[:8].lower()
    if start.startswith("cid:"):
        return Verdict("src", "cid:" + source[4:])
    if start.startswith("data:"):
        shown = len(source) <= MAX_DATA_IMAGE and _DATA_IMAGE.match(source)
        return Verdict("src", source) if shown else Verdict(said="images")
    if not _REMOTE.match(source):
        return _NOTHING
    address = "https:" + source if source.startswith("//") else source
    return Verdict("data-remote-src" if _is_remote(address) else None, address, "remote_images")


def _is_remote(value: str) -> bool:
    return len(value) <= MAX_LINK and bool(re.match(r"https?://[^\s<>\"']+\Z", value, re.IGNORECASE))


_ALLOWED: dict[str, Callable[[str], bool]] = {
    "width": lambda value: bool(_NUMBER.match(value)),
    "height": lambda value: bool(_NUMBER.match(value)),
    "colspan": lambda value: bool(_NUMBER.match(value)),
    "rowspan": lambda value: bool(_NUMBER.match(value)),
    "start": lambda value: bool(_NUMBER.match(value)),
    "type": lambda value: value.lower() == "cite",
    "dir": lambda value: value.lower() in ("ltr", "rtl", "auto"),
    "id": lambda value: value in QUOTE_IDS,
    "data-remote-src": _is_remote,
}


def _filter(tag: str, name: str, value: str) -> str | None:
    """The same judgement over what a browser's parser made of the tidied HTML: the barrier."""
    # nh3 shows what it adds to links by itself to the filter, too.
    if tag == "a" and (name, value) in (("rel", _REL), ("target", "_blank")):
        return value
    verdict = _keep(tag, name, value)
    return verdict.value if verdict.name == name else None


_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags={"script", "style"},
    attributes=_ATTRIBUTES,
    attribute_filter=_filter,
    link_rel=_REL,
    set_tag_attribute_values={"a": {"target": "_blank"}},
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    url_relative="deny",
)

_INSCRIPTIS = ParserConfig(css=STRICT_CSS_PROFILE)
_TEXT_BREAK = re.compile(
    r"<(?:br|hr|/?(?:p|div|h[1-6]|ul|ol|table|tr|li|blockquote|pre|dl|dt|dd))\b[^>]*>", re.IGNORECASE
)
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title)\b.*?(?:</\1|\Z)[^>]*>?|<(?:[a-zA-Z/!?][^>]*+)(?:>|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def to_text(html: str) -> str:
    """The text of HTML with its tables and lists laid out. Never raises, bounded in time.

    What is too large or too wide to lay out comes as its lines, without the layout of tables.
    """
    if html.count("<") > MAX_TAGS:
        return _stripped(html)
    tidied = tidy(html.replace("\x00", ""), _no_attribute).html
    longest = max(map(len, tidied.split("<")))
    if tidied.count("<") * longest > _MAX_PADDED or len(tidied) > 500_000:
        return _stripped(tidied)
    text = get_text(tidied, _INSCRIPTIS) if tidied.strip() else ""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


_LINK = re.compile(r'<a\b[^>]*?\shref="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)


def with_targets(html: str) -> str:
    """Cleaned HTML whose links tell where they lead behind their words, for those who read it as text."""

    def told(found: re.Match[str]) -> str:
        target = found[1].removeprefix("mailto:").removeprefix("tel:")
        return found[2] if target in found[2] else f"{found[2]} &lt;{target}&gt;"

    return _LINK.sub(told, html)


def _no_attribute(tag: str, name: str, value: str) -> Verdict:
    return _NOTHING


def _stripped(html: str) -> str:
    text = unescape(_UNSEEN.sub("", _TEXT_BREAK.sub("\n", html.replace("\x00", ""))))
    lines = "\n".join(" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


_ADDRESS = re.compile(
    r"(?P<web>(?:https?://|www\.)[^\s\x00-\x1f\x7f<>\"']{3,2000})|(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24})\b",
    re.IGNORECASE,
)


def from_text(text: str) -> str:
    """Safe HTML of plain text: a paragraph for each block of lines, web and mail addresses as links."""
    blocks = re.split(r"\n[ \t]*\n\s*", text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n").strip("\n"))
    return "".join(f"<p>{_linked(block)}</p>" for block in blocks if block.strip())


def _linked(text: str) -> str:
    out, position = [], 0
    for found in _ADDRESS.finditer(text):
        shown = found[0].rstrip(".,;:!?)]}*")
        target = "mailto:" + shown if found["mail"] else shown if "://" in shown else "https://" + shown
        out += [
            escape(text[position : found.start()]),
            f'<a href="{escape(target)}" rel="{_REL}" target="_blank">{escape(shown)}</a>',
        ]
        position = found.start() + len(shown)
    return "".join([*out, escape(text[position:])]).replace("\n", "<br>")


_CID = re.compile(
    r"""(\bsrc\s*=\s*)(?:"\s*cid:([^"]{1,1000})"|'\s*cid:([^']{1,1000})'|cid:([^\s"'<>]{1,1000}))""", re.IGNORECASE
)


def cid_key(value: str) -> str:
    """A Content-ID in the form in which two of them are compared (RFC 2392: the URL form is percent-encoded)."""
    return unquote(unescape(value)).strip().strip("<>").strip().casefold()


def cids(html: str) -> set[str]:
    """Keys (`cid_key`) of the parts that the images of any HTML, cleaned or not, refer to."""
    if "cid:" not in html.lower():
        return set()
    return {cid_key(found[2] or found[3] or found[4]) for found in _CID.finditer(html)}


# Within a cleaned tag ">" stands only at its end, and values are in double quotes.
_SHOWN = re.compile(r'<img\b[^>]*?\ssrc="cid:([^"]+)"')


def shown_cids(html: str) -> set[str]:
    """Keys (`cid_key`) of the parts that the images of cleaned HTML show; text that reads like one is none."""
    return {cid_key(found[1]) for found in _SHOWN.finditer(html)}
