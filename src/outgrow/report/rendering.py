"""Renders the templates beside this file into pages that load nothing, with one small script of their own."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from outgrow.finding import Value
from outgrow.measures.crossed import Interval


def rendered(template: str, **values: Any) -> str:
    """A page as HTML; equal values give equal bytes. A browser runs no script on it but its own."""
    from markupsafe import Markup

    script = (files("outgrow") / "report" / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made: str = (
        _environment().get_template(template).render(script=Markup(script), script_hash=f"sha256-{digest}", **values)
    )
    return made


def data_url(kind: str, text: str) -> str:
    """A file as a URL that holds it."""
    return f"data:{kind};base64,{base64.b64encode(text.encode(errors='replace')).decode()}"


def plain(value: Value) -> str:
    """A value of a table as the script sorts it: a number as Python writes it, a word as it is, "" for nothing."""
    if isinstance(value, Interval):
        return repr(value.mean)
    return "" if value is None else value if isinstance(value, str) else repr(value)


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from outgrow.report.observed import share
    from outgrow.report.ran import duration

    environment = Environment(
        loader=PackageLoader("outgrow", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "share": share}
    return environment
