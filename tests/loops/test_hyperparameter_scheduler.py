import copy
import json

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn, optim

from atn_gym import HyperparameterScheduler
from atn_gym.agents.controller import Controller
from atn_gym.agents.guarded import Guarded
from atn_gym.agents.registry import CONTROLLERS, as_method, controller_method
from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.errors import InvalidArgument
from atn_gym.loops.signal_meter import SignalMeter

EPOCHS = 6
NEEDS_ARGUMENTS = {
    "agent": {"path": "ppo_digits"},
    "guarded": {"method": "heuristic"},
    "scheduler": {"scheduler": "ExponentialLR", "gamma": 0.8},
    "with_optimizer": {"method": "heuristic"},
    "yoked": {"method": "heuristic"},
}
UNTRAINED = "rl"
METHODS = {
    name: controller_method(name, **NEEDS_ARGUMENTS.get(name, {}))
    for name in sorted(CONTROLLERS.keys() - {UNTRAINED})
}
NEEDS_ENV = {name for name, method in METHODS.items() if method.needs_env}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def sgd(**arguments):
    defaults = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    return optim.SGD(network().parameters(), **{**defaults, **arguments})


def made(controller="heuristic", optimizer=None, **arguments):
    defaults = {"num_epochs": EPOCHS, "num_classes": 10}
    return HyperparameterScheduler(
        sgd() if optimizer is None else optimizer, controller, **{**defaults, **arguments}
    )


class Scripted(Controller):
    """Plays learning rates one after the other and keeps what it observed."""

    rates = (0.1, 0.05, 0.02, 0.2, 0.1, 0.1)
    observed = []

    def observe(self, metric, step):
        self.observed.append((metric, step))

    def propose(self, current_params):
        return {**current_params, "learning_rate": self.rates[len(self.observed)]}


@pytest.fixture(autouse=True)
def _nothing_observed():
    Scripted.observed = []


@pytest.mark.parametrize("name", sorted(METHODS.keys() - NEEDS_ENV))
def test_a_loop_and_an_env_decide_the_same_bit_for_bit(name):
    method = METHODS[name]
    needed = method.env_arguments()
    env = gymnasium.make(
        "atn_gym/DigitsCnn-LossPerturbation-v0",
        num_epochs=EPOCHS,
        train_size=256,
        trigger=2,
        **needed,
    )
    episodes = env.unwrapped.episodes
    observation, info = env.reset(seed=3)
    policy, state = method.policy(env, [5]), None
    initial = episodes.state(0).initial
    optimizer = optim.SGD(
        copy.deepcopy(episodes._trainer._engine.model(0)).parameters(),
        lr=initial["learning_rate"],
        momentum=initial["momentum"],
        weight_decay=initial["weight_decay"],
    )
    scheduler = HyperparameterScheduler(
        optimizer,
        method,
        num_epochs=EPOCHS,
        num_classes=10,
        seed=episodes.params.controller_seed(5),
    )
    batch = {key: value[None] for key, value in observation.items()}
    for epoch in range(EPOCHS):
        action, state = policy.predict(batch, state, np.array([epoch == 0]))
        observation, _, over, _, info = env.step(action[0])
        assert scheduler.values == info["hyperparameter_values"]
        group = optimizer.param_groups[0]
        assert [group["lr"], group["momentum"], group["weight_decay"]] == list(
            info["hyperparameter_values"].values()
        )
        if over:
            break
        batch = {key: value[None] for key, value in observation.items()}
        seen = episodes.state(0).observed_metrics()
        metrics = {key.removeprefix("observed_"): value for key, value in seen.items()}
        measured = episodes.state(0).gradient_signals()
        if measured:
            metrics["signals"] = GradientSignals(**measured, steps=episodes.steps_per_epoch)
        scheduler.step(**metrics)


def trained(optimizer, network, steps=3):
    """Trains some steps on samples that are drawn anew."""
    for _ in range(steps):
        inputs = torch.randn(16, 4)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), inputs[:, :3].argmax(1)).backward()
        optimizer.step()


def with_dog(weights):
    model = network()
    model.load_state_dict(weights)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    return model, optimizer, made("dog", optimizer)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).double()


