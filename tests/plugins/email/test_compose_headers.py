"""The header of what the contact receives: ids, token, subject, names and addresses."""

import re
from email.utils import getaddresses

import msgspec
import pytest
from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.people import Address
from fluxki_email.addresses import needs_smtputf8, reply_address, wire_address
from fluxki_email.compose import compose
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.email.letters import TOKEN, WRITTEN_AT, ZONE, account, assert_lines, body, named, outgoing, read


def base_subject(subject: str) -> str:
    """What IMAP servers and Thunderbird thread by (RFC 5256 §2.1, the steps that concern us)."""
    return re.sub(
        r"^(?:\s*(?:re|fwd?)\s*(?:\[[^\]]*\])?:|\s*\[[^\]]*\]\s*(?=\S))*", "", subject, flags=re.IGNORECASE
    ).strip()


def gmail_subject(subject: str) -> str:
    """Gmail keeps a thread together while the subject is the same but for `Re:`."""
    return re.sub(r"^(?:re:\s*)+", "", subject, flags=re.IGNORECASE)


def test_mail_15_the_token_is_in_message_id_reply_to_and_discreetly_in_both_bodies() -> None:
    message = read(outgoing(), account(plus_addressing=True))

    assert message["Message-ID"] == f"<{TOKEN}@acme.com.br>"
    assert getaddresses([message["Reply-To"]]) == [("Suporte ACME", f"suporte+{TOKEN}@acme.com.br")]
    assert body(message, "plain").endswith(f"\n[{TOKEN}]\n")
    last = body(message, "html").strip().splitlines()[-2]
    assert f"[{TOKEN}]</div>" in last
    assert "display:none" not in last


def test_mail_15_without_plus_addressing_or_with_too_long_a_local_part_there_is_no_reply_to() -> None:
    assert read(outgoing())["Reply-To"] is None
    assert reply_address("t" * 60, account().address) is None
    assert read(outgoing(token="t" * 60), account(plus_addressing=True))["Reply-To"] is None


def test_mail_19_every_attempt_is_the_same_message() -> None:
    again = msgspec.structs.replace(outgoing(), attempt=7)

    assert compose(outgoing(), account(), ZONE) == compose(again, account(), ZONE)


def test_mail_19_in_reply_to_and_references_name_what_is_answered() -> None:
    message = read(outgoing(answers="pergunta@cliente.com.br"))

    assert message["In-Reply-To"] == "<pergunta@cliente.com.br>"
    assert message["References"].split() == ["<primeira@cliente.com.br>", "<pergunta@cliente.com.br>"]


def test_mail_19_references_are_the_first_and_the_last_twenty_with_ids_whole() -> None:
    chain = tuple(f"{number:03}.{'x' * 120}@very-long-host.prod.outlook.com" for number in range(60))
    message = read(outgoing(references=chain, answers=chain[59]))

    assert message["References"].split() == [f"<{chain[0]}>", *(f"<{one}>" for one in chain[40:])]
    assert b"=?" not in compose(outgoing(references=chain), account(), ZONE).split(b"References:")[1].split(b"MIME")[0]


def test_mail_19_ids_that_are_none_are_left_out() -> None:
    bad = ("", "<>", "a b@c", "x@y>\r\nBcc: z@w", "é@b", "l" * 990 + "@x", "<ok@id>")
    message = read(outgoing(references=bad, answers=None, quoted=None))

    assert message["References"] == "<ok@id>"
    assert message["In-Reply-To"] is None
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    "subject",
    [
        "Impressora",
        "Re: Impressora",
        "RE: Res: AW: Impressora",
        "Re: [#12] Impressora",
        "[#12] Re: [#9] Impressora",
        "Impressora [#12]",
        "Re[2]: Impressora",
    ],
)
def test_mail_19_the_subject_is_the_same_in_every_message_of_a_ticket(subject: str) -> None:
    assert read(outgoing(subject=subject))["Subject"] == "Re: [#12] Impressora"
    assert read(outgoing(subject=subject, answers=None, quoted=None))["Subject"] == "[#12] Impressora"


def test_mail_19_gmail_outlook_and_thunderbird_keep_the_thread() -> None:
    asked = "Impressora não imprime"
    first = read(outgoing(subject=asked))
    second = read(outgoing(subject=asked, token="12.341.zz", answers="segunda@cliente.com.br"))

    assert base_subject(first["Subject"]) == base_subject(second["Subject"]) == asked
    assert gmail_subject(first["Subject"]) == gmail_subject(second["Subject"])
    # Outlook threads by the ids, newest last, and takes In-Reply-To for the parent.
    for message in (first, second):
        assert message["References"].split()[-1] == message["In-Reply-To"]


