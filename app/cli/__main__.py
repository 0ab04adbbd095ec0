"""``python -m app.cli`` is the ``dpnp`` command."""

from app.cli import app

app(prog_name="dpnp")
