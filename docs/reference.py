"""The reference pages of the site, generated from docstrings: `pages()` gives their Markdown by path."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any

MODULES = {
    "Experiments": (
        "outgrow.api", "outgrow.report.handles", "outgrow.experiment.definition", "outgrow.experiment.technique",
        "outgrow.sharing",
    ),
    "Cheap labels": (
        "outgrow.practice.data", "outgrow.practice.labels", "outgrow.practice.audits", "outgrow.practice.fit",
        "outgrow.practice.predict", "outgrow.practice.export", "outgrow.practice.classifier",
        "outgrow.practice.estimate", "outgrow.losses",
    ),
    "Types": ("outgrow.types", "outgrow.annotations"),
    "Measures": (
        "outgrow.measures.pgr", "outgrow.measures.accuracy", "outgrow.measures.difference", "outgrow.measures.ppi",
        "outgrow.measures.chance", "outgrow.measures.agreement", "outgrow.measures.calibration",
    ),
}  # fmt: skip
SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Parameters|Yields):(.*)$")
ITEM = re.compile(r"^ {4}(\*{0,2}\w[\w, *]*): ?(.*)$")


@cache
def pages() -> dict[str, str]:
    """The Markdown of each page by its path in the site."""
    found = {"reference/commands.md": _commands(), "reference/plug-ins.md": _plugins()}
    for title, modules in MODULES.items():
        text = "\n".join(line for module in modules for line in _module(module))
        found[f"reference/{title.lower().replace(' ', '-')}.md"] = f"# {title}\n\n{text}\n"
    return found


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield f"## `{name}`\n\n{_first(module)}\n"
    for own in vars(module).values():
        mine = getattr(own, "__module__", "") == name and not getattr(own, "__name__", "_").startswith("_")
        if not mine or not (inspect.isclass(own) or inspect.isfunction(own)) or is_error(own):
            continue
        yield f"### {own.__name__}\n"
        yield f"```python\n{own.__name__}{_signature(own)}\n```\n"
        yield markdown(own.__doc__ or "")
        for label, member in vars(own).items() if inspect.isclass(own) else ():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if inspect.isfunction(function) and not label.startswith("_") and function.__doc__:
                shown = "" if isinstance(member, property) else _signature(function)
                yield f"#### {own.__name__}.{label}\n"
                yield f"```python\n{label}{shown}\n```\n" if shown else ""
                yield markdown(function.__doc__)


def is_error(own: Any) -> bool:
    """Whether it is an exception, whose constructor says nothing."""
    return inspect.isclass(own) and issubclass(own, BaseException)


def _signature(own: Any) -> str:
    try:
        text = str(inspect.signature(own))
    except (TypeError, ValueError):
        return "(…)"
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text).replace("<factory>", "…").removesuffix(" -> None")
    if len(text) < 90:
        return text
    return re.sub(r"^\((.*)\)", lambda m: "(\n    " + ",\n    ".join(_parts(m[1])) + ",\n)", text, count=1)


def _parts(text: str) -> list[str]:
    """The parameters of a signature, which commas outside of brackets separate."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        parts = [*parts, ""] if letter == "," and not depth else [*parts[:-1], parts[-1] + letter]
    return [part.strip() for part in parts]


def _first(own: Any) -> str:
    return (inspect.getdoc(own) or "").partition("\n\n")[0].replace("\n", " ")


def markdown(docstring: str) -> str:
    """A docstring with sections as Markdown: arguments become a list, examples a block of code."""
    lines, out, in_section, in_code = inspect.cleandoc(docstring).splitlines(), list[str](), False, False
    for line in lines:
        if in_code and line.strip() and not line.startswith("    "):
            out, in_code = [*out, "```", ""], False
        if head := SECTION.match(line):
            in_section = True
            out += ["", f"*{head[1]}*{':' + head[2] if head[2].strip() else ''}", ""]
        elif line in ("Example:", "Examples:"):
            out, in_code, in_section = [*out, "", "```pycon"], True, False
        elif in_code:
            out.append(line.removeprefix("    "))
        elif in_section and (item := ITEM.match(line)):
            out.append(f"- `{item[1]}`: {item[2]}")
        else:
            in_section = in_section and (line.startswith("    ") or not line)
            out.append(("  " if in_section and out and out[-1].startswith(("- ", "  ")) else "") + line.strip())
    return "\n".join([*out, *(["```"] if in_code else []), ""])


def _plugins() -> str:
    """Every plug-in that ships, by kind, with its fields."""
    from outgrow.plugins import FOLDERS, find, names

    parts = ["# Plug-ins that ship", "", "What can be named in a TOML file, with the fields of each table.", ""]
    for kind, folder in FOLDERS.items():
        parts += [f"## {folder}", ""]
        for name in names(kind):
            own: Any = find(kind, name)
            parts += [f"### `{name}`", "", markdown(own.__doc__ or ""), *_fields(own)]
    return "\n".join(parts)


def _fields(own: Any) -> list[str]:
    shown = [each for each in fields(own) if each.name not in ("digest", "alias")] if is_dataclass(own) else []
    if not shown:
        return []
    rows = [f"| `{each.name}` | `{_type(each)}` | {_default(each)} |" for each in shown]
    return ["| field | type | default |", "|---|---|---|", *rows, ""]


def _type(each: Any) -> str:
    return str(each.type).replace("|", "\\|")


def _default(each: Any) -> str:
    if each.default is not MISSING:
        return f"`{each.default!r}`"
    return "`…`" if each.default_factory is not MISSING else "to be given"


def _commands() -> str:
    """Every command with its arguments and options, from the command line itself."""
    import typer

    from outgrow.cli import app

    group: Any = typer.main.get_command(app)
    parts = ["# Commands", "", "`outgrow COMMAND --help` shows the same.", ""]
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        parts += [f"## `outgrow {name}`", "", (command.help or "").strip(), "", "| | |", "|---|---|"]
        for each in command.params:
            parts.append(f"| {_option(each)} | {(getattr(each, 'help', '') or '').replace('|', chr(92) + '|')} |")
        parts.append("")
    return "\n".join(parts)


def _option(each: Any) -> str:
    if each.param_type_name == "argument":
        return f"`{each.metavar or each.name.upper()}`"
    return ", ".join(f"`{name}`" for name in each.opts)
