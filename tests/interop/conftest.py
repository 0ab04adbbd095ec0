"""deepinv wants torchvision, whose compiled operators load only beside the build of torch that they were made for."""

import contextlib
import sys
from importlib.util import find_spec
from types import ModuleType


def import_torchvision() -> None:
    """Import it even where its operators do not load; deepinv's physics call none of them."""
    if find_spec("torchvision") is None:
        return
    with contextlib.suppress(RuntimeError):  # "operator torchvision::nms does not exist"
        import torchvision  # noqa: F401

        return
    sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")


import_torchvision()
