"""`grokgrid data`: data sets, fetched beforehand, and digests of users' own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from grokgrid.cli_options import errors, refuse

app = typer.Typer(help="Data sets, fetched beforehand: a trial never downloads.", no_args_is_help=True)


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="The data set: mnist, say.")],
    root: Annotated[Path | None, typer.Option(help="Folder; by default GROKGRID_DATA or grokgrid's home.")] = None,
) -> None:
    """Download a data set, and verify it."""
    with errors():
        from pydantic import TypeAdapter, ValidationError

        from trainables.datasets.base import Dataset
        from trainables.validation import ValidationErrors, problems_of

        settings = {"name": name} if root is None else {"name": name, "root": root}
        try:
            print(TypeAdapter(Dataset).validate_python(settings).fetch())
        except ValidationError as error:
            raise ValidationErrors("data get", problems_of(error)) from None


@app.command("digest")
def digest(
    source: Annotated[str, typer.Argument(metavar="FILE", help="An .npz file, or plugin data: file.py:object.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting: task=regression, say.")
    ] = None,
) -> None:
    """Print the digest of an .npz file or of plugin data, for `data.digest` in a study."""
    from trainables.plugins.config import is_plugin

    with errors():
        from trainables.datasets.base import Dataset
        from trainables.datasets.npz import Npz
        from trainables.datasets.plugin import PluginDataset
        from trainables.reading import parse_value
        from trainables.validation import validate

        given = [setting.partition("=") for setting in settings or []]
        if wrong := [name for name, equals, _ in given if not equals]:
            refuse(f"--set {wrong[0]}: write it as name=value")
        values = {name: parse_value(value) for name, _, value in given}
        data: Dataset
        if is_plugin(source) and not Path(source).exists():
            data = validate(PluginDataset, {"name": source} | values, source="data")
        else:
            data = validate(Npz, {"name": "npz", "path": source} | values, source="data")
        found = data.inspect()
        assert found is not None
    for warning in found.findings.warnings:
        print(f"Warning: {source}: {warning}", file=sys.stderr)
    print(found.digest)
