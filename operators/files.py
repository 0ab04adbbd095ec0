"""What kind of file some bytes are: told by the first of them, never by a name."""

from __future__ import annotations

KINDS: list[tuple[bytes, str]] = [
    (b"\x93NUMPY", ".npy"),
    (b"PK\x03\x04", ".npz"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
]
"""First bytes, and the kind that they mean."""
ARRAYS = (".npy", ".npz")
"""The kinds that hold numbers as they are."""


def kind_of(content: bytes) -> str | None:
    """The kind of file, None for an unknown one."""
    return next((kind for magic, kind in KINDS if content.startswith(magic)), None)


def described(content: bytes) -> str:
    """A file in words, for error messages."""
    if not content:
        return "an empty file"
    kind = kind_of(content)
    if kind is None:
        return f"a file of {len(content)} bytes that starts with {content[:8]!r}"
    return f"a file of the kind {kind}, {len(content)} bytes"
