"""What the chapters of the report are made with: tables, titles, names of plots."""

from collections.abc import Iterable


def on(name: str, broker: str) -> str:
    """The broker, in a title, unless it is the usual one."""
    return f", on {broker}" if " on " in name else ""


def file_of(plot: str, name: str) -> str:
    _, _, kind = name.partition(" on ")
    return f"{plot}-{kind}.svg" if kind else f"{plot}.svg"


def form(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(titles)
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
