"""Which files may be shown in a page: images, told by their first bytes and not by what they claim."""

from pathlib import Path

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def inline_type(path: Path) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP image; None for anything else."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
