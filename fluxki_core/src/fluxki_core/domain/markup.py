"""Brings any HTML into a small, balanced, shallow form, and says what that took out.

A browser's parser takes quadratic time or space on some input (10,000 nested `div`, unclosed `font` with different
colours before many `p`, 100,000 attributes). So the parser that cleaning relies on for safety is only ever given what
is written here: known tags, properly nested, at most `MAX_DEPTH` deep, with the attributes that are kept. Where this
reading of broken HTML differs from a browser's, some formatting is lost, never safety.
"""

import re
from collections import Counter
from collections.abc import Callable
from html import escape, unescape
from typing import NamedTuple

from msgspec import Struct

MAX_DEPTH = 100
MAX_TAGS = 50_000
MAX_ATTRIBUTES = 60

VOID = frozenset("br hr img col".split())
INLINE = frozenset("a abbr b code del em i ins kbd q s samp small span strike strong sub sup tt u var".split())
BLOCKS = frozenset("blockquote dd div dl dt h1 h2 h3 h4 h5 h6 li ol p pre table ul".split())
TABLE_PARTS = frozenset("caption colgroup tbody td tfoot th thead tr".split())
TAGS = VOID | INLINE | BLOCKS | TABLE_PARTS

_SAME_AS_DIV = frozenset("address article aside center dir fieldset figure footer header main nav section".split())
# What is taken out with all that it holds, and the code that says so; None is not worth saying.
_WITH_CONTENT: dict[str, str | None] = {
    "script": "script",
    "style": "style",
    "title": None,
    "iframe": "frame",
    "noframes": None,
    "noembed": None,
    "object": "object",
    "applet": "object",
    "svg": "object",
    "math": "object",
    "audio": "object",
    "video": "object",
    "canvas": "object",
    "template": "object",
    "select": "form",
    "xml": None,
}
_RAW = frozenset(("script", "style", "title"))
_TAG_ONLY = {
    "form": "form",
    "input": "form",
    "button": "form",
    "textarea": "form",
    "frame": "frame",
    "frameset": "frame",
    "embed": "object",
    "base": "meta",
}
_TABLE_BODY = frozenset(("table", "tbody", "thead", "tfoot"))
_CELL = frozenset(("td", "th", "caption"))
# A start tag ends these open elements, looked for no further out than the second set.
_ENDS = {
    "li": (frozenset(("li", "p")), frozenset(("ul", "ol", "table", "td", "th"))),
    "dt": (frozenset(("dt", "dd", "p")), frozenset(("dl", "table", "td", "th"))),
    "dd": (frozenset(("dt", "dd", "p")), frozenset(("dl", "table", "td", "th"))),
    "td": (_CELL, frozenset(("table", "tr"))),
    "th": (_CELL, frozenset(("table", "tr"))),
    "tr": (_CELL | {"tr", "colgroup"}, _TABLE_BODY),
    "tbody": (_CELL | {"tr", "tbody", "thead", "tfoot", "colgroup"}, frozenset(("table",))),
    "a": (frozenset("a"), _CELL | {"table"}),
}
_ENDS["thead"] = _ENDS["tfoot"] = _ENDS["tbody"]
_BLOCK_ENDS = (frozenset("p"), _CELL | {"table", "div", "blockquote", "li"})

