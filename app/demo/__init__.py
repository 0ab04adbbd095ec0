"""The demonstration: service, client and result in one run."""

from app.demo.errors import DemoError
from app.demo.run import run_demo

__all__ = ["DemoError", "run_demo"]
