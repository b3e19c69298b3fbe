"""The trained agents that come with the package."""

import subprocess
import sys

import pytest

import atn_gym
from atn_gym.agents import PRETRAINED, pretrained
from atn_gym.agents.agent import SHIPPED
from atn_gym.errors import InvalidArgument
from atn_gym.training.config import TrainingConfig, load_training_config

DOCS = SHIPPED.parents[2] / "docs/agents"


def test_there_is_one():
    assert "ppo_digits" in PRETRAINED


@pytest.mark.parametrize("name", PRETRAINED)
def test_it_is_small_and_has_a_page(name):
    assert (SHIPPED / f"{name}.safetensors").stat().st_size < 1_000_000
    assert (DOCS / f"{name}.md").is_file()


@pytest.mark.parametrize("name", PRETRAINED)
def test_its_card_holds_the_training_that_is_shipped_too(name):
    card = pretrained(name).read().card
    config = load_training_config(f"train_{name}")
    trained = TrainingConfig.model_validate(card.config)  # cards of older agents lack new fields
    assert trained == config.model_copy(update={"results": trained.results})
    assert card.num_timesteps >= config.n_timesteps


def test_it_saves_poor_beginnings():
    env_id, seeds = "atn_gym/DigitsCnnPoorInit-OptimizerSensitivityShift-v0", range(1100, 1104)
    agent, fixed = (
        atn_gym.evaluate(policy, env_id, seeds=seeds, twins=False).mean("anytime_performance")
        for policy in (pretrained("ppo_digits"), "fixed")
    )
    assert agent > fixed + 0.1


def test_an_unknown_agent_is_named_with_its_neighbour():
    with pytest.raises(InvalidArgument, match="did you mean 'ppo_digits'"):
        pretrained("ppo_digit")


def test_it_runs_without_the_libraries_of_reinforcement_learning():
    code = (
        "import sys\n"
        "for name in ('stable_baselines3', 'sb3_contrib'):\n"
        "    sys.modules[name] = None\n"
        "import atn_gym\n"
        "from atn_gym.agents import pretrained\n"
        "found = atn_gym.evaluate(\n"
        "    pretrained('ppo_digits'), 'atn_gym/DigitsCnn-DataShift-v0', seeds=1,\n"
        "    num_epochs=2, train_size=128, twins=False)\n"
        "print(len(found.summaries))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_an_agent_that_observes_losses_leaves_out_gradient_signals():
    env_id, seeds = "atn_gym/DigitsCnn-DataShift-v0", range(1100, 1102)
    first, second = (
        atn_gym.evaluate(
            pretrained("ppo_adaptive"), env_id, seeds, twins=False, signals=signals, num_epochs=3
        ).values("anytime_performance")
        for signals in ("loss", "gradient")
    )
    assert (first == second).all()