def test_a_loop_measures_the_signals_that_a_controller_observes_and_resumes():
    torch.manual_seed(0)
    model, optimizer, scheduler = with_dog(network().state_dict())
    meter, begun, found = SignalMeter(optimizer), flat(model), []
    for epoch in range(3):
        trained(optimizer, model)
        found.append(meter.epoch())
        rate = scheduler.step(1.0)["learning_rate"]
        if epoch == 1:
            saved = copy.deepcopy(
                [part.state_dict() for part in (scheduler, model, optimizer)]
                + [torch.get_rng_state()]
            )
    assert [signals.steps for signals in found] == [3] * 3
    moved = (flat(model) - begun).norm() / begun.norm()
    assert found[-1].distance == pytest.approx(moved.item())
    squares = sum(3 * signals.gradient_norm**2 for signals in found)
    furthest = max(signals.distance for signals in found) * begun.norm().item()
    assert rate == pytest.approx(0.66 * 0.5 * furthest / squares**0.5, rel=1e-4)

    model, optimizer, scheduler = with_dog({k: v + 1 for k, v in network().state_dict().items()})
    for part, state in zip((scheduler, model, optimizer), saved, strict=False):
        part.load_state_dict(state)
    torch.set_rng_state(saved[-1])
    trained(optimizer, model)
    assert scheduler.step(1.0)["learning_rate"] == rate


def test_signals_are_the_same_if_a_closure_finds_the_gradients():
    found = []
    for with_closure in (False, True):
        torch.manual_seed(0)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        meter = SignalMeter(optimizer)
        for inputs in torch.randn(3, 16, 4):

            def closure(inputs=inputs, model=model, optimizer=optimizer):
                optimizer.zero_grad()
                loss = model(inputs).square().mean()
                loss.backward()
                return loss

            if with_closure:
                assert optimizer.step(closure) > 0
            else:
                closure()
                optimizer.step()
        found.append(meter.epoch())
    assert found[0] == found[1]
    assert found[0].gradient_norm > 0


def test_signals_that_cannot_be_had_are_errors():
    with pytest.raises(InvalidArgument, match="observes gradient signals, got signals='loss'"):
        made("hypergradient", signals="loss")
    with pytest.raises(InvalidArgument, match=r"no optimizer.step\(\) was seen"):
        made("hypergradient").step(1.0)
    nothing = SignalMeter(sgd()).epoch()
    assert nothing.steps == 0
    with pytest.raises(InvalidArgument, match="make the scheduler with signals='gradient'"):
        made("fixed").step(1.0, signals=nothing)
    with pytest.raises(InvalidArgument, match="did you mean 'gradient'"):
        made("fixed", signals="gradients")


def test_references_need_an_env():
    assert {"lookahead_oracle", "offline_bayesian"} < NEEDS_ENV
    assert Guarded("lookahead_oracle").needs_env


@pytest.mark.parametrize("name", sorted(NEEDS_ENV))
def test_a_method_that_trains_on_its_env_is_refused(name):
    with pytest.raises(InvalidArgument, match="needs an env of the package"):
        made(METHODS[name])


