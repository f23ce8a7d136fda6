"""The tables of a report as files for other programs and for papers."""

import os
from pathlib import Path

from grokgrid.analyses import Column, Report, Table
from grokgrid.report.rendering import said_once, split_columns

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"$<$",
        ">": r"$>$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "±": r"$\pm$",
        "∞": r"$\infty$",
        "–": "--",
        "“": "``",
        "”": "''",
        "’": "'",
    }
)


def write(report: Report, folder: Path) -> list[Path]:
    """Each table as NAME.parquet and NAME.csv, tidy, and as NAME.tex, as people read it."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for section in report.sections:
        for table in section.tables:
            content = {
                "parquet": table.data.to_parquet(None, index=False),
                "csv": table.data.to_csv(index=False).encode(),
            }
            if table.num_rows:
                content["tex"] = latex(table).encode()
            written += [put(folder / f"{table.name}.{kind}", data) for kind, data in content.items()]
    return written


def latex(table: Table) -> str:
    """A tabular for booktabs."""
    _, values, prose = split_columns(table)
    columns = [*said_once(table), *values, *prose]
    rows = [[column.label for column in columns], *zip(*(column.text for column in columns), strict=True)]
    head, *body = (" & ".join(text.translate(_LATEX) for text in row) + r" \\" for row in rows)
    lines = [
        f"% {' '.join(table.title.split())}. Needs \\usepackage{{booktabs}}.",
        rf"\begin{{tabular}}{{{''.join(map(_alignment, columns))}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def put(path: Path, content: bytes) -> Path:
    """Complete or not there: a report is often looked at while it is written anew."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
    return path


def _alignment(column: Column) -> str:
    return {"name": "l", "value": "r", "prose": "p{6cm}"}[column.kind]
