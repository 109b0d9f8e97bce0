"""Mail from files, and the command that takes it in."""

import asyncio
import hashlib
import json
import mailbox
import os
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from click.testing import CliRunner
from fluxki_core.domain.errors import Invalid, NotFound
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import Nature, Outcome, RawItem, Taken
from fluxki_email.archives import count, items
from fluxki_email.commands import email

T = TypeVar("T")
MAIL = b"From: a@b.c\r\nSubject: one\r\n\r\nBody\r\n"


def contents(path: Path) -> list[bytes]:
    read = list(items(path))
    assert count(path) == len(read)
    found = [item.content if isinstance(item.content, bytes) else item.content.read_bytes() for item in read]
    assert [item.key for item in read] == [hashlib.sha256(content).hexdigest() for content in found]
    return found


def test_a_single_mail_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL)
    (tmp_path / "no-suffix").write_bytes(MAIL)

    assert contents(tmp_path / "a.eml") == [MAIL]
    assert contents(tmp_path / "no-suffix") == [MAIL]


def test_a_folder_gives_its_mails_and_those_of_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.eml", "a.EML", "sub/c.eml", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())

    assert contents(tmp_path) == [b"a.EML", b"b.eml", b"sub/c.eml"]


def test_large_mails_are_handed_over_as_paths(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL * 5000)

    assert next(items(tmp_path)).content == tmp_path / "a.eml"
    assert contents(tmp_path) == [MAIL * 5000]


def test_a_maildir_is_read_in_order_of_arrival_and_left_as_it_is(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "cur" / "1700000002.P1.h:2,S").write_bytes(b"second")
    (tmp_path / "new" / "1700000001.P1.h").write_bytes(b"first")
    (tmp_path / "tmp" / "1700000000.P1.h").write_bytes(b"half")

    assert contents(tmp_path) == [b"first", b"second"]
    assert os.listdir(tmp_path / "new") == ["1700000001.P1.h"]  # noqa: PTH208


def test_an_mbox_of_the_stdlibs_making_gives_each_mail(tmp_path: Path) -> None:
    path = tmp_path / "box"
    box = mailbox.mbox(path)
    for number in range(3):
        box.add(b"Subject: %d\n\nLine\n\nFrom here on\n>From quoted\n" % number)
    box.close()

    assert contents(path) == [b"Subject: %d\n\nLine\n\nFrom here on\nFrom quoted\n" % number for number in range(3)]


def test_quoting_of_from_lines_is_undone_once(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(b"From x Thu Nov 26 12:00:00 2026\r\nA: b\r\n\r\n>From one\r\n>>From two\r\n> From\r\n\r\n")

    assert contents(path) == [b"A: b\r\n\r\nFrom one\r\n>From two\r\n> From\r\n"]


def test_a_body_line_that_begins_with_from_is_no_new_mail(tmp_path: Path) -> None:
    path = tmp_path / "box"
    mail = b"Subject: x\n\nFrom the desk of Ana\nFrom Monday\n\nFrom tomorrow on it works.\nBye\n"
    path.write_bytes(b"From - Thu Nov 26 12:00:00 2026\n" + mail + b"\nFrom nobody\nSubject: y\n\nz\n")

    assert contents(path) == [mail, b"Subject: y\n\nz\n"]


@pytest.mark.parametrize(
    "line", [b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011", b"From 17@xxx Thu Jan 01 00:00:00 +0000 2026", b"From -"]
)
def test_from_lines_of_other_programs_are_known(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "box"
    path.write_bytes((line + b"\nSubject: x\n\nBody\n\n") * 2)

    assert contents(path) == [b"Subject: x\n\nBody\n"] * 2


def test_a_large_mbox_is_read_a_mail_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "box"
    mail = b"From x Thu Nov 26 12:00:00 2026\nSubject: x\n\n" + b"x" * 70 * 100 + b"\n" + b"y" * 70 + b"\n\n"
    with path.open("wb") as file:
        file.writelines(mail for _ in range(3000))
    tracemalloc.start()
    assert sum(1 for _ in items(path)) == count(path) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert path.stat().st_size > 20_000_000
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.eml", None, "cannot be read"),
        ("photo.png", b"\x89PNG\r\n", "neither a mail nor an mbox"),
        ("empty", b"", "neither a mail nor an mbox"),
    ],
)
def test_what_is_no_mail_is_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for read in (lambda: list(items(tmp_path / name)), lambda: count(tmp_path / name)):
        with pytest.raises(Invalid, match=says) as caught:
            read()
        assert list(caught.value.fields) == [str(tmp_path / name)]


def test_a_folder_without_mail_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"holds no \.eml"):
        list(items(tmp_path))


