"""Which parts of a mail are its body and which its files, and what hostile structure costs (CHANNELS 31)."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugins.email.incoming import mail, multipart, understand, understood

PDF = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
MB = 1024 * 1024


def test_mail_31_all_texts_are_shown_in_order_and_files_keep_theirs(tmp_path: Path) -> None:
    kind, body = multipart("mixed", "\r\num", PDF + "JVBERg==", "\r\ndois", PDF.replace("a.pdf", "b.pdf") + "JVBE")
    inbound = understand(mail(kind, body=body), tmp_path)

    assert inbound.body_text == "um\n\ndois"
    assert [(file.name, file.path.read_bytes()) for file in inbound.files] == [("a.pdf", b"%PDF"), ("b.pdf", b"%PD")]
    assert all(file.path.parent == tmp_path for file in inbound.files)


def test_mail_31_a_nested_message_is_one_file_byte_by_byte(tmp_path: Path) -> None:
    inner = (
        "Subject:  dobrado\r\n\tcom tab \r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n"
    )
    kind, body = multipart("mixed", "\r\noi", "Content-Type: message/rfc822\r\n\r\n" + inner)
    inbound = understand(mail(kind, body=body), tmp_path)

    assert inbound.body_text == "oi"
    assert [(file.name, file.path.read_bytes()) for file in inbound.files] == [("part-1.eml", inner.encode())]


def test_mail_31_a_text_that_is_an_attachment_is_no_body() -> None:
    inbound = understood(mail("Content-Disposition: attachment; filename=a.txt"))

    assert inbound.body_text == ""
    assert [file.name for file in inbound.files] == ["a.txt"]


def test_mail_31_an_alternative_with_a_calendar_keeps_all_three(tmp_path: Path) -> None:
    kind, body = multipart(
        "alternative",
        "Content-Type: text/plain\r\n\r\ntexto",
        "Content-Type: text/html\r\n\r\n<p>rico</p>",
        "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR",
    )
    inbound = understand(mail(kind, body=body), tmp_path)

    assert (inbound.body_text, inbound.body_html) == ("texto", "<p>rico</p>")
    assert [file.media_type for file in inbound.files] == ["text/calendar"]


def test_mail_31_an_empty_body_is_an_empty_text() -> None:
    inbound = understood(mail(body=""))

    assert (inbound.body_text, inbound.body_html, inbound.files) == ("", None, ())


def test_mail_32_an_image_is_inline_where_the_body_shows_it_or_it_says_so() -> None:
    kind, body = multipart(
        "related",
        'Content-Type: text/html\r\n\r\n<img src="CID:Logo%40X">',
        "Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\nx",
        "Content-Type: image/png\r\nContent-ID: <outra@x>\r\n\r\nx",
        "Content-Type: image/png\r\nContent-Disposition: inline\r\n\r\nx",
    )

    assert [file.inline for file in understood(mail(kind, body=body)).files] == [True, False, True]


def test_mail_35_what_is_encrypted_or_signed_is_said_and_kept() -> None:
    signed, body = multipart("signed", "\r\noi", "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx")
    encrypted = understood(mail("Content-Type: application/pkcs7-mime; smime-type=enveloped-data"))

    assert understood(mail(signed, body=body)).notices == ("signed",)
    assert understood(mail(signed, body=body)).body_text == "oi"
    assert encrypted.notices == ("encrypted",)
    assert [file.name for file in encrypted.files] == ["part-1.p7m"]


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", "JVBERg", b"%PDF"),
        ("base64", "JVBERg==\r\nrodape!", b"%PDF" + base64.b64decode("rodape==")),
        ("quoted-printable", "=ZZ =", b"=ZZ "),
        ("x-uuencode", "begin 644 a\r\n#0V%T\r\n!!!", b"Cat"),
    ],
)
def test_mail_31_a_damaged_part_gives_what_can_be_had(encoding: str, body: str, content: bytes, tmp_path: Path) -> None:
    raw = mail("Content-Type: application/pdf", f"Content-Transfer-Encoding: {encoding}", body=body).removesuffix(
        b"\r\n"
    )
    inbound = understand(raw, tmp_path)

    assert inbound.files[0].path.read_bytes().startswith(content)
    assert inbound.notices == ("damaged_part",)


def test_mail_31_a_very_long_text_is_a_file_as_well(tmp_path: Path) -> None:
    inbound = understand(mail(body="linha de texto\r\n" * 200_000), tmp_path)

    assert inbound.notices == ("long_body",)
    assert len(inbound.body_text) > 1_800_000
    assert [file.path.stat().st_size for file in inbound.files] == [16 * 200_000 + 2]


def hostile() -> dict[str, bytes]:
    head = mail().partition(b"\r\n\r\n")[0] + b"\r\n"
    mixed = head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (at, at) for at in range(10_000))
    return {
        "one header": head + b"X-A: " + b"a" * 25 * MB + b"\r\n\r\noi",
        "folded header": head + b"X-A: " + (b"a" * 70 + b"\r\n ") * 350_000 + b"\r\n\r\noi",
        "many headers": head + b"X-A: aaaaaaaaaaaaaaaa\r\n" * 900_000 + b"\r\noi",
        "one line": head + b"\r\n" + b"a" * 25 * MB,
        "empty lines": mixed + b"\n" * 25 * MB,
        "tiny parts": mixed + b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n" * 100_000,
        "dashes": mixed + b"--\r\n" * 6_000_000,
        "nested": head + nested + b"\r\noi",
        "padding": head + b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"Q=" * 12 * MB,
        "addresses": b"From: " + b'(<"' * 9_000 + b"\r\n\r\n",
        "html": head + b"Content-Type: text/html\r\n\r\n" + b"<div><font color=a><p>oi" * MB,
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_mail_31_hostile_structure_costs_little_time(name: str, tmp_path: Path) -> None:
    raw = hostile()[name]
    start = time.process_time()
    understand(raw, tmp_path)

    # About half a second on an idle core; the bound is for a busy one.
    assert time.process_time() - start < 3


MEASURE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from fluxki_email.parsing import parse

def peak():
    # Of this program alone: getrusage also counts what the process was before it became this program.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024

before = peak()
with open(sys.argv[1], "rb") as file:
    inbound = parse(file, received_at=datetime(2026, 11, 10, tzinfo=UTC), size=Path(sys.argv[1]).stat().st_size,
                    folder=lambda: Path(sys.argv[2]), verify=lambda token: None, addresses=())
print(peak() - before, *(file.path.stat().st_size for file in inbound.files))
"""


def test_mail_31_a_mail_of_25_mb_takes_less_than_60_mb_of_memory(tmp_path: Path) -> None:
    block = base64.encodebytes(bytes(range(256)) * 57 * 4).replace(b"\n", b"\r\n")
    count = 25 * MB // len(block)
    kind, body = multipart("mixed", "\r\noi", PDF + "@@")
    path, folder = tmp_path / "mail.eml", tmp_path / "files"
    path.write_bytes(mail(kind, body=body).replace(b"@@", block * count))
    folder.mkdir()

    done = subprocess.run([sys.executable, "-c", MEASURE, path, folder], capture_output=True, text=True, check=True)
    grown, size = map(int, done.stdout.split())

    assert grown < 60
    assert size == 256 * 57 * 4 * count