def test_it_sets_the_optimizer_and_shows_the_controller_each_loss_once():
    optimizer = sgd()
    scheduler = made(Scripted, optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for loss in (2.0, 1.5, 1.0, 0.75, 0.5):
        values = scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
        assert values == scheduler.values
    assert rates == pytest.approx(Scripted.rates, rel=1e-6)
    assert Scripted.observed == [(2.0, 1), (1.5, 2), (1.0, 3), (0.75, 4), (0.5, 5)]
    scheduler.step(0.25)
    with pytest.raises(InvalidArgument, match="more than num_epochs=6 times"):
        scheduler.step(0.2)


@pytest.mark.parametrize("name", ["heuristic", "autotunenet", "bandit", "spsa", "pid"])
def test_a_run_resumes_from_plain_values(name):
    losses = [2.0, 1.9, 2.4, 1.0, float("nan"), 0.9]
    whole, interrupted = made(name, seed=4), made(name, seed=4)
    expected = [whole.step(loss) for loss in losses]
    for loss in losses[:3]:
        interrupted.step(loss)
    state = json.loads(json.dumps(interrupted.state_dict()))
    optimizer = sgd(lr=interrupted.values["learning_rate"])
    resumed = made(name, optimizer, seed=4)
    resumed.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == interrupted.values["learning_rate"]
    assert [resumed.step(loss) for loss in losses[3:]] == expected[3:]


def test_another_controller_cannot_take_up_a_state():
    first = made("heuristic")
    for loss in (2.0, 1.0, 3.0, 2.0):
        first.step(loss)
    with pytest.raises(InvalidArgument, match="does not decide as it did"):
        made("cosine").load_state_dict(first.state_dict())
    with pytest.raises(InvalidArgument, match="at most 3 epochs"):
        made("heuristic", num_epochs=3).load_state_dict(first.state_dict())
    with pytest.raises(InvalidArgument, match="what state_dict"):
        made("heuristic").load_state_dict({"epoch": 1})


def test_groups_keep_their_ratio_to_the_first():
    model = network()
    optimizer = optim.AdamW(
        [
            {"params": model[0].parameters(), "lr": 0.1, "weight_decay": 0.01},
            {"params": model[2].parameters(), "lr": 0.01, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.99),
    )
    scheduler = made(Scripted, optimizer)
    assert scheduler.hyperparameters.names == ("learning_rate", "momentum", "weight_decay")
    scheduler.step(1.0)
    first, second = optimizer.param_groups
    assert first["lr"] == pytest.approx(0.05)
    assert second["lr"] == pytest.approx(0.005)
    assert (first["weight_decay"], second["weight_decay"]) == (0.01, 0.0)
    assert first["betas"] == second["betas"] == (0.9, 0.99)


def test_a_weight_decay_of_zero_stays_zero():
    optimizer = optim.SGD(network().parameters(), lr=0.1)
    scheduler = made("random_online", optimizer)
    assert scheduler.hyperparameters.names == ("learning_rate", "momentum")
    for loss in (1.0, 0.9):
        scheduler.step(loss)
    assert optimizer.param_groups[0]["weight_decay"] == 0
    assert optimizer.param_groups[0]["lr"] != 0.1


def test_a_learning_rate_that_is_a_tensor_stays_one():
    rate = torch.tensor(0.1)
    optimizer = optim.Adam(network().parameters(), lr=rate)
    made(Scripted, optimizer).step(1.0)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)


def test_the_users_bounds_hold():
    optimizer = sgd(lr=3.0, weight_decay=0.5)
    bounds = {"learning_rate": (1e-3, 10.0), "weight_decay": (1e-4, 1.0)}
    scheduler = made(Scripted, optimizer, bounds=bounds)
    assert scheduler.hyperparameters.bounds_of("learning_rate") == (1e-3, 10.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": sgd(lr=3.0)}, r"learning_rate must be in \[1e-05, 1\], got 3"),
        ({"optimizer": network()}, r"must be a torch.optim.Optimizer, got Sequential"),
        ({"hyperparameters": ["lr"]}, r"unknown hyperparameter 'lr'"),
        (
            {
                "optimizer": optim.Adadelta(network().parameters(), lr=0.1),
                "hyperparameters": ["momentum"],
            },
            r"Adadelta has no momentum",
        ),
        ({"bounds": {"learning_rate": (1, 0.1)}}, r"bounds of learning_rate must be a pair"),
        ({"bounds": {"momentum": (0.5, 1.0)}}, r"bounds of momentum must be a pair"),
        ({"bounds": {"dropout": (0.1, 0.5)}}, r"unknown hyperparameter with bounds 'dropout'"),
        ({"num_classes": None}, r"give either num_classes"),
        ({"initial_loss": 2.0}, r"give either num_classes"),
        ({"num_classes": 1}, r"num_classes must be an integer >= 2"),
        ({"num_classes": None, "initial_loss": 0.0}, r"initial_loss must be a number > 0"),
        ({"num_epochs": 0}, r"num_epochs must be"),
        ({"controller": "heuristics"}, r"unknown controller 'heuristics'"),
    ],
)
def test_mistakes_are_named_when_it_is_made(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        made(**arguments)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [({"val_loss": -1.0}, "val_loss must be >= 0"), ({"val_loss": 1, "val_accuracy": 2}, "0, 1")],
)
def test_a_metric_that_cannot_be_costs_nothing(metrics, message):
    scheduler = made()
    with pytest.raises(InvalidArgument, match=message):
        scheduler.step(**metrics)
    assert scheduler.last_epoch == 0


def test_another_loss_is_scaled_by_that_of_an_untrained_network():
    scheduler = made(Scripted, num_classes=None, initial_loss=40.0)
    scheduler.step(120.0)
    scheduler.step(1000.0)
    assert [metric for metric, _ in Scripted.observed] == [120.0, 200.0]


def test_an_agent_observes_what_is_not_given_as_the_validation_loss_implies():
    method = as_method(controller_method("agent", path="ppo_digits"))
    given, implied = made(method), made(method)
    for loss in (2.0, 1.0, 0.5):
        accuracy = float(np.exp(-loss))
        values = given.step(loss, val_accuracy=accuracy, train_loss=loss, train_accuracy=accuracy)
        assert implied.step(loss) == values
