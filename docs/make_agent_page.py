"""Writes the page of the agent `ppo_adaptive` and its figures, from stored sweeps and its training.

python docs/make_agent_page.py
python docs/make_agent_page.py --check
"""

import sys

from agent_page import MNIST, AgentPage, write_page

_PAGE = """# `ppo_adaptive`

A controller that PPO of Stable-Baselines3 learned on Digits, in runs whose effective learning
rate is hidden and whose shock comes at any time. It comes with the package:

```python
from atn_gym.agents import pretrained

agent = pretrained("ppo_adaptive")
```

In a config it is `{{name: agent, label: ppo_adaptive, path: ppo_adaptive}}`. In your own loop it
is `HyperparameterScheduler(optimizer, agent, num_epochs=...)`: see [your own loop](../own_loop.md).

## What it is

- **Observes** what every controller may: ten epochs of training and validation loss and accuracy,
  the hyperparameters in force, the progress, and how far the losses fell from epoch to epoch
  (`FlatObservation(env, falls=True)`). The window is all it remembers.
- **Sets** learning rate, momentum and weight decay, by up to a decade (momentum half of one) an
  epoch, deterministically.
- **Network**: two hidden layers of 128 and 64 tanh units.
- **Trained** by `atn-gym train --config train_ppo_adaptive` for {epochs:,} epochs, which are
  {runs:,.0f} runs: gains, triggers, severities, kinds, batch sizes, budgets and sizes of the
  training set vary. The rate of PPO fell linearly to 0, until epoch 440,640 as for a training of
  1.8 million epochs, until 501,120 as for one of 1.1 million, then as for one of
  900,000: the command gives an agent like this one, not the same weights.
- The file holds safetensors, so that reading it runs no code, and the agent needs numpy only.

![Anytime performance on validation seeds while it was trained]({training})

The curves are deterministic runs of seeds 11000 to 11019, on which nothing below was measured.
The agent is the last one, not the best one of the curve.

## Where the learning rate is hidden

{unknown_verdict} All envs of the [results on UnknownScale](../results_unknown_scale.md); the
seeds were never trained on and nothing was chosen by them.

{unknown}

`blind` is a tuned schedule that never observes its run, and 0 of the adaptation score; the
reactive oracle is 1. The best other contender of each env is chosen by these runs, so its mean is
a little too high. The value of feedback is what the agent has above its yoked control, which does
in a run what the agent chose in another one.

## On all Digits envs

{digits_verdict} These are the envs of the [results on Digits](../results_digits.md).

{digits}

## Does it do harm?

From the default beginning, against `fixed`, which changes nothing:

{safety}

## Why it does harm, and what was tried

On training seeds, 12000 to 12199, `python benchmarks/agent_harm.py --seeds 200` shows where
runs from the default beginning lose to doing nothing, and how lost runs end:

- On Stationary it is ahead of `fixed` in the first third of the budget, by 0.014 in the reward
  of an epoch, and behind by 0.036 in the last: it lowers the rate tenfold too early, and stops
  learning.
- Under CurriculumShift it lowers the rate in the second epoch, when few classes make the loss
  fall fast, and is behind by 0.153 in the first third; later it is ahead by 0.062.
- Six of 1,000 runs are lost, all of them after the shock: there it raises learning_rate / (1 -
  momentum), in four of the six by 7 to 62 times within four epochs.

**A second training** went on from this agent for 201,600 epochs (`train_ppo_adaptive_careful`):
more runs of a known scale, AdamW, other nominal rates and batch sizes, and a reward that counts
low scores twice. Less `fixed`, by the same command with `--agent`, 200 seeds of each env from
the default beginning and 100 where the scale is hidden, ± 95 %:

| env | this agent | lost | second | lost |
| --- | --: | --: | --: | --: |
| DigitsCnn-Stationary | -0.009 ± 0.006 | 0 | 0.004 ± 0.006 | 0 |
| DigitsCnn-CurriculumShift | -0.025 ± 0.009 | 1 | 0.003 ± 0.009 | 0 |
| DigitsCnn-DataShift | 0.147 ± 0.013 | 3 | 0.114 ± 0.013 | 5 |
| DigitsCnn-OptimizerSensitivityShift | 0.096 ± 0.019 | 1 | 0.088 ± 0.018 | 1 |
| DigitsCnn-LossPerturbation | 0.067 ± 0.014 | 1 | 0.067 ± 0.016 | 3 |
| DigitsCnnUnknownScale-Stationary | 0.317 ± 0.045 | 3 | 0.319 ± 0.046 | 3 |
| DigitsCnnUnknownScale-CurriculumShift | 0.206 ± 0.039 | 7 | 0.214 ± 0.038 | 9 |
| DigitsCnnUnknownScale-DataShift | 0.247 ± 0.030 | 6 | 0.236 ± 0.036 | 8 |
| DigitsCnnUnknownScale-OptimizerSensitivityShift | 0.291 ± 0.044 | 3 | 0.272 ± 0.045 | 5 |
| DigitsCnnUnknownScale-LossPerturbation | 0.319 ± 0.041 | 4 | 0.305 ± 0.045 | 6 |

It does no harm where nothing happens, and on the perceptron with AdamW, 40 seeds of three envs,
it loses 3 of 120 runs in place of 13; but it loses more runs on Digits, and is lower in the
mean where the scale is hidden. So it is not shipped. What did help was to observe gradients: see
[`ppo_gradient`](ppo_gradient.md).

**A guard** (`{{name: guarded, method: agent, arguments: {{path: ppo_adaptive}}, tolerance: 1.0,
radius: 1.0}}`) loses 4 of the 1,000 runs in place of 6 on training seeds, at no cost in the
mean that can be told from 0 there; on the held-out runs of the table above it loses 3 in place
of 6. Where the scale is hidden it loses 28 of 500 in place of 23. It does not make the agent
safe. `python benchmarks/agent_harm.py --seeds 200 --guard tolerance=1 radius=1` prints it.

## On what it has never seen

{elsewhere}

## What it does at a shock

![Validation loss and learning rate of three controllers around the shock]({shock})

Medians over all runs of UnknownScale, aligned at the shock; bands hold the middle half. Gains
differ from run to run, so do the rates.

## Where it fails

- **Where the rate is right from the start, `blind` is better**, by the table of all envs: a
  schedule that was tuned for these very envs has little to learn from looking. The agent pays for
  finding out that the rate is right.
- **Doing nothing is better where nothing happens.** On Stationary, and under CurriculumShift, it is
  below `fixed` from the default beginning: it lowers the rate too early.
- **CurriculumShift is its weakest regime** where the rate is hidden.
- **It kills a run now and then.** At a gain of a whole decade, by
  [the figure of the references](../references.md), a good part of its runs is lost; the first
  epoch has the rate that the run begins with, times what the agent makes of it unseen.
- **It does not travel.** On MNIST the hand-written `heuristic` is above it. With AdamW on a
  perceptron it is no better than `fixed` and kills one run in ten, which the rules do not: the
  rates that it has learned are those of SGD on one network.
- It is one training with one seed, on one network with SGD.

## Where these figures come from

```console
{commands}
python docs/make_agent_page.py
```

All brackets are 95 % bootstrap intervals over seeds.
"""

_ELSEWHERE = {
    "mnist": MNIST,
    "mlp": "A perceptron with AdamW on Digits, a network and an optimizer that were left out of "
    "the training:",
}
"""What the agent has never seen, by sweep."""

if __name__ == "__main__":
    sys.exit(write_page(AgentPage("ppo_adaptive", _PAGE, _ELSEWHERE)))
