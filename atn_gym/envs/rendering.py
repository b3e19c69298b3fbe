"""Pictures of a run: losses, accuracies and hyperparameters over epochs."""

from __future__ import annotations

import importlib
import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import LARGEST, chance_accuracy, chance_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RENDER_MODES = ("human", "rgb_array", "ansi")
_SIZE_INCHES = (6.4, 7.2)
_DPI = 100
_STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": "tab:gray", "marker": "."},
    "val": {"color": "black", "marker": "."},
}
_CHANCE: dict[str, Any] = {"color": "tab:gray", "linestyle": ":", "linewidth": 1, "label": "chance"}


@dataclass(frozen=True, eq=False)
class RunTrace:
    """A run of e epochs so far.

    Args:
        title: Name of the env.
        num_epochs: Epoch budget T.
        num_classes: Number of classes C.
        signals: Observed losses (nats) and accuracies (shares) by name, each (e,).
        hyperparameters: Values by name before and after each epoch, each (e + 1,).
        shock_epoch: Epochs trained before the shock, once it has come; None before.
        diverged: Whether the last epoch diverged.
    """

    title: str
    num_epochs: int
    num_classes: int
    signals: dict[str, FloatArray]
    hyperparameters: dict[str, FloatArray]
    shock_epoch: int | None
    diverged: bool

    @property
    def epoch(self) -> int:
        """Number of epochs trained."""
        return len(self.signals["observed_val_loss"])


class Renderer:
    """Draws traces; holds at most one window."""

    def __init__(self) -> None:
        self._window: Figure | None = None

    def rgb_array(self, trace: RunTrace) -> NDArray[np.uint8]:
        """The chart as an RGB array of shape (720, 640, 3)."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw_trace(figure, trace)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def show(self, trace: RunTrace) -> None:
        """Draws the chart into a window, or in a notebook below the cell in place of the last one.

        Without a display nothing is shown.
        """
        if _in_notebook():
            from matplotlib.figure import Figure

            figure, picture = Figure(_SIZE_INCHES, _DPI, layout="constrained"), io.BytesIO()
            draw_trace(figure, trace)
            figure.savefig(picture, format="png")
            display = importlib.import_module("IPython.display")
            display.clear_output(wait=True)
            display.display(display.Image(picture.getvalue()))
            return
        from matplotlib import pyplot

        if self._window is None:
            self._window = pyplot.figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
        self._window.clear()
        draw_trace(self._window, trace)
        self._window.canvas.draw()
        if pyplot.get_backend().lower() != "agg":
            self._window.show()
        self._window.canvas.flush_events()

    def ansi(self, trace: RunTrace) -> str:
        """The newest epoch as one line of text."""
        parts = [f"{trace.title} epoch {trace.epoch}/{trace.num_epochs}"]
        if trace.epoch:
            parts += [f"{name} {values[-1]:.4f}" for name, values in trace.signals.items()]
        parts += [f"{name} {values[-1]:.3g}" for name, values in trace.hyperparameters.items()]
        if trace.shock_epoch is not None:
            parts.append(f"shock after epoch {trace.shock_epoch}")
        if trace.diverged:
            parts.append("diverged")
        return "  ".join(parts) + "\n"

    def __reduce__(self) -> tuple[type[Renderer], tuple[()]]:
        """A copy opens a window of its own."""
        return Renderer, ()

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            from matplotlib import pyplot

            pyplot.close(self._window)
            self._window = None


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def draw_trace(figure: Figure, trace: RunTrace) -> None:
    """Draws a run in three panels: losses, accuracies and hyperparameters.

    The limits do not depend on the data, so that the frames of a video fit together.

    Args:
        figure: An empty figure.
        trace: The run so far; the shock is marked once it has come, and chance by dots.
    """
    losses, accuracies, settings = figure.subplots(3, 1, sharex=True)
    state = "diverged at" if trace.diverged else "at"
    figure.suptitle(f"{trace.title}, {state} epoch {trace.epoch} of {trace.num_epochs}")
    epochs = np.arange(1, trace.epoch + 1)
    for axes, quantity in ((losses, "loss"), (accuracies, "accuracy")):
        for split, style in _STYLES.items():
            axes.plot(epochs, trace.signals[f"observed_{split}_{quantity}"], label=split, **style)
    at_chance = chance_loss(trace.num_classes)
    losses.axhline(at_chance, **_CHANCE)
    losses.set_yscale("log")
    losses.set_ylim(at_chance / 1000, 1.1 * LARGEST * at_chance)
    losses.set_ylabel("observed loss (nats)")
    accuracies.axhline(chance_accuracy(trace.num_classes), **_CHANCE)
    accuracies.set_ylim(0, 1.02)
    accuracies.set_ylabel("observed accuracy")
    _draw_hyperparameters(settings, trace)
    settings.set_xlim(0, trace.num_epochs)
    settings.set_xlabel("epochs trained")
    for axes in (losses, accuracies, settings):
        if trace.shock_epoch is not None:
            axes.axvline(trace.shock_epoch, color="tab:red", linestyle="--", label="shock")
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")


def _draw_hyperparameters(axes: Axes, trace: RunTrace) -> None:
    for (name, values), width in zip(trace.hyperparameters.items(), (4.0, 2.5, 1.0), strict=False):
        shown, label = (1 - values, f"1 - {name}") if name == "momentum" else (values, name)
        # The value in force in epoch e holds from e - 1 to e.
        edges = np.arange(len(values) + 1) - 1
        axes.stairs(shown, edges, baseline=None, label=label, linewidth=width)
    axes.set_yscale("log")
    axes.set_ylim(5e-7, 2)
    axes.set_ylabel("hyperparameters")
