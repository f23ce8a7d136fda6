"""`grokgrid check`: what can be verified without a study."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from grokgrid.cli_options import SeedOption, errors, new_console
from grokgrid.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainables.theory import Result

app = typer.Typer(help="Checks that need no study and no data.", no_args_is_help=True)


@app.command()
def theory(
    statements: Annotated[
        list[str] | None,
        typer.Argument(metavar="STATEMENT", help='Some of them: "theorem 2", lemma-12. By default all.'),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Compute Walker et al.'s statements in two independent ways each, and compare them.

    Exit code 0: the equations hold, and the known limits show. 1: some do not. 2: nothing was computed.
    """
    with errors():
        names = _find(statements or [])
        from trainables.theory import Verdict, check

        results = [result for name in names for result in check(name, seed)]
    _print(results)
    num = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    num_equations = num[Verdict.HOLDS] + num[Verdict.DOES_NOT_HOLD]
    verb = "holds" if num_equations == 1 else "hold"
    said = [f"{num[Verdict.HOLDS]} of {plural(num_equations, 'equation')} {verb}"]
    if num[Verdict.KNOWN_LIMIT]:
        said.append(f"at {plural(num[Verdict.KNOWN_LIMIT], 'known limit')} the paper's words do not hold, as expected")
    if num[Verdict.LIMIT_NOT_SEEN]:
        said.append(f"{plural(num[Verdict.LIMIT_NOT_SEEN], 'known limit')} did not show")
    new_console().print(f"{'; '.join(said)}.", soft_wrap=True)
    if not all(result.is_as_expected for result in results):
        raise typer.Exit(1)


def _find(given: "Iterable[str]") -> list[str]:
    """The names of statements, in the order of the paper, without repetition; all if none are given.

    Raises:
        ValidationErrors: some of them are not names of statements.
    """
    from trainables.theory import CHECKS
    from trainables.validation import Problem, ValidationErrors, nearest, shown

    names = {text: _name(text) for text in given}
    if unknown := [text for text, name in names.items() if name not in CHECKS]:
        wrong = [f"{shown(text)} is not a statement; {nearest(names[text], CHECKS)}" for text in unknown]
        raise ValidationErrors("check theory", [Problem((), message) for message in wrong])
    return [name for name in CHECKS if name in names.values() or not names]


def _name(text: str) -> str:
    """`Theorem 2`, `theorem2` and `theorem_2` as `theorem-2`."""
    return re.sub(r"^([a-z]+)(\d+)$", r"\1-\2", re.sub(r"[\W_]+", "-", text.strip().lower()))


def _print(results: "Iterable[Result]") -> None:
    """One table; under the name of each statement its equations, each with its setting and its two sides."""
    from itertools import groupby

    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table("equation, setting, measured vs stated side", box=None, pad_edge=False)
    table.add_column("largest deviation", justify="right", max_width=9)
    table.add_column("tolerance", justify="right")
    table.add_column("verdict")
    for statement, group in groupby(results, key=lambda result: result.statement):
        table.add_row(Text(statement, style="bold"))
        for result in group:
            more = [result.setting, f"{result.measured} vs {result.stated}", *filter(None, [result.limit])]
            text = Group(Text(result.equation), Padding(Text("\n".join(more), style="dim"), (0, 0, 0, 2)))
            table.add_row(text, f"{result.deviation:.1e}", f"{result.tolerance:.0e}", result.verdict)
    new_console().print(table)
