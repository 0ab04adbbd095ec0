"""OpenAPI of the multipart bodies, which are parsed as they stream in."""

from __future__ import annotations

from typing import Any

from app.jobs import ProblemSpec, Spec


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema with its local definitions put in place of the references to them."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return resolve({**definitions[node["$ref"].rsplit("/", 1)[-1]], **rest})
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved


def _body(file_part: str, description: str, spec: type[ProblemSpec]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [file_part, "spec"],
        "properties": {
            file_part: {"type": "string", "format": "binary", "description": description},
            "spec": _inline(spec.model_json_schema()),
        },
    }
    encoding = {"spec": {"contentType": "application/json"}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}}


SUBMIT_BODY = _body(
    "measurement",
    "a .npy, .npz (y, and mask where there is one), PNG, JPEG or TIFF file; 8-bit 0..255 is -1..1, floats stay as they are",
    Spec,
)
SIMULATE_BODY = _body("image", "a PNG, JPEG, TIFF or .npy image; cropped and scaled to the prior's shape", ProblemSpec)
