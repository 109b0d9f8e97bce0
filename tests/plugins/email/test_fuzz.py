"""No bytes at all make the parser raise, and what it gives can always be stored (CHANNELS 29, 40)."""

import random
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fluxki_core.domain.cleaning import clean, to_text
from fluxki_core.domain.traffic import MAX_SUBJECT, Inbound
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.email.incoming import MESSAGES, RECEIVED_AT, understand

SMALL = [raw for raw in (path.read_bytes() for path in MESSAGES) if 0 < len(raw) < 8_000]
PIECES = [
    word.encode("latin-1")
    for word in (
        "From:;To:;Subject:;Date:;Message-ID:;References:;Content-Type:;multipart/mixed;boundary=b;charset=;utf-7;utf-16;"
        "hz;idna;--b;--b--;\r\n;\n;\r;\0;=?utf-8?B?;=?iso-2022-jp?q?;?=;<;>;\";(;\\;filename*0*=;'';%;\xff;\xc3;"
        "message/rfc822;text/html;Content-Transfer-Encoding:;base64;x-uuencode;quoted-printable;begin 6;Received:;"
        "1 Jan 2026 10:00:00 ;+9999;99999999999999999999;<img src=cid:;a@b.example; ;=;multipart/alternative"
    ).split(";")
]
PIECES.append(b"; ")


def check(raw: bytes) -> None:
    with TemporaryDirectory() as folder:
        inbound = understand(raw, Path(folder))
        for file in inbound.files:
            assert file.path.is_file()
    assert_storable(inbound)


def assert_storable(inbound: Inbound) -> None:
    names = [file.name for file in inbound.files]
    texts = [inbound.subject, inbound.sender.value, inbound.sender_name, inbound.body_text, inbound.body_html or ""]
    for text in [*texts, *names, *inbound.refs.outside_ids, inbound.outside_id or "x", inbound.key]:
        assert "\0" not in text
        text.encode()
    assert all(names)
    assert not any("/" in name or "\\" in name or "\n" in name for name in names)
    assert inbound.outside_id
    assert len(inbound.subject) <= MAX_SUBJECT
    assert inbound.sent_at <= RECEIVED_AT
    assert inbound.sent_at.tzinfo is UTC


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=60).map(b"".join))
def test_mail_29_no_bytes_make_it_raise(raw: bytes) -> None:
    check(raw)


def damaged(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.splitlines(keepends=True)
    at, other = chance.randrange(len(raw)), chance.randrange(len(raw))
    match chance.randrange(5):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + chance.randbytes(3) + raw[at + 3 :]
        case 2:
            return b"".join(sorted(lines[:8], key=lambda _: chance.random()) + lines[:8] + lines[8:])
        case 3:
            return raw[:at] + chance.choice(SMALL)[other:] + raw[at:]
        case _:
            return b"".join(line for line in lines if chance.random() > 0.1)


@pytest.mark.parametrize("seed", range(4))
def test_mail_40_no_damage_to_the_corpus_makes_it_raise(seed: int) -> None:
    chance = random.Random(seed)
    for raw in SMALL:
        once = damaged(raw, chance)
        check(damaged(once, chance) if once else once)


def test_mail_40_the_html_of_the_corpus_is_cleaned_without_an_error(tmp_path: Path) -> None:
    for number, raw in enumerate(SMALL):
        folder = tmp_path / str(number)
        folder.mkdir()
        html = understand(raw, folder).body_html
        if html is not None:
            assert clean(clean(html).html).html == clean(html).html
            assert to_text(clean(html).html).split() == to_text(html).split()
