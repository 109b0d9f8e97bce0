"""`/api/v1/openapi.json`: the API's description, true to what it takes and answers."""

import re
from typing import Any

from litestar import Request, Router
from litestar._openapi.schema_generation import SchemaCreator
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.enums import OpenAPIMediaType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme
from litestar.typing import FieldDefinition

PATH = "/api/v1/openapi.json"
_PAGE = re.compile(rb"Page_[\w.]*?(\w+)_(?=\")")


class Document(OpenAPIRenderPlugin):
    """The description as JSON, put right once, when it is first asked for."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._rendered = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if not self._rendered:
            for path in openapi_schema["paths"].values():
                for operation in path.values():
                    _put_right(operation)
            # The names of pages carry module names, which callers should not come to rely on.
            self._rendered = _PAGE.sub(rb"PageOf\1", self.render_json(request, openapi_schema))
        return self._rendered


def _put_right(operation: dict[str, Any]) -> None:
    """What Litestar says wrongly: an address cannot hold a null, and a body that may be null may be left out."""
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        tidy = _without_null(content["schema"])
        if tidy is not content["schema"]:
            content["schema"] = tidy
            operation["requestBody"]["required"] = False


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    choices = [each for each in schema.get("oneOf", []) if each != {"type": "null"}]
    if len(choices) != 1 or len(schema["oneOf"]) == 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "oneOf"}
    return {**choices[0], **rest}


class StrictStructs(StructSchemaPlugin):
    """Says of Structs that refuse unknown fields that they do; Litestar leaves that out."""

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        schema = super().to_openapi_schema(field_definition, schema_creator)
        if field_definition.type_.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        return schema


def description(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Fluxki",
        version=version,
        path=PATH,
        openapi_router=Router(PATH, route_handlers=[], include_in_schema=False),
        render_plugins=[Document()],
        use_handler_docstrings=True,
        security=[{"bearer": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="A token that “fluxki token add” printed."
                )
            }
        ),
    )
