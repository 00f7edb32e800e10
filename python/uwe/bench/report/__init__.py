"""`uwe bench report`: results as one HTML page that needs no network, and as Markdown."""

from uwe.bench.report.content import Report, read_report
from uwe.bench.report.markdown import to_markdown
from uwe.bench.report.page import to_html

__all__ = ["Report", "read_report", "to_html", "to_markdown"]
