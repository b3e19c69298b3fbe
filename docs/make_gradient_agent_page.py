"""Writes the page of the agent `ppo_gradient` and its figures, from stored sweeps and its training.

python docs/make_gradient_agent_page.py
python docs/make_gradient_agent_page.py --check
"""

import sys

from agent_page import MNIST, AgentPage, write_page

_PAGE = """# `ppo_gradient`

A controller that PPO of Stable-Baselines3 learned on Digits. Like
[`ppo_adaptive`](ppo_adaptive.md) it adapts, but it observes gradients and weights too:

```python
from atn_gym.agents import pretrained

agent = pretrained("ppo_gradient")
```

In a config it is `{{name: agent, label: ppo_gradient, path: ppo_gradient}}`: its env is made with
`signals="gradient"`. In your own loop it is `HyperparameterScheduler(optimizer, agent,
num_epochs=..., num_classes=...)`, which measures the signals: see [own loops](../own_loop.md).
With AdamW it is `{{name: with_optimizer, method: agent, arguments: {{path: ppo_gradient}}}}`. The
tables below are of SGD where they do not say otherwise, and leave that out of the other contenders.

## What it is

- **Observes** ten epochs of losses and accuracies, the hyperparameters, the progress, how far the
  losses fell, and ten epochs of five gradient signals: the norm of the gradients, the
  alignment of each step with the descent direction after it, the distance from the initial
  weights, the relative size of steps, the norm of the weights. Most other methods observe
  losses only.
- **Sets** learning rate, momentum and weight decay, by up to a decade (momentum half of one) an
  epoch, deterministically.
- **Network**: two hidden layers of 128 and 64 tanh units.
- **Trained** by `atn-gym train --config train_ppo_gradient` for {epochs:,} epochs, which are
  {runs:,.0f} runs; one run in sixteen has AdamW. The reward counts twice what is missing to a
  score of 0.3.
- The file holds safetensors, so that reading it runs no code, and the agent needs numpy only.

![Anytime performance on validation seeds while it was trained]({training})

The curves are deterministic runs of seeds 11000 to 11019, on which nothing below was measured. The
agent is the last one, not the best one of the curve.

## Where the learning rate is hidden

{unknown_verdict} The seeds were never trained on and nothing was chosen by them.

{unknown}

`blind` is a tuned schedule that never observes its run, and 0 of the adaptation score; the
reactive oracle is 1. The best other contender of each env is chosen by these runs. The value of
feedback is what the agent has above its yoked control, which does in a run what the agent chose in
another one.

## On all Digits envs

{digits_verdict}

{digits}

## Does it do harm?

From the default beginning, against `fixed`, which changes nothing:

{safety}

## On what it has never seen

{elsewhere}

## What it does at a shock

![Validation loss and learning rate of three controllers around the shock]({shock})

Medians over all runs of UnknownScale, aligned at the shock; bands hold the middle half.

## Where it fails, and what is not known

- **From a poor beginning `blind` is better under CurriculumShift and DataShift**, and on the known
  scale as good under these two. On Stationary with a known scale its value of feedback cannot be
  told from 0: there it plays a schedule.
- **It is not safe in every run**: two of the 1,000 runs from the default beginning end at chance,
  both under DataShift.
- **It observes more than methods that see losses only.** `dog` and `hypergradient` observe the
  same signals. An engine must measure them, which the batched engine and `NoisyQuadratic` do
  not, and measuring is not charged: the flops of a run are the same with and without.
- **What the signals are worth was not measured by themselves.** It differs from `ppo_adaptive` in
  the signals, the reward and some kinds of runs. The second training on the page of
  [`ppo_adaptive`](ppo_adaptive.md#why-it-does-harm-and-what-was-tried) had this reward and such
  runs, but no gradient signals, and gained little: that speaks for the signals.
- **The optimizer of the perceptron was not new to it**: one run in sixteen of its training had
  AdamW, on another network. The table of MNIST has ten seeds; with 25 (`atn-gym run
  --config benchmark_mnist --seeds 25`) none of its 100 runs ends at chance.
- **On a known scale a schedule for AdamW that never looks is better**: `blind_adamw` has 0.677 on
  DigitsCnn, the agent 0.613, and 0.650 where it controls AdamW
  ([control against the optimizer](../questions.md#control-against-the-optimizer), 200 seeds). Where
  the scale is hidden, both ways of using it are 0.2 above that schedule.
- It is one training with one seed.

## Where these figures come from

```console
{commands}
python docs/make_gradient_agent_page.py
```

All brackets are 95 % bootstrap intervals over seeds.
"""

_ELSEWHERE = {
    "mnist": MNIST,
    "mlp": "A perceptron with AdamW on Digits, a network that was left out of the training:",
}
"""What the agent has never seen, by sweep."""

if __name__ == "__main__":
    sys.exit(write_page(AgentPage("ppo_gradient", _PAGE, _ELSEWHERE)))