def test_mail_39_a_long_subject_is_folded_without_a_character_split() -> None:
    subject = "Não consigo emitir a nota fiscal eletrônica " * 5 + "😀" * 20
    composed = compose(outgoing(subject=subject), account(), ZONE)
    raw = composed[composed.index(b"Subject:") : composed.index(b"Message-ID:")]

    assert read(outgoing(subject=subject))["Subject"] == f"Re: [#12] {' '.join(subject.split())}"
    assert raw.startswith(b"Subject: Re: [#12]\r\n =?utf-8?")
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^?]+\?B\?[^?]+\?=", raw))


HOSTILE = "Ana\r\nBcc: todos@acme.com.br\r\n\r\nolá\0\x0b\u2028fim"


def test_mail_39_no_name_subject_or_file_can_add_a_header() -> None:
    letter = outgoing(author=HOSTILE, recipient_name=HOSTILE, subject=HOSTILE)
    message = read(letter, account(from_name=HOSTILE, plus_addressing=True))

    assert message["Bcc"] is None
    assert message["Cc"] is None
    assert set(message.keys()) == {
        "Date", "From", "To", "Subject", "Message-ID", "Reply-To", "In-Reply-To", "References", "MIME-Version",
        "Content-Type",
    }  # fmt: skip
    assert [address.addr_spec for address in message["To"].addresses] == ["maria@cliente.com.br"]
    assert [address.addr_spec for address in message["From"].addresses] == ["suporte@acme.com.br"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "@y.z",
        "a b@y.z",
        "a@y.z\r\nRCPT TO:<b@c>",
        "a@b c",
        "a(x)b@y.z",
        "a@y.z,b@y.z",
        "é" * 70 + "@" + "é" * 90,
    ],
)
def test_mail_39_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"address|domain|label|encoding"):
        compose(outgoing(recipient=Address("email", value)), account(), ZONE)


PEOPLE = [
    "Ana Lima",
    "Lima, Ana",
    'Ana "Aninha" Lima',
    "Ana Lima (Suporte)",
    "Conceição Araújo, Diretora de Relações Institucionais e Comunicação da Companhia de Águas",
    "ana@example.com",
    "Dr. A\\B <x>",
    "=?utf-8?q?x?=",
    "😀",
]


@pytest.mark.parametrize("name", PEOPLE)
def test_mail_39_names_arrive_whole_and_never_as_a_second_address(name: str) -> None:
    composed = compose(outgoing(author=name, recipient_name=name), account(), ZONE)

    assert_lines(composed)
    assert named(composed, "To") == [(name, "maria@cliente.com.br")]
    assert named(composed, "From") == [(f"{name} (Suporte ACME)", "suporte@acme.com.br")]


def test_the_sender_is_named_by_what_there_is() -> None:
    assert read(outgoing(author=""))["From"].addresses[0].display_name == "Suporte ACME"
    assert read(outgoing(), account(from_name=""))["From"].addresses[0].display_name == "Ana Lima"
    assert str(read(outgoing(author=""), account(from_name=""))["From"]) == "suporte@acme.com.br"


def test_mail_39_a_domain_with_accents_goes_in_punycode_and_needs_no_smtputf8() -> None:
    letter = outgoing(recipient=Address("email", "maria@açaí.com.br"))
    message = read(letter, account(address="suporte@câmara.leg.br", plus_addressing=True))

    assert message["To"].addresses[0].addr_spec == "maria@xn--aa-4iaz.com.br"
    assert message["Message-ID"] == f"<{TOKEN}@xn--cmara-3qa.leg.br>"
    assert not needs_smtputf8(wire_address("maria@açaí.com.br"))


def test_mail_39_a_local_part_with_accents_needs_smtputf8_and_stands_in_utf8() -> None:
    composed = compose(outgoing(recipient=Address("email", "joão@açaí.com.br")), account(), ZONE)

    assert needs_smtputf8(wire_address("joão@açaí.com.br"))
    assert "<joão@xn--aa-4iaz.com.br>".encode() in composed


def test_a_persons_reply_says_nothing_of_automation_and_carries_its_own_date() -> None:
    message = read(outgoing())

    assert message["Auto-Submitted"] is None
    assert message["Precedence"] is None
    assert message["Date"].datetime == WRITTEN_AT
    assert str(message["Date"]).endswith("-0300")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=80), st.text(max_size=2000))
def test_mail_39_any_text_at_all_makes_a_message_that_parses(subject: str, name: str, file: str, text: str) -> None:
    letter = outgoing(subject=subject, author=name, recipient_name=file, body_text=text, body_html="", quoted=None)
    message = read(letter)

    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    assert str(message["Subject"]).startswith("Re: [#12]")
    assert body(message, "plain").endswith(f"[{TOKEN}]\n")


def test_another_tickets_number_makes_another_subject() -> None:
    assert read(outgoing(ticket=TicketId(7)))["Subject"] == "Re: [#7] Impressora não imprime"
