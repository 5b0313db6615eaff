"""What all thumbnails share: colours, a canvas without global state, plain axes and PNG bytes of 64 colours.

What is drawn belongs beside the thing drawn; matplotlib and pillow are imported inside.
"""

from __future__ import annotations

import base64
import io
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

INK, LINE, WEAK, GOOD, BAD = "#1f2933", "#1f6f8b", "#9aa5b1", "#2f855a", "#c05621"
FRAME, SOFT = "#cbd2d9", "#52606d"
"""Axes; words of less weight than ink that must still be read with ease."""
SERIES = (
    "#1f6f8b", "#e0a458", "#7b6d8d", "#5b9279", "#c05621", "#4c6ef5",
    "#a37c40", "#2b8a9e", "#b65d8a", "#6b7a8f", "#8aa62f", "#d9776c",
)  # fmt: skip
"""Colours of several series in one chart, told apart also in grey."""
_DPI = 100
_COLOURS = 64
_BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""One white point."""
_drawing: ContextVar[bool] = ContextVar("drawing", default=True)


@contextmanager
def undrawn() -> Generator[None]:
    """Within it every picture is one white point: drawing is half the work of a run that nobody looks at."""
    before = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(before)


def hundredths(fraction: float, digits: int) -> str:
    """Return a fraction in percent, rounded to ``digits`` and without the sign; no number is ``-0``."""
    return unsigned_zero(f"{100.0 * fraction:,.{digits}f}")


def unsigned_zero(number: str) -> str:
    """Return a formatted number without the minus of a rounded zero."""
    return number if number.strip("-0.,") else number.removeprefix("-")


def canvas(width: float, height: float) -> Any:
    """Return a new matplotlib Figure of ``width x height`` inches on an Agg canvas, outside of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axis(axis: Any) -> None:
    """Take away what is not data: top and right spines, dark ticks."""
    axis.tick_params(labelsize=7, colors=WEAK, length=2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(FRAME)


def date_axis(axis: Any) -> None:
    """Label the x axis with three to seven short dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    dates = AutoDateLocator(minticks=3, maxticks=7)
    axis.xaxis.set_major_locator(dates)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(dates, show_offset=True))
    axis.xaxis.get_offset_text().set(fontsize=7, color=WEAK)


def png(figure: Any, title: str, *, simulated: bool, watermark: bool = False) -> bytes:
    """Return the figure as PNG bytes under its title, the same bytes for the same figure.

    Parameters
    ----------
    figure
        From `canvas`.
    title
        Shown as it is; ``SIMULATED`` is added when ``simulated``.
    simulated
        Whether any number drawn is made up.
    watermark
        Also write SIMULATED faintly across the picture when ``simulated``.
    """
    if not _drawing.get():
        return _BLANK
    shown = f"{title} - SIMULATED" if simulated else title
    figure.suptitle(shown, x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    if simulated and watermark:
        figure.text(
            0.5, 0.47, "SIMULATED", fontsize=min(46.0, 18.0 * figure.get_figheight()), color=INK, alpha=0.07,
            ha="center", va="center", rotation=12, weight="bold", zorder=10,
        )  # fmt: skip
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return _few_colours(out)


def _few_colours(drawn: io.BytesIO) -> bytes:
    """Return the picture with 64 colours: a third of the bytes, and nothing that one would miss."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        few.save(out, format="PNG", optimize=True)
    return out.getvalue()
