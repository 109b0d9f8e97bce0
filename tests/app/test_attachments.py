"""Files: taken in as a stream, given out so that nothing in them runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from app.clients import Office
from fluxki.api.attachments import LARGEST
from paper import letter

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(8)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


async def test_d13_a_file_goes_along_with_one_message(office: Office) -> None:
    ana, rui = await office.caller(), await office.caller("Rui Paz")
    ticket = await office.house.ticket_from(letter())
    path = f"/tickets/{ticket}/messages"
    content = bytes(range(256)) * 1000
    token = await ana.upload('relatório "final".pdf', content, "application/pdf; x=y")
    note = {"body_text": "veja", "visibility": "private", "attachments": [token]}
    assert await rui.problem("POST", path, note) == (422, "invalid")
    written = await ana("POST", path, note, expect=201)
    view = {
        "id": token,
        "name": 'relatório "final".pdf',
        "media_type": "application/pdf",
        "size": 256000,
        "inline": False,
    }
    assert written["attachments"] == [view]
    assert await ana.problem("POST", path, note) == (422, "invalid")
    answer = await rui.raw("GET", f"/attachments/{token}")
    assert answer.content == content
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''relat%C3%B3rio%20%22final%22.pdf"
    assert answer.headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("content", "declared", "shown"),
    [
        (PNG, "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(9), "x/y", "image/jpeg"),
        (b"GIF89a" + bytes(9), "", "image/gif"),
        (WEBP, "image/png", "image/webp"),
        (SVG, "image/svg+xml", None),
        (b"<script>alert(1)</script>", "image/png", None),
        (b"", "text/html", None),
    ],
)
async def test_only_what_is_an_image_is_shown_in_place(
    office: Office, content: bytes, declared: str, shown: str | None
) -> None:
    ana = await office.caller()
    token = await ana.upload("a.html", content, declared)
    answer = await ana.raw("GET", f"/attachments/{token}")
    disposition = "inline" if shown else "attachment"
    assert answer.headers["content-disposition"].startswith(disposition)
    assert shown is None or answer.headers["content-type"] == shown
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.content == content


async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(office: Office) -> None:
    ana = await office.caller()
    large = bytes(LARGEST + 1)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 1 << 20):
            yield large[start : start + (1 << 20)]

    for content in (large, chunks()):
        assert await ana.problem("POST", "/attachments?name=x", content=content) == (413, "too_large")
    assert await ana.upload("x", bytes(LARGEST))
    folder = office.house.core.settings.data_dir
    assert not await asyncio.to_thread(lambda: list(folder.glob("upload-*")))


async def test_a_file_needs_a_name(office: Office) -> None:
    ana = await office.caller()
    for query in ("", "?name=", "?name=%2e%2e", "?name=" + "x" * 256):
        assert await ana.problem("POST", f"/attachments{query}", content=b"x") == (422, "invalid"), query
    token = await ana.upload("../../etc/passwd", b"x")
    assert (await ana.raw("GET", f"/attachments/{token}")).headers["content-disposition"].endswith('"passwd"')


async def test_a_file_is_seen_by_those_who_see_its_ticket(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    sales = (await bia("POST", "/departments", {"name": "Vendas"}, expect=201))["id"]
    eva = await office.caller("Eva Sá", departments=(sales,))
    ticket = await office.house.ticket_from(letter())
    token = await ana.upload("a.png", PNG)
    assert await bia.problem("GET", f"/attachments/{token}") == (404, "not_found")
    note = {"body_text": "veja", "visibility": "private", "attachments": [token]}
    await ana("POST", f"/tickets/{ticket}/messages", note, expect=201)
    assert (await bia.raw("GET", f"/attachments/{token}")).status_code == 200
    assert await eva.problem("GET", f"/attachments/{token}") == (404, "not_found")
    assert await ana.problem("GET", "/attachments/nowhere") == (404, "not_found")
