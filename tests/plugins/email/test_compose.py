"""What the contact receives, read back by the stdlib's parser, which shares no code with the writer."""

import re
from pathlib import Path

import pytest
from fluxki_core.domain.traffic import Quoted
from fluxki_email.letter import QUOTE_HTML_LIMIT
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.email.letters import TOKEN, WRITTEN_AT, account, body, outgoing, read, stored_file, structure

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_mail_39_a_letter_is_plain_text_and_html_of_the_same_words() -> None:
    message = read(outgoing())

    assert structure(message) == ("alternative", ["text/plain", "text/html"])
    assert body(message, "plain") == (
        "Olá Maria,\n\nJá resolvemos.\n\nEm 22/11/2026 14:05, Maria Souza escreveu:\n> A impressora parou.\n>\n"
        f"> Obrigada\n\n[{TOKEN}]\n"
    )
    assert "<p>Já <b>resolvemos</b>.</p>" in body(message, "html")
    assert "<style" not in body(message, "html")


def test_mail_39_the_quote_is_in_the_markup_that_gmail_folds_and_without_its_lost_images() -> None:
    page = body(read(outgoing()), "html")

    assert '<div dir="ltr" class="gmail_attr"' in page
    assert "Em 22/11/2026 14:05, Maria Souza escreveu:<br>" in page
    assert re.search(r'<blockquote class="gmail_quote"[^>]*><p>A impressora parou.</p></blockquote>', page)
    assert "perdida" not in page


def test_an_endless_quote_is_cut_so_that_gmail_does_not_cut_the_letter() -> None:
    long = Quoted(author="M", sent_at=WRITTEN_AT, body_html="<p>x</p>" * 20_000, body_text="palavra\n" * 20_000)
    message = read(outgoing(quoted=long))

    assert len(body(message, "html")) < QUOTE_HTML_LIMIT + 40_000
    assert "[…]" in body(message, "html")
    assert "> […]" in body(message, "plain")


def test_names_in_the_introduction_cannot_write_html() -> None:
    quoted = Quoted(author="<b>X</b>\nY", sent_at=WRITTEN_AT, body_html="<p>a</p>", body_text="a")

    assert "&lt;b&gt;X&lt;/b&gt; Y escreveu:" in body(read(outgoing(quoted=quoted)), "html")


@pytest.mark.parametrize("signature", ["Equipe ACME\n0800 123", "Equipe <b>ACME</b><br>0800 123"])
def test_the_signature_stands_in_both_parts_above_the_quote(signature: str) -> None:
    message = read(outgoing(), account(signature=signature))
    plain, page = body(message, "plain"), body(message, "html")

    assert plain.index("Já resolvemos.") < plain.index("Equipe ACME\n0800 123\n") < plain.index("> A impressora")
    assert page.index("resolvemos") < page.index("Equipe") < page.index("gmail_quote")
    assert "\n-- \n" not in plain


def test_mail_39_inline_images_travel_with_the_html_and_attachments_beside_it(tmp_path: Path) -> None:
    image = stored_file(tmp_path, "tela.png", PNG, "image/png", inline=True)
    unseen = stored_file(tmp_path, "solta.png", PNG, "image/png", inline=True)
    report = stored_file(tmp_path, "relatório.pdf", PNG * 900, "application/pdf")
    shown = f'<p>Veja <img alt="tela" src="cid:{image.token}"></p>'
    message = read(outgoing(body_html=shown, files=(image, unseen, report)))

    related = ("related", [("alternative", ["text/plain", "text/html"]), "image/png"])
    assert structure(message) == ("mixed", [related, "image/png", "application/pdf"])
    inline = next(part for part in message.walk() if part["Content-ID"])
    assert inline["Content-ID"] == f"<{image.token}@acme.com.br>"
    assert inline.get_content_disposition() == "inline"
    assert inline.get_content() == PNG
    assert f'src="cid:{image.token}@acme.com.br"' in body(message, "html")
    attached = list(message.iter_attachments())
    assert [part.get_filename() for part in attached] == ["solta.png", "relatório.pdf"]
    assert attached[1].get_content() == PNG * 900


def test_mail_39_text_that_looks_like_an_image_address_stays_text(tmp_path: Path) -> None:
    image = stored_file(tmp_path, "tela.png", PNG, "image/png", inline=True)
    message = read(outgoing(body_html=f"<p>cid:{image.token}</p>", body_text="x", files=(image,)))

    assert f"<p>cid:{image.token}</p>" in body(message, "html")
    assert structure(message) == ("mixed", [("alternative", ["text/plain", "text/html"]), "image/png"])


NAMES = [
    "simples.pdf",
    "com espaço e, vírgula; 'aspas' \"duplas\".txt",
    "relatório de manutenção preventiva e corretiva das impressoras do terceiro andar — versão final (2).xlsx",
    "😀" * 40 + ".png",
    "100%.csv",
    "=?utf-8?B?eA==?=.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_mail_39_file_names_arrive_as_they_are_in_both_headers(tmp_path: Path, name: str) -> None:
    message = read(outgoing(files=(stored_file(tmp_path, name, b"x", "text/csv"),)))
    part = next(message.iter_attachments())

    assert part.get_filename() == name
    # The older header, which old Outlook reads instead.
    assert "".join(str(part["Content-Type"].params["name"]).split()) == "".join(name.split())


def test_a_file_name_cannot_be_a_path_nor_a_header(tmp_path: Path) -> None:
    file = stored_file(tmp_path, "../../etc\\passwd\r\nBcc: x@y\0.txt", b"x", "text/plain")
    part = next(read(outgoing(files=(file,))).iter_attachments())

    assert part.get_filename() == ".._.._etc_passwd Bcc: x@y .txt"


@pytest.mark.parametrize("media_type", ["message/rfc822", "multipart/mixed", "image/png\r\nX: y", "", "pdf"])
def test_types_that_base64_or_a_header_cannot_carry_become_bytes(tmp_path: Path, media_type: str) -> None:
    part = next(read(outgoing(files=(stored_file(tmp_path, "a.eml", PNG, media_type),))).iter_attachments())

    assert part.get_content_type() == "application/octet-stream"
    assert part.get_content() == PNG


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=3000))
def test_mail_39_bodies_arrive_character_by_character(text: str) -> None:
    plain = body(read(outgoing(body_text=f"a{text}z", quoted=None)), "plain")

    assert plain == f"a{text}z\n\n[{TOKEN}]\n"


def test_mail_39_remote_images_leave_with_our_words_and_not_with_the_quote() -> None:
    remote = '<p>x<img data-remote-src="https://x.example/a.png" alt="logo"></p>'
    quoted = Quoted(author="M", sent_at=WRITTEN_AT, body_html=remote.replace("a.png", "spy.gif"), body_text="x")
    page = body(read(outgoing(body_html=remote, quoted=quoted)), "html")

    assert '<img src="https://x.example/a.png" alt="logo">' in page
    assert "spy.gif" not in page
    assert "data-remote-src" not in page
