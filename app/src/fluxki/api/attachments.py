"""`/api/v1/attachments`: files on their way into a message, and out of one."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fluxki_core.domain.ids import FileToken
from fluxki_core.domain.tickets import FileView
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema
from litestar.params import PathParameter, QueryParameter
from litestar.response import File

from fluxki.auth import ApiRequest, Key, once
from fluxki.errors import READS, WRITES
from fluxki.files import inline_type

LARGEST = 25 * 1024 * 1024
ANY = "*/*"
BYTES = {ANY: OpenAPIMediaType(schema=Schema())}  # no schema: OpenAPI 3.1's way to say bytes
# Files are shown to people who are signed in here, so nothing in one may run, whatever it says it is.
SEALED = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=300"}


@dataclass
class Upload(Operation):
    """Documents a body that is the file itself."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(content=BYTES, required=False, description="The file's bytes, at most 25 MB.")


@dataclass
class Download(Operation):
    """Documents an answer that is the file itself, of whatever type it has."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content, answer.headers = BYTES, {}


class Attachments(Controller):
    path = "/attachments"
    tags = ("Attachments",)

    @post(responses=WRITES, operation_class=Upload, request_max_body_size=LARGEST)
    async def upload(
        self,
        request: ApiRequest,
        reader: NamedDependency[CoreDesk],
        name: Annotated[str, QueryParameter(min_length=1, max_length=255, description="The file's name.")],
        idempotency_key: Key = None,
    ) -> FileView:
        """Stores the body as a file; the next message that names its id takes it along."""
        folder = reader.core.settings.data_dir
        with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-", buffering=0) as draft:
            digest = await _written(request.stream(), Path(draft.name))
            desk = reader if idempotency_key is None else once(reader, request, idempotency_key, digest)
            media_type = request.headers.get("Content-Type", "")
            return await desk.upload(name, media_type, Path(draft.name))

    @get("/{token:str}", responses=READS, operation_class=Download)
    async def download(
        self,
        reader: NamedDependency[CoreDesk],
        token: Annotated[FileToken, PathParameter(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")],
    ) -> File:
        """The file's bytes: shown in place if it is an image for certain, else to be saved."""
        placed = await reader.file(token)
        shown = await asyncio.to_thread(inline_type, placed.path)
        return File(
            placed.path,
            filename=placed.view.name,
            media_type=shown or placed.view.media_type,
            content_disposition_type="inline" if shown else "attachment",
            headers=SEALED,
        )


async def _written(chunks: AsyncIterator[bytes], path: Path) -> str:
    """Writes the chunks as they come, and gives the hash of them all."""
    digest = hashlib.sha256()
    with path.open("wb") as target:
        async for chunk in chunks:
            digest.update(chunk)
            await asyncio.to_thread(target.write, chunk)
    return digest.hexdigest()