_TOKEN = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z))
      | <(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+)(?:>|\Z)
      | <[!?/][^>]*+(?:>|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]*+)))?+""")


class Verdict(NamedTuple):
    """What becomes of an attribute: written under `name` or, where that is None, left out; `said` tells of a loss."""

    name: str | None = None
    value: str = ""
    said: str | None = None


Keep = Callable[[str, str, str], Verdict]
"""Judges (tag, attribute, value)."""


class Tidied(Struct, frozen=True):
    html: str
    removed: frozenset[str]


def tidy(html: str, keep: Keep) -> Tidied:
    """The same content in balanced HTML of `TAGS` only, with the attributes that `keep` lets through.

    Never raises; linear in the length of `html`. It is no safety barrier: `cleaning` has one behind it.
    """
    writer = _Writer(keep)
    position = 0
    unclosed: set[str] = set()
    while token := _TOKEN.search(html, position):
        writer.text(html[position : token.start()])
        position = token.end()
        if token[2] is None:
            continue
        name = token[2].lower()
        if name in _WITH_CONTENT and not token[1]:
            writer.say(_WITH_CONTENT[name])
            position = _after(html, name, position, unclosed)
        elif token[1]:
            writer.close(name)
        else:
            writer.open(name, token[3])
    writer.text(html[position:])
    return writer.finish()


def _after(html: str, name: str, position: int, unclosed: set[str]) -> int:
    """Where the element that opened before `position` ends. An unclosed script or style goes on to the end."""
    if name not in unclosed:
        end = re.compile(rf"</{name}(?![a-z0-9])[^>]*>?", re.IGNORECASE).search(html, position)
        if end:
            return end.end()
        unclosed.add(name)
    return len(html) if name in _RAW else position


class _Writer:
    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._out: list[str] = []
        self._stack: list[str] = []
        self._flattened: Counter[str] = Counter()
        self._removed: set[str] = set()

    def say(self, code: str | None) -> None:
        if code:
            self._removed.add(code)

    def text(self, text: str) -> None:
        if text:
            self._out.append(text.replace("<", "&lt;") if "<" in text else text)

    def open(self, name: str, attributes: str) -> None:
        if name in _SAME_AS_DIV:
            name = "div"
        if name not in TAGS:
            self._refuse(name, attributes)
            return
        self._end_for(name)
        inside = self._stack[-1] if self._stack else ""
        misplaced = (inside in _TABLE_BODY or inside == "tr") and name not in TABLE_PARTS | VOID
        written = self._attributes(name, attributes) if attributes else ""
        if misplaced or len(self._stack) >= MAX_DEPTH:
            self._flatten(name, misplaced)
        else:
            self._out.append(f"<{name}{written}>")
            if name not in VOID:
                self._stack.append(name)

    def close(self, name: str) -> None:
        if name in _SAME_AS_DIV:
            name = "div"
        if name == "br":
            self._out.append("<br>")
        elif self._flattened[name]:
            self._flattened[name] -= 1
        elif name in TAGS:
            self._end(frozenset((name,)), frozenset() if name in TABLE_PARTS or name == "table" else _CELL)

    def finish(self) -> Tidied:
        self._out.extend(f"</{name}>" for name in reversed(self._stack))
        return Tidied("".join(self._out), frozenset(self._removed))

    def _refuse(self, name: str, attributes: str) -> None:
        self.say(_TAG_ONLY.get(name))
        if name == "meta" and "refresh" in attributes.lower():
            self.say("meta")
        elif name in ("body", "image"):
            self._attributes(name, attributes)

    def _flatten(self, name: str, misplaced: bool) -> None:
        if not misplaced:
            self._removed.add("structure")
        if name not in VOID:
            self._flattened[name] += 1
        if name in BLOCKS:
            self._out.append("\n")

    def _end_for(self, name: str) -> None:
        ends = _ENDS.get(name) or (_BLOCK_ENDS if name in BLOCKS or name == "hr" else None)
        if ends and self._stack:
            self._end(*ends)

    def _end(self, names: frozenset[str], stops: frozenset[str]) -> None:
        """Closes the outermost open element of `names` that no element of `stops` stands in front of."""
        stack, cut = self._stack, -1
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] in names:
                cut = at
                if len(names) == 1:
                    break
            elif stack[at] in stops:
                break
        if cut >= 0:
            self._out.extend(f"</{name}>" for name in reversed(stack[cut:]))
            del stack[cut:]

    def _attributes(self, tag: str, source: str) -> str:
        kept: dict[str, str] = {}
        for count, found in enumerate(_ATTRIBUTE.finditer(source)):
            if count >= MAX_ATTRIBUTES:
                break
            value = found[2] or found[3] or found[4] or ""
            verdict = self._keep(tag, found[1].lower(), unescape(value) if "&" in value else value)
            self.say(verdict.said)
            if verdict.name:
                kept.setdefault(verdict.name, verdict.value)
        return "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
