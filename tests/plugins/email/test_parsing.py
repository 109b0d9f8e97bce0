"""What a mail says, line by line of CHANNELS.md; many more cases stand in the corpus."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fluxki_core.domain.traffic import MAX_SUBJECT, Nature, SignedRef
from fluxki_email.identity import MAX_REFS
from plugins.email.incoming import OUR_ADDRESS, RECEIVED_AT, mail, multipart, understand, understood, verify


def test_mail_2_bytes_are_decoded_part_by_part_and_a_backslash_stays_one() -> None:
    latin = "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nPreço C:\\new\\tabela".encode("latin-1")
    utf8 = "Content-Type: text/plain; charset=utf-8\r\n\r\nPreço €".encode()
    head = mail("Content-Type: multipart/mixed; boundary=b").partition(b"\r\n\r\n")[0]
    raw = head + b"\r\n\r\n--b\r\n" + latin + b"\r\n--b\r\n" + utf8 + b"\r\n--b--\r\n"

    assert understood(raw).body_text == "Preço C:\\new\\tabela\n\nPreço €"


def test_mail_3_the_same_mail_by_another_road_has_the_same_key() -> None:
    once = understood(mail(body="oi\r\ntudo bem"))
    again = understood(mail("Received: from x by y; Mon, 09 Nov 2026 13:00:00 +0000", body="oi  \ntudo bem\n"))

    assert once.key == again.key
    assert len(once.key) == 64


def test_mail_3_the_same_message_id_with_other_text_or_other_files_has_another_key() -> None:
    part = "Content-Type: application/pdf; name=a.pdf\r\n\r\n"
    letters = [mail(body="oi"), mail(body="outra coisa")]
    for content in ("um", "dois"):
        kind, body = multipart("mixed", "\r\noi", part + content)
        letters.append(mail(kind, body=body))

    assert len({understood(letter).key for letter in letters}) == 4


@pytest.mark.parametrize(
    "line", ["Message-ID:", "Message-ID: <>", "Message-ID: nem isto", f"Message-ID: <{'a' * 900}@b>"]
)
def test_mail_4_without_a_usable_message_id_a_stable_one_is_made_of_the_bytes(line: str) -> None:
    first, second = understood(mail(line)), understood(mail(line))
    other = understood(mail(line, body="outra"))

    assert first.outside_id == second.outside_id != other.outside_id
    assert first.key == second.key != other.key
    assert (first.outside_id or "").endswith("@synthetic.invalid")
    assert first.notices == ("no_message_id",)


def test_mail_14_refs_are_collected_newest_first_each_once() -> None:
    inbound = understood(
        mail(
            "In-Reply-To: <c@x.example>",
            "References: <a@x.example> <fk.1.1.ok@exemplo.com.br>\r\n <b@x.example>\r\n <fk.2.2.ok@exemplo.com.br>",
            "Subject: RES: [#77] Impressora",
        )
    )

    assert inbound.refs.tokens == (SignedRef(2, 2), SignedRef(1, 1))  # type: ignore[arg-type]
    assert inbound.refs.outside_ids == ("c@x.example", "b@x.example", "a@x.example")
    assert inbound.refs.ticket == 77
    assert inbound.refs.is_reply


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Re: x", True), ("RES: x", True), ("AW: x", True), ("SV: x", True), ("R: x", True), ("Re[3]: x", True),
        ("RE : x", True), ("[EXTERNO] Re: x", True), ("Re: ENC: x", True), ("[#4] Re: x", True),
        ("ENC: x", False), ("Fwd: Re: x", False), ("FW: x", False), ("WG: x", False), ("TR: x", False),
        ("RV: x", False),
        ("Recado: x", False), ("Resumo", False), ("x", False), ("", False),
    ],
)  # fmt: skip
def test_mail_14_prefixes_of_replies_and_of_forwards(subject: str, reply: bool) -> None:
    assert understood(mail(f"Subject: {subject}")).refs.is_reply is reply


def test_mail_14_a_forward_is_no_reply_though_it_names_what_it_forwards() -> None:
    refs = understood(mail("Subject: ENC: x", "In-Reply-To: <a@x.example>", "References: <a@x.example>")).refs

    assert not refs.is_reply
    assert refs.outside_ids == ("a@x.example",)


def test_mail_15_tokens_are_found_in_ids_then_addresses_then_the_body() -> None:
    refs = understood(
        mail(
            "To: Suporte <suporte+fk.2.2.ok@exemplo.com.br>",
            "Delivered-To: suporte+fk.3.3.ok@exemplo.com.br",
            "References: <fk.1.1.ok@exemplo.com.br>",
            body="obrigado\r\n> [fk.4.4.ok]",
        )
    ).refs

    assert [ref.ticket for ref in refs.tokens] == [1, 2, 3, 4]


def test_mail_14_of_tokens_in_the_body_the_newest_counts_first_wherever_it_stands() -> None:
    body = "obrigado\r\n> Olá\r\n> > antes\r\n> > [fk.5.1.ok]\r\n> [fk.9.2.ok]"

    assert [ref.message for ref in understood(mail(body=body)).refs.tokens] == [9, 5]


def test_mail_15_a_token_hidden_in_html_alone_is_found() -> None:
    html = 'Content-Type: text/html\r\n\r\n<p>oi</p><div style="font-size:1px">[fk.5.5.ok]</div>'
    kind, body = multipart("alternative", "Content-Type: text/plain\r\n\r\noi", html)

    assert [ref.ticket for ref in understood(mail(kind, body=body)).refs.tokens] == [5]


def test_mail_15_a_bad_signature_is_ignored_and_only_so_many_are_looked_at(tmp_path: Path) -> None:
    asked: list[str] = []

    def signed(token: str) -> SignedRef | None:
        asked.append(token)
        return verify(token)

    references = " ".join(f"<fk.{number}.1.mau@exemplo.com.br>" for number in range(300))
    inbound = understand(mail(f"References: {references}", body="[fk.1.1.ok]" * 400), tmp_path, signed)

    assert inbound.refs.tokens == ()
    assert len(asked) == MAX_REFS
    assert len(inbound.refs.outside_ids) == MAX_REFS


def test_mail_21_reply_to_is_the_sender_of_a_form_but_not_of_automatic_mail() -> None:
    form = ("From: Site <nao-responda@site.example>", "Reply-To: Maria <maria@cliente.example>")

    assert understood(mail(*form)).sender.value == "maria@cliente.example"
    assert understood(mail(*form)).sender_name == "Maria"
    assert understood(mail(*form, "Auto-Submitted: auto-generated")).sender.value == "nao-responda@site.example"
    assert understood(mail("Reply-To: mal@mal.example")).sender.value == "ana@cliente.example"
    assert understood(mail(f"From: {OUR_ADDRESS}", f"Reply-To: {OUR_ADDRESS}")).sender.value == OUR_ADDRESS


@pytest.mark.parametrize(
    ("line", "nature"),
    [
        ("Auto-Submitted: no", Nature.PERSON), ("Auto-Submitted: NO; x=y", Nature.PERSON),
        ("Auto-Submitted: Auto-Replied", Nature.AUTOMATIC), ("Precedence: BULK", Nature.AUTOMATIC),
        ("Precedence: first-class", Nature.PERSON), ("List-Id: <x>", Nature.AUTOMATIC),
        ("List-Unsubscribe: <mailto:x@y>", Nature.AUTOMATIC), ("X-Auto-Response-Suppress: OOF", Nature.AUTOMATIC),
        ("X-Autoreply: yes", Nature.AUTOMATIC), ("X-Autorespond: 1", Nature.AUTOMATIC),
        ("Return-Path: <>", Nature.AUTOMATIC), ("Return-Path: <a@b.example>", Nature.PERSON),
        ("From: Mailer-Daemon@x.example", Nature.AUTOMATIC), ("From: no-reply@x.example", Nature.PERSON),
    ],
)  # fmt: skip
def test_mail_22_what_no_person_wrote(line: str, nature: Nature) -> None:
    assert understood(mail(line)).nature is nature


def test_mail_26_a_delivery_report_is_a_bounce_with_or_without_the_right_wrapping() -> None:
    status = "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x"
    wrapped, report = multipart("report", "\r\nfalhou", status)
    loose, body = multipart("mixed", "\r\nfalhou", status)

    assert understood(mail(f"{wrapped}; report-type=delivery-status", body=report)).nature is Nature.BOUNCE
    assert understood(mail(loose, body=body)).nature is Nature.BOUNCE
    assert understood(mail("Content-Type: message/delivery-status")).nature is Nature.BOUNCE


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("iso-8859-1", "“€”".encode("cp1252"), "“€”"),
        ("ks_c_5601-1987", "뷁".encode("cp949"), "뷁"),
        ("unicode-1-1-utf-7", b"N+AOM-o", "Não"),
        ("unknown-8bit", "ação".encode("latin-1"), "ação"),
        ("x-nada", "ação".encode(), "ação"),
        ("us-ascii", "ação".encode(), "ação"),
        ("utf-8", "ação e mais".encode("latin-1"), "ação e mais"),
        ("utf-8", "situação é".encode()[:-1], "situação \ufffd"),
        ("utf-7", b"+2D0-", "\ufffd"),
        ("base64", b"abc", "abc"),
        ("utf-8", b"a\0b\xff\xfe", "abÿþ"),
        ("iso-8859-15", b"\xa4", "€"),
    ],
)
def test_mail_29_any_charset_label_gives_text(label: str, data: bytes, text: str) -> None:
    head = mail(f"Content-Type: text/plain; charset={label}", "Content-Transfer-Encoding: base64", body="").rstrip()

    assert understood(head + b"\r\n\r\n" + base64.encodebytes(data)).body_text == text


def test_mail_29_a_character_split_between_two_encoded_words_is_whole() -> None:
    subject = "Subject: =?utf-8?B?YcOn?= =?UTF-8?B?w6M=?=\r\n =?utf-8?Q?o_=C3?= =?utf-8?Q?=A9?="

    assert understood(mail(subject)).subject == "açãoo é".replace("oo", "o")


def test_mail_30_the_newest_plausible_received_is_the_time() -> None:
    hops = [
        "Received: from b by c; Mon, 09 Nov 2026 12:20:00 +0000",
        "Received: from a by b; Mon, 09 Nov 2026 09:18:00 -0300",
        "Received: from mal by a; Fri, 01 Jan 2038 00:00:00 +0000",
    ]

    assert understood(mail(*hops)).sent_at == datetime(2026, 11, 9, 12, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "date", ["", "lixo", "Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 01 Jan 2038 00:00:00 +0000", "1 Jan 0000 99:99 +9999"]
)
def test_mail_30_a_missing_absurd_or_future_date_is_the_time_of_intake_and_is_said(date: str) -> None:
    inbound = understood(mail(f"Date: {date}"))

    assert inbound.sent_at == RECEIVED_AT
    assert inbound.notices == ("bad_date",)


def test_mail_30_a_clock_a_little_ahead_is_held_back() -> None:
    assert understood(mail("Date: Tue, 10 Nov 2026 00:05:00 +0000")).sent_at == RECEIVED_AT
    assert understood(mail("Date: Tue, 10 Nov 2026 00:05:00 +0000")).notices == ()


def test_a_subject_is_one_line_of_limited_length() -> None:
    inbound = understood(mail(f"Subject: a\t b\r\n  c{'x' * 900}"))

    assert inbound.subject.startswith("a b cxx")
    assert len(inbound.subject) == MAX_SUBJECT
