"""Draws what each regime does to data and loss: docs/pictures/regime_*.png, from Digits.

python docs/make_regime_pictures.py
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image

import atn_gym
from atn_gym.envs.data import RunData, load_digits
from atn_gym.envs.optimizers import effective_hyperparameters, make_optimizer
from atn_gym.envs.regimes import PROFILES, DataShift, Mixture, Regime
from atn_gym.envs.regimes.mixture import MIXTURE_SPLITS, REGIMES

FOLDER = Path(__file__).parent / "pictures"
TRIGGER, EPOCHS, SEED, SEEDS = 12, 30, 10_000, range(10_000, 10_008)
WIDTH, ROW = 4.8, 1.75
SHIFTED, CALM, SHOCK = "tab:blue", "0.45", "tab:red"
SETTINGS = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def picture_name(regime: str) -> str:
    """File name of the picture of a regime or of "Profiles"."""
    return "regime" + re.sub("([A-Z])", lambda found: "_" + found[1].lower(), regime) + ".png"


def traces(env: str, **arguments: Any) -> list[list[dict[str, Any]]]:
    """Traces of runs in which nothing is controlled."""
    made = atn_gym.evaluate("fixed", env, seeds=SEEDS, twins=False, trigger=TRIGGER, **arguments)
    return [run.trace for run in made.runs]


def draw_losses(axes: Axes, regime: str, kind: str) -> None:
    """Draws the validation losses of runs with the shock, and of their twins."""
    env = f"atn_gym/DigitsCnn-{regime}-v0"
    for twin, color in ((True, CALM), (False, SHIFTED)):
        runs = traces(env, kind=kind, twin=twin)
        losses = np.array([[row["val_loss"] for row in run] for run in runs])
        epochs = np.arange(1, EPOCHS + 1)
        axes.plot(epochs, losses.T, color=color, alpha=0.2, linewidth=0.6)
        label = "without" if twin else "with the shock"
        axes.plot(epochs, np.median(losses, axis=0), color=color, label=label)
    axes.axvline(TRIGGER + 0.5, color=SHOCK, linestyle=":", linewidth=1)
    axes.set_yscale("log")
    axes.set_ylim(0.03, 12)
    axes.set_xlim(1, EPOCHS)
    axes.set_title(f"{kind}: validation loss" if kind != "none" else "validation loss")


def made(regime: type[Regime], kind: str, **arguments: Any) -> Regime:
    """The regime of a run."""
    return regime(kind=kind, seed=SEED, trigger=TRIGGER, num_epochs=EPOCHS, **arguments)


def state(regime: Regime, epoch: int) -> tuple[RunData, dict[str, float]]:
    """The data of a run in an epoch, and the values in force where 0.05, 0.9 and 1e-4 are set."""
    data = RunData(load_digits())
    nominal = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
    optimizer = make_optimizer("sgd", [torch.nn.Parameter(torch.zeros(1))], nominal)
    regime.apply(epoch, torch.nn.Identity(), data, optimizer)
    return data, effective_hyperparameters(optimizer)


def draw_images(figure: SubFigure, before: Any, after: Any, places: Any) -> None:
    """Draws two rows of images with their labels; a place that is not in use stays empty."""
    grid = figure.subplots(2, len(places[0]), squeeze=False)
    for row, title, data, chosen in zip(
        grid, ("before", "after"), (before, after), places, strict=True
    ):
        inputs, labels = data.inputs("train"), data.labels("train")
        for axes, place in zip(row, chosen, strict=True):
            axes.axis("off")
            if place is not None:
                axes.imshow(inputs[place, 0], cmap="gray_r", vmin=-1.2, vmax=2.2)
                axes.set_title(str(int(labels[place])), pad=1.5)
        row[0].axis("on")
        row[0].set(xticks=[], yticks=[])
        row[0].spines[:].set_visible(False)
        row[0].set_ylabel(title)


def draw_data(figure: SubFigure, regime: Regime) -> None:
    """Draws the same samples before and after a shift of the data."""
    before, after = state(regime, 0)[0], state(regime, TRIGGER)[0]
    places = list(range(6))
    draw_images(figure, before, after, (places, places))


def draw_curriculum(figure: SubFigure, regime: Regime) -> None:
    """Draws samples in use before the shock, and after it."""
    before, after = state(regime, 0)[0], state(regime, TRIGGER)[0]
    labels, easy = after.clean.train.labels, after.clean.easiest_first
    if regime.kind == "classes":
        later: list[int] = [int((labels == c).nonzero()[0]) for c in (0, 1, 3, 4, 5, 6, 8, 9)]
    else:
        ranked = sorted(torch.nonzero(labels == 3).flatten().tolist(), key=lambda i: float(easy[i]))
        later = [ranked[i] for i in np.linspace(0, len(ranked) - 1, 8).astype(int)]
    pool = set(before.pools["train"].tolist())
    draw_images(figure, before, after, ([i if i in pool else None for i in later], later))


def draw_optimizer(figure: SubFigure, regime: type[Regime], kind: str) -> None:
    """Draws the value in force over the epochs, of several runs if they draw it."""
    axes = figure.subplots()
    name = {"rescaling": "learning_rate"}.get(kind, kind)
    runs = SEEDS if kind in regime.drawn_kinds else [SEED]
    for seed in runs:
        one = regime(kind=kind, seed=seed, trigger=TRIGGER, num_epochs=EPOCHS)
        values = [state(one, epoch)[1][name] for epoch in range(EPOCHS)]
        shown = [1 - value for value in values] if name == "momentum" else values
        axes.step(range(1, EPOCHS + 1), shown, where="mid", color=SHIFTED, alpha=0.7, linewidth=1)
    axes.axvline(TRIGGER + 0.5, color=SHOCK, linestyle=":", linewidth=1)
    axes.set_yscale("log")
    axes.set_ylim(*{"momentum": (0.01, 1), "weight_decay": (1e-5, 1)}.get(name, (3e-4, 3)))
    shown_name = "1 - momentum" if name == "momentum" else name.replace("_", " ")
    axes.set_title(f"effective {shown_name}")


def draw_perturbation(figure: SubFigure, regime: type[Regime], kind: str) -> None:
    """Draws what is noisy: what is observed, what is trained on, or the gradient."""
    axes = figure.subplots()
    data, _ = state(made(regime, kind), TRIGGER)
    draws = np.random.default_rng(SEED)
    if data.observation_noise:
        (run, *_) = traces(f"atn_gym/DigitsCnn-{regime.__name__}-v0", kind=kind)
        epochs = np.arange(1, EPOCHS + 1)
        for key, color in (("observed_val_loss", "tab:orange"), ("val_loss", SHIFTED)):
            axes.plot(epochs, [row[key] for row in run], color=color, linewidth=1)
        axes.axvline(TRIGGER + 0.5, color=SHOCK, linestyle=":", linewidth=1)
        axes.set_yscale("log")
        axes.set_title("loss observed (orange), clean (blue)")
    elif data.loss_noise:
        scale = data.loss_noise
        factors = np.exp(scale * draws.standard_normal(200) - scale**2 / 2)
        axes.plot(factors, ".", color=SHIFTED, markersize=2.5)
        axes.set_yscale("log")
        axes.axhline(1, color=CALM, linewidth=1)
        axes.set_title("factor on the loss, by mini-batch")
    else:
        clean = draws.standard_normal(300)
        noisy = clean + data.gradient_noise * draws.standard_normal(300)
        axes.plot(clean, noisy, ".", color=SHIFTED, markersize=2)
        axes.axline((0, 0), slope=1, color=CALM, linewidth=1)
        axes.set_title("entries of a gradient, clean and noisy")


def draw_left(figure: SubFigure, regime: type[Regime], kind: str) -> None:
    """Draws what a kind changes."""
    if regime.__name__ == "DataShift":
        draw_data(figure, made(regime, kind))
    elif regime.__name__ == "CurriculumShift":
        draw_curriculum(figure, made(regime, kind))
    elif regime.__name__ == "OptimizerSensitivityShift":
        draw_optimizer(figure, regime, kind)
    elif regime.__name__ == "LossPerturbation":
        draw_perturbation(figure, regime, kind)


def draw_regime(regime: type[Regime]) -> Figure:
    """Draws all kinds of a regime: what changes, and the losses."""
    rows = len(regime.kinds)
    figure = Figure(figsize=(WIDTH, ROW * rows + 0.3), layout="constrained")
    grid = figure.subfigures(rows, 2, squeeze=False, width_ratios=(1, 1))
    for (left, right), kind in zip(grid, regime.kinds, strict=True):
        draw_left(left, regime, kind)
        axes = right.subplots()
        draw_losses(axes, regime.__name__, kind)
        if right is grid[-1][1]:
            axes.set_xlabel("epoch")
        if right is grid[0][1]:
            axes.legend(frameon=False, loc="upper right", fontsize=7)
    return figure


def draw_mixture() -> Figure:
    """Draws the strengths of episodes of both splits."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    palette = ("0.7", *(f"C{i}" for i in range(len(REGIMES) - 1)))
    colors = dict(zip((regime.__name__ for regime in REGIMES), palette, strict=True))
    both = figure.subplots(1, 2, sharey=True)
    for axes, split in zip(both, MIXTURE_SPLITS, strict=True):
        for i in range(14):
            one = Mixture(split=split, num_epochs=EPOCHS).sample(SEED + i)
            strengths = np.array([one.strength(epoch) for epoch in range(EPOCHS)])
            color = colors[type(one).__name__]
            axes.plot([1, EPOCHS], [i, i], color=color, linewidth=0.6)
            axes.bar(range(1, EPOCHS + 1), 0.8 * strengths, 1, bottom=i, color=color)
        axes.set(title=f'split="{split}"', xlabel="epoch", yticks=[], ylim=(-0.4, 14))
    both[0].set_ylabel("strength in 14 episodes")
    handles = [matplotlib.patches.Patch(color=color, label=name) for name, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def draw_profiles() -> Figure:
    """Draws the strength of each profile."""
    figure = Figure(figsize=(WIDTH, 1.6), layout="constrained")
    row = figure.subplots(1, len(PROFILES), sharey=True)
    for axes, profile in zip(row, PROFILES, strict=True):
        one = made(DataShift, "relabelling", profile=profile)
        changes = [one.change(epoch) for epoch in range(EPOCHS)]
        for epoch in range(EPOCHS):
            shade = f"C{changes[epoch]}"
            axes.bar(epoch + 1, one.strength(epoch), 1, color=shade)
        axes.set(title=profile, xlabel="epoch", ylim=(0, 1.1))
    row[0].set_ylabel("strength")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of few colours, which is small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150)
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def main() -> None:
    """Draws all pictures."""
    FOLDER.mkdir(exist_ok=True)
    figures: dict[str, Callable[[], Figure]] = {"Profiles": draw_profiles, "Mixture": draw_mixture}
    for regime in REGIMES[1:]:
        figures[regime.__name__] = partial(draw_regime, regime)
    with matplotlib.rc_context(SETTINGS):
        for name, draw in figures.items():
            save(draw(), FOLDER / picture_name(name))
            print(picture_name(name), flush=True)


if __name__ == "__main__":
    main()
