"""`toolcase fortune`: a saying for whoever sits at a terminal."""

from __future__ import annotations

import click

from toolcase_fortune.jar import open_jar


@click.command("fortune")
@click.argument("about", default="")
@click.option("--jar", default="fortune:", metavar="URL", help="Where the sayings are.")
def command(about: str, jar: str) -> None:
    """Draw a saying, with the words ABOUT in it."""
    try:
        click.echo(open_jar(jar).draw(about))
    except (OSError, ValueError, LookupError) as error:
        raise click.ClickException(str(error)) from None
