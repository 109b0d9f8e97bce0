"""What the calls of the API share: bounded values, strict bodies, and pages."""

from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.tickets import Page
from litestar import Request
from litestar.datastructures import State
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from fluxki.errors import Malformed

T = TypeVar("T")
MAX_ID = 2**63 - 1

PathId: TypeAlias = Annotated[T, PathParameter(ge=1, le=MAX_ID)]
QueryId: TypeAlias = Annotated[T | None, QueryParameter(ge=1, le=MAX_ID)]
BodyId: TypeAlias = Annotated[T, Meta(ge=1, le=MAX_ID)]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]
Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=200, description="The “next” of the page before, as it was given.")
]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=120)]
PersonName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Email: TypeAlias = Annotated[str, Meta(min_length=3, max_length=320)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the bodies that the API takes: what it does not know it refuses."""


class StrictRequest(Request[Any, Any, State]):
    """Decodes a JSON body as exactly the type that its handler takes: a number in quotes is no number."""

    async def json(self) -> Any:
        """Raises `Malformed` for what is no JSON, `Invalid` for what does not fit."""
        wanted = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=wanted.annotation if wanted else Any)
        except msgspec.ValidationError as error:
            raise Invalid(_field(str(error))) from error
        except ValueError as error:
            raise Malformed(f"The body is not JSON in UTF-8: {error}.") from error


def _field(text: str) -> dict[str, str]:
    """The path of msgspec's complaint, and the complaint: "Expected `int` - at `$.a.b`" is about "a.b"."""
    what, _, path = text.partition(" - at `$")
    parts = [path.rstrip("`").removeprefix(".")]
    if what.endswith("`") and ("unknown field `" in what or "required field `" in what):
        parts.append(what[:-1].rpartition("`")[2])
    return {".".join(each for each in parts if each): what}


def everything(items: list[T]) -> Page[T]:
    """A list that is short enough to be given whole."""
    return Page(items, None)


def after(cursor: str | None) -> int:
    """The id in a cursor of a list that goes by ids; raises `Invalid`."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) <= MAX_ID):
        raise Invalid({"cursor": "Use the “next” of a page as it was given."})
    return int(cursor)
