"""Every message of `tests/data/mail` is understood as the file beside it says."""

import json
from pathlib import Path
from typing import Any

import pytest
from fluxki_core.domain.traffic import Inbound
from plugins.email.incoming import MESSAGES, understand


def described(inbound: Inbound) -> dict[str, Any]:
    return {
        "subject": inbound.subject,
        "sender": inbound.sender.value,
        "sender_name": inbound.sender_name,
        "sent_at": inbound.sent_at.isoformat(),
        "nature": inbound.nature.value,
        "body_text": inbound.body_text,
        "has_html": inbound.body_html is not None,
        "files": [
            {
                "name": file.name,
                "media_type": file.media_type,
                "size": file.path.stat().st_size,
                "inline": file.inline,
                "content_id": file.content_id,
            }
            for file in inbound.files
        ],
        "tokens": [[ref.ticket, ref.message] for ref in inbound.refs.tokens],
        "outside_ids": list(inbound.refs.outside_ids),
        "ticket": inbound.refs.ticket,
        "is_reply": inbound.refs.is_reply,
        "notices": list(inbound.notices),
        "outside_id": inbound.outside_id,
    }


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_mail_40_every_message_of_the_corpus_is_understood_as_written_beside_it(path: Path, tmp_path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    inbound = understand(path.read_bytes(), tmp_path)
    got = described(inbound)

    assert {name: got[name] for name in expected if name in got} == {
        name: value for name, value in expected.items() if name in got
    }
    assert all(piece in inbound.body_text for piece in expected.get("body_text_contains", ()))
    assert not any(piece in inbound.body_text for piece in expected.get("body_text_absent", ()))
    assert all(piece in (inbound.body_html or "") for piece in expected.get("body_html_contains", ()))


def test_mail_40_the_corpus_is_whole() -> None:
    assert len(MESSAGES) >= 110
    assert {path.stem for path in MESSAGES} == {path.stem for path in MESSAGES[0].parent.glob("*.json")}
