"""The HTTP face of the service."""

from app.api.application import create_app
from app.api.server import serve

__all__ = ["create_app", "serve"]
