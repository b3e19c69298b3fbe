"""A controller in a plain PyTorch loop: a network that this package does not know.

Trains a small MLP on handwritten digits from learning rates that are 30 times too low, right,
and 30 times too high, with and without a `HyperparameterScheduler`.

python examples/own_loop.py --plot own_loop.png
python examples/own_loop.py --optimizer adamw --controller hypergradient
"""

import argparse
import functools

import torch
from sklearn.datasets import load_digits
from torch import nn

from atn_gym import HyperparameterScheduler
from atn_gym.agents import PRETRAINED, pretrained

OPTIMIZERS = {
    "sgd": (functools.partial(torch.optim.SGD, momentum=0.9, weight_decay=1e-4), 0.03),
    "adamw": (torch.optim.AdamW, 0.003),
}
"""Optimizers, and a good learning rate for each."""


def load():
    """Training and validation split: images in [0, 1] and labels."""
    images, labels = load_digits(return_X_y=True)
    data = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    return [part[:1200] for part in data], [part[1200:] for part in data]


def accuracy(logits, labels):
    """Share of samples whose label has the largest logit."""
    return float((logits.argmax(1) == labels).float().mean())


def train(learning_rate, controller=None, epochs=30, seed=0, optimizer="sgd"):
    """Trains one run; returns validation losses and learning rates of its epochs.

    Args:
        learning_rate: Where the run begins.
        controller: Name of a controller or of a trained agent; None leaves the optimizer as it is.
        epochs: Epoch budget.
        seed: Seed of weights and batches.
        optimizer: A key of `OPTIMIZERS`.
    """
    torch.manual_seed(seed)
    (images, labels), validation = load()
    network = nn.Sequential(nn.Linear(64, 48), nn.LayerNorm(48), nn.GELU(), nn.Linear(48, 10))
    make, _ = OPTIMIZERS[optimizer]
    optimizer = make(network.parameters(), lr=learning_rate)
    scheduler = None
    if controller is not None:
        scheduler = HyperparameterScheduler(
            optimizer,
            pretrained(controller) if controller in PRETRAINED else controller,
            num_epochs=epochs,
            num_classes=10,
            seed=seed,
        )
    losses, rates = [], []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        seen = []
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            logits = network(images[batch])
            loss = nn.functional.cross_entropy(logits, labels[batch])
            loss.backward()
            optimizer.step()
            seen.append((loss.item(), accuracy(logits, labels[batch])))
        with torch.no_grad():
            logits = network(validation[0])
        losses.append(float(nn.functional.cross_entropy(logits, validation[1])))
        if scheduler is not None:
            train_loss, train_accuracy = (
                sum(column) / len(seen) for column in zip(*seen, strict=True)
            )
            scheduler.step(
                losses[-1],
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                val_accuracy=accuracy(logits, validation[1]),
            )
    return losses, rates


def main() -> None:
    """Prints the last validation loss of every run, and plots the runs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--controller", default="ppo_gradient")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", metavar="FILE", help="a PNG to write")
    arguments = parser.parse_args()
    _, good_rate = OPTIMIZERS[arguments.optimizer]
    runs = {}
    print(f"{'first rate':>10}  {'left alone':>10}  {arguments.controller:>12}")
    for factor in (1 / 30, 1, 30):
        row = []
        for controller in (None, arguments.controller):
            of_seeds = [
                train(good_rate * factor, controller, arguments.epochs, seed, arguments.optimizer)
                for seed in range(arguments.seeds)
            ]
            runs[factor, controller] = of_seeds
            row.append(sorted(losses[-1] for losses, _ in of_seeds)[arguments.seeds // 2])
        print(f"{good_rate * factor:10.4f}  {row[0]:10.3f}  {row[1]:12.3f}", flush=True)
    if arguments.plot:
        plot(runs, good_rate, arguments.plot)


def plot(runs, good_rate, file):
    """Draws validation loss and learning rate of all runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey="row")
    for (factor, controller), of_seeds in runs.items():
        column = [1 / 30, 1, 30].index(factor)
        color, label = ("0.6", "left alone") if controller is None else ("C0", controller)
        for i, (losses, rates) in enumerate(of_seeds):
            named = {"label": label} if i == 0 else {}
            axes[0, column].semilogy(losses, color=color, **named)
            axes[1, column].semilogy(rates, color=color)
        axes[0, column].set_title(f"first learning rate {good_rate * factor:.2g}")
        axes[1, column].set_xlabel("epoch")
    axes[0, 0].set_ylabel("validation loss (nats)")
    axes[1, 0].set_ylabel("learning rate")
    axes[0, 0].legend()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
