"""`uwe bench report`: results as one HTML page, or as Markdown."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import output
from uwe.cli.bench.options import check_out


def report_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="RESULT.json...", help="What  uwe bench run -o  wrote."),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="The page, such as report.html."),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The same sections as Markdown."),
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "WorkBench",
) -> None:
    """Show results: figures, where they come from, hardest queries; one HTML file, no network.

    Example:
      uwe bench report result.json -o report.html
      uwe bench report mini.json bm25.json -o report.html --markdown report.md
    """
    from uwe.bench.report import Report, read_report
    from uwe.files.atomic import write_text

    if out is None and markdown is None:
        raise typer.BadParameter("nothing to write: add -o report.html, or --markdown report.md")
    targets = [path for path in (out, markdown) if path is not None]
    for number, target in enumerate(targets):
        check_out(target, *files, *targets[:number])
    report = read_report(files, title=title)
    texts = {
        path: write(report)
        for path, write in ((out, Report.to_html), (markdown, Report.to_markdown))
        if path is not None
    }
    for path, text in texts.items():
        write_text(path, text)
        output.print_line(path)
