"""Multipart requests: one file part and the JSON part ``spec``, with the size of the body counted as it streams in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.api.problems import ProblemError
from app.problem import FieldError

MAX_SPEC_BYTES = 64 * 1024
MAX_PARTS = 8


@dataclass(frozen=True)
class Form:
    """The two parts of a submission."""

    content: bytes
    spec: bytes


def _too_large(limit: int) -> ProblemError:
    return ProblemError(413, "too-large", "Too large", f"expected a request body of at most {limit} bytes, got more")


async def read_form(request: Request, file_part: str, max_bytes: int) -> Form:
    """Read the parts ``file_part`` and ``spec``. Raises :class:`ProblemError` (413, 415, 422)."""
    async with _parsed(request, max_bytes) as form:
        missing = [name for name in (file_part, "spec") if name not in form]
        if missing:
            errors = [FieldError(name, "this part is missing") for name in missing]
            detail = f"expected the parts {file_part!r} and 'spec', got {sorted(set(form)) or 'none'}"
            raise ProblemError(422, "missing-part", "A part of the request is missing", detail, errors=errors)
        return Form(await _content(form[file_part]), await _spec(form["spec"]))


@asynccontextmanager
async def _parsed(request: Request, max_bytes: int) -> AsyncIterator[FormData]:
    media_type = request.headers.get("content-type", "")
    if not media_type.lower().startswith("multipart/form-data"):
        detail = f"expected a multipart/form-data request, got {media_type or 'no content type'}"
        raise ProblemError(415, "not-multipart", "Not a multipart request", detail)
    if _declared_length(request) > max_bytes:
        raise _too_large(max_bytes)
    counted = Request(request.scope, _counted(request, max_bytes))
    parser = MultiPartParser(request.headers, counted.stream(), max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=MAX_SPEC_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        detail = getattr(error, "message", "the Content-Type has no boundary")
        raise ProblemError(422, "bad-multipart", "The multipart body cannot be read", str(detail)) from error
    except ClientDisconnect as error:
        raise ProblemError(400, "disconnected", "Bad Request", "the client closed the connection") from error
    try:
        yield form
    finally:
        await form.close()


def _declared_length(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _counted(request: Request, max_bytes: int) -> Any:
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise _too_large(max_bytes)
        return message

    return receive


async def _content(part: UploadFile | str) -> bytes:
    return part.encode() if isinstance(part, str) else await part.read()


async def _spec(part: UploadFile | str) -> bytes:
    content = await _content(part)
    if len(content) > MAX_SPEC_BYTES:
        errors = [FieldError("spec", f"expected at most {MAX_SPEC_BYTES} bytes, got {len(content)}")]
        raise ProblemError(422, "bad-field", "A field of the request is wrong", "the spec is too long", errors=errors)
    return content
