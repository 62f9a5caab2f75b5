"""Draws the curves of a bench into a file. Only this module needs matplotlib, and only when it draws."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference_pio.atomic_files import write_atomically
from inference_pio.errors import InferencePioError, InvalidOptionError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")
WIDTH, HEIGHT = 10.0, 3.6
"""Inches; a PNG has 110 dots in each."""
LINE, INK, GRID = "#1f5f8b", "#333333", "#dddddd"

PANELS = (
    ("context", "tokens", "decode_tok_s", "Decode", "tokens in the context"),
    ("context", "tokens", "prefill_tok_s", "Prefill", "tokens of the prompt"),
    ("batch", "prompts", "tok_s", "Several at once", "prompts at once"),
)
"""Curve, its x and y, heading, and what the x axis counts. The y axis is tokens a second everywhere."""


def check_plot(path: Path) -> None:
    """Say what is in the way of a plot, before minutes are spent on measuring.

    Raises:
        InvalidOptionError: The name ends in something else than .png or .svg, or nothing can be written there.
        InferencePioError: matplotlib is missing.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidOptionError(f"plot: {path} must end in {' or '.join(FORMATS)}, which says what to draw")
    if path.is_dir():
        raise InvalidOptionError(f"plot: {path} is a folder, not a file")
    if not path.absolute().parent.is_dir():
        raise InvalidOptionError(f"plot: there is no folder {path.absolute().parent}")
    if not os.access(path.absolute().parent, os.W_OK):
        raise InvalidOptionError(f"plot: nothing can be written to {path.absolute().parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise InferencePioError(
            "a plot needs matplotlib, which is not installed. Install it: pip install 'inference-pio-runtime[plot]'"
        )


def draw_plot(path: Path, result: Mapping[str, Any]) -> None:
    """Draw what ``run_bench`` measured; the file appears whole or not at all.

    Args:
        path: Checked by ``check_plot``; an existing file is replaced.
        result: With ``model``, ``executor``, ``threads``, ``machine``, ``date`` and ``curves``.

    Raises:
        InferencePioError: It cannot be written after all.
    """
    data = render(result, path.suffix.lower().lstrip("."))
    try:
        write_atomically(path, data)
    except OSError as error:
        raise InferencePioError(f"the plot cannot be written to {path}: {error.strerror or error}") from error


def render(result: Mapping[str, Any], format: str) -> bytes:
    """Return the picture as ``png`` or ``svg``; the same result gives the same bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: no window system is asked for, and no setting of others is touched. Text in an
    # SVG stays text: it can be searched, and takes a third of the room.
    with rc_context({"svg.hashsalt": "inference-pio", "svg.fonttype": "none", "font.size": 9, "text.color": INK}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="white")
        for axes, (curve, x, y, heading, counted) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            points = result["curves"][curve]
            _draw_panel(axes, [point[x] for point in points], [point[y] for point in points])
            axes.set_title(heading, loc="left", fontweight="bold")
            axes.set_xlabel(counted)
            axes.set_ylabel("tokens a second")
        figure.suptitle(f"{result['model']} on {result['executor']}\n{result['machine']}, {result['date']}")
        out = io.BytesIO()
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(out, format=format, dpi=110, metadata=metadata)
    return out.getvalue()


def _draw_panel(axes: Axes, xs: Sequence[int], ys: Sequence[float]) -> None:
    axes.plot(xs, ys, color=LINE, marker="o", markersize=4, linewidth=1.5)
    axes.set_xscale("log", base=2)
    axes.set_xticks(xs, [str(x) for x in xs], rotation=45)
    axes.minorticks_off()
    axes.margins(x=0.12)
    axes.set_ylim(0, 1.15 * max(ys, default=1.0))
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for x, y in zip(xs, ys, strict=True):
        label = f"{y:,.0f}" if y >= 10 else f"{y:.1f}"
        axes.annotate(label, (x, y), (3, 5), textcoords="offset points", ha="center", fontsize=7)
