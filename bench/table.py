"""The table of the race, for a terminal and for Markdown."""

from typing import Any

_COLUMNS = (
    ("plays/s", "plays_per_s", "{:,}"),
    ("of ceiling", "to_ceiling", "{:.2f}"),
    ("of ours", "to_ours", "{:.3f}"),
    ("CPU s/M", "cpu_s_per_million", "{:.1f}"),
    ("warm", "warm_cpu_s_per_million", "{:.1f}"),
    ("peak MB", "rss_max_mb", "{:,}"),
    ("start s", "start_s", "{:.1f}"),
)


def as_text(answer: dict[str, Any]) -> str:
    """For a terminal."""
    if "not measured" in answer:
        return f"not measured: {answer['not measured']}\n"
    lines = [f"{'':32}" + "".join(f"{title:>12}" for title, _, _ in _COLUMNS)]
    for row in answer["rows"]:
        cells = [_cell(row[name], form) for _, name, form in _COLUMNS]
        lines.append(f"{row['name']:32}" + "".join(f"{cell:>12}" for cell in cells))
    lines += [f"{name:32}not measured: {why}" for name, why in answer["absent"].items()]
    return "\n".join(lines) + "\n"


def _cell(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)