class FakeDesk:
    """A desk that judges mail by its first word."""

    def __init__(self) -> None:
        self.accounts: list[str] = []
        self.sizes: list[int] = []
        self.seen: set[str] = set()

    async def take_in(self, account: str, items: Sequence[RawItem]) -> Sequence[Taken]:
        if account != "mail":
            raise NotFound(f"no account {account}")
        self.sizes.append(len(items))
        return [self.judge(item) for item in items]

    def judge(self, item: RawItem) -> Taken:
        if item.key in self.seen:
            return Taken(outcome=Outcome.DUPLICATE, nature=Nature.AUTOMATIC)
        self.seen.add(item.key)
        word = item.content if isinstance(item.content, bytes) else b""
        if word.startswith(b"park"):
            return Taken(outcome=Outcome.PARKED, detail="bad")
        nature = next((nature for nature in Nature if word.startswith(nature.value.encode())), Nature.PERSON)
        return Taken(outcome=Outcome.ACCEPTED, nature=nature)


class FakeConsole:
    def __init__(self) -> None:
        self.desk = FakeDesk()

    def run(self, main: Callable[[Desk], Awaitable[T]]) -> T:
        async def call() -> T:
            return await main(cast("Desk", self.desk))

        return asyncio.run(call())


def ingest(*arguments: str, console: FakeConsole | None = None) -> Any:
    return CliRunner().invoke(email, ["ingest", *arguments], obj=console or FakeConsole())


def folder_of(tmp_path: Path, words: list[str]) -> Path:
    for number, word in enumerate(words):
        (tmp_path / f"{number:03}.eml").write_bytes(f"{word} {number}".encode())
    return tmp_path


def test_ingest_counts_what_became_of_the_mail(tmp_path: Path) -> None:
    console = FakeConsole()
    folder = folder_of(tmp_path, ["person"] * 60 + ["automatic"] * 3 + ["bounce"] * 2)
    result = ingest("--account", "mail", str(folder), str(folder / "000.eml"), console=console)

    assert result.exit_code == 0
    assert result.stdout == "read 66 accepted 65 duplicate 1 automatic 3 bounce 2 parked 0\n"
    assert result.stderr == ""
    assert console.desk.sizes == [50, 16]


def test_ingest_gives_json_and_fails_when_mail_was_parked(tmp_path: Path) -> None:
    result = ingest("--account", "mail", "--json", str(folder_of(tmp_path, ["person", "park"])))

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "read": 2, "accepted": 1, "duplicate": 0, "automatic": 0, "bounce": 0, "parked": 1,
    }  # fmt: skip
    assert "fluxki parked list" in result.stderr


def test_ingest_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    missing = ingest("--account", "mail", str(tmp_path / "none"))
    unknown = ingest("--account", "other", str(folder_of(tmp_path, ["person"])))

    assert (missing.exit_code, unknown.exit_code) == (1, 1)
    assert missing.stderr.startswith("Error: ")
    assert unknown.stderr == "Error: no account other\n"


def test_the_help_tells_what_the_counts_mean() -> None:
    text = " ".join(ingest("--help").stdout.split())

    assert "`read` is the sum of `accepted`, `duplicate` and `parked`" in text
