"""Plots: bars as SVG, drawn here so that the report needs no program to be made or read."""

from collections.abc import Sequence
from html import escape

_ROW, _LABEL, _BAR, _VALUE = 26, 230, 380, 150
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.bar{fill:#8c959f}.own{fill:#1f6feb}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def bars(title: str, rows: Sequence[tuple[str, float, str, bool]]) -> str:
    """One bar a row: label, length, what is written beside it, and whether it is ours."""
    longest = max((value for _, value, _, _ in rows), default=1.0) or 1.0
    width, height = _LABEL + _BAR + _VALUE, _ROW * (len(rows) + 1) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text x="8" y="20" font-weight="600">{escape(title)}</text>',
    ]
    for number, (label, value, written, is_ours) in enumerate(rows, start=1):
        y = number * _ROW + 10
        length = max(1.0, value / longest * _BAR)
        kind = "own" if is_ours else "bar"
        parts += [
            f'<text x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_ROW - 8}" rx="2"/>',
            f'<text x="{_LABEL + length + 8:.1f}" y="{y + 13}">{escape(written)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
