"""Controllers in the loops of other packages; run by `pytest -m clients`."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from atn_gym.agents.controller import Controller
from atn_gym.errors import InvalidArgument

# Warnings of other packages are theirs.
pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("default")]
EPOCHS = 4
RATES = (0.1, 0.05, 0.02, 0.01)


class Scripted(Controller):
    """Plays learning rates one after the other and keeps what it observed."""

    observed = []

    def observe(self, metric, step):
        self.observed.append(metric)

    def propose(self, current_params):
        return {**current_params, "learning_rate": RATES[len(self.observed)]}


class OfGradients(Controller):
    """Changes nothing and keeps the norms of the gradients that it observed."""

    signals = "gradient"
    steps, norms = [], []

    def observe_signals(self, signals):
        self.steps.append(signals.steps)
        self.norms.append(signals.gradient_norm)

    def observe(self, metric, step):
        pass

    def propose(self, current_params):
        return current_params


@pytest.fixture(autouse=True)
def _nothing_observed():
    Scripted.observed = []
    OfGradients.steps, OfGradients.norms = [], []


def assert_gradients_were_observed():
    assert OfGradients.steps == [0] + [3] * (EPOCHS - 1)
    assert OfGradients.norms[0] == 0
    # As logistic regression learns, its gradients shrink.
    assert OfGradients.norms[1] > OfGradients.norms[-1] > 0


def examples():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(96, 4, generator=generator)
    return inputs, (inputs.sum(dim=1) > 0).long()


class Classifier(nn.Module):
    """Answers as the models of transformers do, and notes the rates of its optimizer's steps."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, inputs, labels):
        logits = self.layer(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def test_in_the_trainer_of_hugging_face(tmp_path):
    transformers = pytest.importorskip("transformers")
    from atn_gym.loops.huggingface import HyperparameterCallback

    inputs, labels = examples()
    rows = [{"inputs": x, "labels": y} for x, y in zip(inputs, labels, strict=True)]
    rates = []

    class Rates(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            rates.append(kwargs["optimizer"].param_groups[0]["lr"])

    def trainer(**arguments):
        settings = {
            "eval_strategy": "epoch",
            "lr_scheduler_type": "constant",
            "learning_rate": 0.1,
            "num_train_epochs": EPOCHS,
            "per_device_train_batch_size": 32,
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
            "logging_strategy": "epoch",
            "save_strategy": "no",
            **arguments,
        }
        return transformers.Trainer(
            Classifier(),
            transformers.TrainingArguments(str(tmp_path), **settings),
            train_dataset=rows,
            eval_dataset=rows,
            callbacks=[callback, Rates()],
        )

    callback = HyperparameterCallback(OfGradients, num_classes=2)
    trainer().train()
    assert_gradients_were_observed()
    rates.clear()
    callback = HyperparameterCallback(Scripted, num_classes=2)
    made = trainer()
    made.train()
    steps = len(rates) // EPOCHS
    assert rates[::steps] == pytest.approx(RATES)
    logged = [entry["eval_loss"] for entry in made.state.log_history if "eval_loss" in entry]
    assert Scripted.observed == pytest.approx(logged[: EPOCHS - 1])
    assert callback.scheduler.last_epoch == EPOCHS
    with pytest.raises(InvalidArgument, match="lr_scheduler_type='constant'"):
        trainer(lr_scheduler_type="linear").train()


def test_in_the_trainer_of_lightning(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")
    from atn_gym.loops.lightning import HyperparameterCallback

    loader = DataLoader(TensorDataset(*examples()), batch_size=32)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = Classifier()
            self.rates = []

        def training_step(self, batch, _):
            self.rates.append(self.optimizers().param_groups[0]["lr"])
            return self.network(*batch)["loss"]

        def validation_step(self, batch, _):
            self.log("val_loss", self.network(*batch)["loss"])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    def trainer(callback, epochs=EPOCHS):
        return lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[callback],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )

    module, callback = Module(), HyperparameterCallback(Scripted, num_classes=2)
    trainer(callback).fit(module, loader, loader)
    assert module.rates[::3] == pytest.approx(RATES)
    assert len(Scripted.observed) == EPOCHS - 1
    assert callback.scheduler.last_epoch == EPOCHS
    trainer(HyperparameterCallback(OfGradients, num_classes=2)).fit(Module(), loader, loader)
    assert_gradients_were_observed()
    with pytest.raises(InvalidArgument, match="must log 'loss' in validation_step"):
        trainer(HyperparameterCallback("fixed", val_loss="loss", num_classes=2)).fit(
            Module(), loader, loader
        )
