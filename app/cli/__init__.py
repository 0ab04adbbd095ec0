"""The ``dpnp`` command."""

import typer

from app.cli.bench import bench
from app.cli.catalogue import operators, priors
from app.cli.demo import demo
from app.cli.keys import keys
from app.cli.sample import sample
from app.cli.serve import serve
from app.cli.simulate import simulate
from app.cli.train import train

app = typer.Typer(
    name="dpnp",
    help="Posterior samples for imaging inverse problems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain messages: never wrapped, so that they can be searched and copied
)
for command in (serve, demo, simulate, sample, operators, priors, train, bench):
    app.command()(command)
app.add_typer(keys)


@app.callback()
def main() -> None:
    """Posterior samples for imaging inverse problems."""
