"""The parts a report is built from: the page around it, sections, tables, and values as people read them.

Everything that comes from a run passes `text`, which escapes it; nothing is loaded from anywhere, and the
page forbids it to itself.  What a report says is in `report`, its numbers in `report_headline`
and `report_tables`.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Literal

from pipeline.pictures import BAD, FRAME, GOOD, INK, LINE, SOFT, hundredths, unsigned_zero

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["percent", "ratio", "money", "count", "plain"]
UNKNOWN = "\N{EN DASH}"
_SMALL_MONEY = 1000.0

_STYLE = f"""
:root {{ --ink: {INK}; --weak: {SOFT}; --frame: {FRAME}; --line: {LINE}; --good: {GOOD}; --bad: {BAD}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; color: var(--ink); background: #f5f7fa; line-height: 1.45;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 15px; }}
main {{ max-width: 1120px; margin: 0 auto; padding: 16px; }}
.simulated {{ position: sticky; top: 0; z-index: 9; padding: 8px 16px; text-align: center; color: #fff;
  background: #b7410e; font-weight: 600; }}
h1 {{ font-size: 26px; margin: 12px 0 2px; overflow-wrap: anywhere; }}
h2 {{ font-size: 18px; margin: 0 0 10px; }}
h2 .mark {{ font-size: 11px; font-weight: 600; color: #b7410e; border: 1px solid; border-radius: 4px;
  padding: 1px 5px; margin-left: 8px; vertical-align: middle; }}
.lead, .note {{ color: var(--weak); margin: 0 0 14px; }} .note {{ font-size: 13px; margin: 8px 0 0; }}
section {{ background: #fff; border: 1px solid #e4e7eb; border-radius: 8px; padding: 16px;
  margin: 0 0 16px; }}
.cards {{ display: grid; gap: 12px; margin: 0 0 16px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }}
.card {{ background: #fff; border: 1px solid #e4e7eb; border-radius: 8px; padding: 12px 14px; }}
.card b {{ display: block; font-size: 25px; line-height: 1.2; font-variant-numeric: tabular-nums; }}
.card span, .card small {{ color: var(--weak); font-size: 13px; }}
.flow {{ columns: 3 270px; column-gap: 36px; }} .flow > div {{ break-inside: avoid; }}
.columns {{ display: grid; gap: 0 36px; margin-bottom: 12px;
  grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); }}
.scroll {{ overflow: auto; max-height: 560px; }}
table {{ border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; padding: 10px 0 4px; }}
th, td {{ text-align: left; padding: 5px 8px; border-bottom: 1px solid #e4e7eb; white-space: nowrap; }}
thead th {{ position: sticky; top: 0; background: #fff; color: var(--weak); font-weight: 600;
  box-shadow: inset 0 -1px var(--frame); border-bottom: 0; }}
.number {{ text-align: right; }}
.pairs td, .pairs th {{ white-space: normal; vertical-align: top; padding-left: 0; }}
.pairs th {{ font-weight: 400; color: var(--weak); }} .pairs td {{ overflow-wrap: anywhere; }}
.months td {{ text-align: center; min-width: 46px; border: 2px solid #fff; padding: 6px 2px; }}
.months th {{ text-align: center; border: 0; box-shadow: none; padding: 4px; }}
.months .year {{ font-weight: 600; }}
.months th:first-child, .months .year {{ position: sticky; left: 0; right: 0; background: #fff; }}
.flags {{ margin: 0; padding: 0; list-style: none; }}
.flags li {{ padding: 6px 10px; margin: 0 0 6px; border-left: 4px solid var(--frame); background: #f5f7fa; }}
.flags .loud {{ border-color: #b7410e; background: #fdf0ea; font-weight: 600; }}
.flags code {{ color: var(--weak); font-weight: 400; margin-left: 6px; font-size: 12px; }}
.chart {{ width: 100%; }}
@media (max-width: 600px) {{ main {{ padding: 8px; }} section {{ padding: 12px 10px; }}
  h1 {{ font-size: 21px; }}
  .cards {{ grid-template-columns: 1fr 1fr; gap: 8px; }} .card b {{ font-size: 21px; }} }}
@media print {{ body {{ background: #fff; }} section {{ break-inside: avoid; }}
  .scroll {{ max-height: none; }} }}
"""

_NO_NETWORK = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(title: str, body: str, script: str) -> str:
    """Return an HTML document that may load nothing; ``title`` is text, ``body`` and ``script`` are code."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NO_NETWORK}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style><script>{script}</script></head>"
        f"<body>\n{body}\n</body></html>\n"
    )


def section(heading: str, *content: str, simulated: bool) -> str:
    """Return a section of ready-made ``content``; its heading says so where the numbers are made up."""
    mark = '<span class="mark">SIMULATED</span>' if simulated else ""
    return f"<section><h2>{text(heading)}{mark}</h2>\n{''.join(content)}</section>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """Return a table in a box that scrolls; the first ``words`` columns are text, the others numbers."""
    kinds = ["" if i < words else ' class="number"' for i in range(len(head))]
    top = "".join(f"<th{kind}>{text(name)}</th>" for name, kind in zip(head, kinds, strict=True))
    lines = "\n".join(
        "<tr>"
        + "".join(f"<td{kind}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def pairs(rows: Iterable[tuple[str, object]], caption: str = "") -> str:
    """Return a table of names and values."""
    lines = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td class="number">{text(value)}</td></tr>'
        for name, value in rows
    )
    above = f"<caption>{text(caption)}</caption>" if caption else ""
    return f'<table class="pairs">{above}<tbody>{lines}</tbody></table>'


def note(sentence: str) -> str:
    """Return a sentence in small print."""
    return f'<p class="note">{text(sentence)}</p>'


def text(value: object) -> str:
    """Return anything as escaped text; what is unknown (None, NaN) is a dash, never empty or zero."""
    unknown = value is None or (isinstance(value, float) and math.isnan(value))
    return UNKNOWN if unknown else html.escape(str(value))


def shown(value: float | None, kind: Kind) -> str:
    """Return a number as people read it; a dash where it is unknown.

    Parameters
    ----------
    value
        As computed: fractions, not percents.
    kind
        ``percent`` of a fraction, ``ratio``, ``money`` (cents below 1000), ``count``, or ``plain``.
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if kind == "percent":
        return hundredths(value, 2) + " %"
    if kind == "ratio":
        return unsigned_zero(f"{value:,.2f}")
    if kind == "money":
        return unsigned_zero(f"{value:,.2f}" if abs(value) < _SMALL_MONEY else f"{value:,.0f}")
    return f"{value:,.0f}" if kind == "count" else f"{value:,.6g}"
