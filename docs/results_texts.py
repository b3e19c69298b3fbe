"""The pages of results: what is measured, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page of results.

    Args:
        title: Its heading.
        configs: The configs that make the results, all of one folder.
        introduction: What is measured, in a sentence or two.
        learned: What the tables say, a paragraph each.
    """

    title: str
    configs: tuple[str, ...]
    introduction: str
    learned: tuple[str, ...] = ()


PAGES = {
    "digits": Page(
        "Results on Digits",
        ("benchmark_digits", "benchmark_digits_optimizers", "benchmark_digits_references"),
        "Every controller with its defaults on every Digits env. Digits come with scikit-learn, so "
        "nothing is downloaded.",
        (
            "**Over all envs an agent that controls AdamW is best, and a schedule for AdamW that "
            "never looks is second.** On 200 seeds `ppo_gradient_adamw` is 0.021 [0.010, 0.032] "
            "above `blind_adamw` and 0.026 [0.018, 0.034] above `ppo_gradient` (`atn-gym compare "
            "results/benchmark_digits ppo_gradient_adamw blind_adamw`).",
            "**Which of the two depends on the scale.** Where it is known, `blind_adamw` is best: "
            "0.677 on DigitsCnn, where `ppo_gradient_adamw` has 0.650, `ppo_gradient` 0.613, and "
            "`reactive_oracle`, which controls SGD, 0.620 on 20 seeds. Looking is above it only "
            "where the scale changes on the way, under Mixture and OptimizerSensitivityShift. "
            "Where the scale is hidden `blind_adamw` has 0.381, and both agents are 0.2 above it: "
            "see [control against the optimizer](questions.md#control-against-the-optimizer). "
            "What AdamW gains here does not carry over to MNIST, where the rate of Digits is too "
            "high for it: see [results on MNIST](results_mnist.md#what-was-learned).",
            "**A rule of two arguments is close to the agents**: `hypergradient_adamw` is 0.015 "
            "[0.006, 0.024] below `ppo_gradient` over all envs. It collapses as rarely, and its "
            "worst decile is the highest of all on 200 seeds.",
            "**On a known scale and from a good beginning, a schedule that never looks is hard to "
            "beat.** Under Stationary most contenders are within 0.05 of `blind`; under DataShift "
            "and CurriculumShift every hand-written rule for SGD is below it. Looking wins under "
            "Mixture and OptimizerSensitivityShift, where the scale changes on the way.",
            "**Of the methods that control SGD, the agent that observes gradients wins where "
            "others do, and loses little where they do.** [`ppo_gradient`](agents/ppo_gradient.md) "
            "is above `blind` on all of UnknownScale, Mixture and OptimizerSensitivityShift; "
            "`blind` is above it from a poor beginning under CurriculumShift and DataShift.",
            "**The published AutoTuneNet fails by exploring**: `autotunenet_original` is below "
            "`fixed` on 16 of 18 envs, for its optimiser tries rates at random in the only run "
            "that there is. The tuned `autotunenet` moves less and does less harm.",
            "**A guard does not save a method that is good**: `guarded_range_test` is below "
            "`range_test`, because the trust region forbids the large first step that finds the "
            "scale.",
        ),
    ),
    "unknown_scale": Page(
        "Results on UnknownScale",
        ("unknown_scale_digits", "unknown_scale_digits_optimizers"),
        "Every method that trains no epochs but those of its run, with its defaults, on the "
        "Digits envs whose learning rate takes effect multiplied by a hidden gain. Looking can "
        "win most here.",
        (
            "**Most rules lose before they have looked.** A run that begins at the nominal rate "
            "and has more than the right one is often dead when its loss is first observed. The "
            "last column of the table by the hidden gain shows it: only methods that begin lower "
            "(`range_test`, `hypergradient`, agents) or whose optimizer bounds its steps keep most "
            "of those runs.",
            "**A rate far too low is as deadly, and slower.** Schedules, which start from the "
            "nominal rate and only lower it, and rules that only cut (`reduce_lr_on_plateau`) get "
            "next to nothing in the first column. `greedy_lr` and `heuristic` raise it by a tenth "
            "an epoch at most, which is too late.",
            "**One number of the gradients makes a rule of two arguments a match for the best "
            "rule on losses.** `hypergradient` follows the alignment of successive steps and is "
            "on a par with `range_test`, which has ten arguments; an agent that observes the "
            "same signals reaches nearly all that can be won by looking.",
            "**With AdamW that rule is 0.015 [0.004, 0.026] below the best agent** on 200 seeds "
            "(`atn-gym compare results/unknown_scale_digits hypergradient_adamw ppo_gradient`). "
            "It is 0.105 above `hypergradient`, and better than `ppo_adaptive`. Making it took "
            "1,512 runs, the agent 16,965. AdamW does not change the mean of the agent "
            "(\N{MINUS SIGN}0.002 [\N{MINUS SIGN}0.020, 0.017]), which loses 2.2 % of its runs "
            "with it in place of 0.4 %. AdamW at one rate (`adamw`) or on a schedule "
            "(`blind_adamw`) is below both rules. AdamW was tried because `nadamw` had done well "
            "on these seeds; its rate and its schedule were chosen on others.",
            "**Optimizers that bound their steps answer half of the question.** "
            "`schedule_free_adamw` and `nadamw` survive rates that are too high, "
            "`schedule_free_adamw` better than any rule for SGD, but none of them finds a scale "
            "that is too low: in the mean they are below both rules. `dog` counts sizes as they "
            "are, so that a gain is not made up for. `dadapt_sgd` collapses in most runs, under "
            "Stationary as well, so that it is not the shock that ends them.",
            "**Yoked controls are below the best schedule for their optimizer**: what a method "
            "did in another run is worth nothing here, so that all that is won above it is won "
            "by looking.",
        ),
    ),
    "mnist": Page(
        "Results on MNIST",
        ("benchmark_mnist",),
        "The main methods with their defaults on four MNIST envs. The agents were trained on "
        "Digits only. `reactive_oracle` is absent, for an epoch with it costs as much as 65: so "
        "there is no adaptation score.",
        (
            "**A hidden scale costs less here than on Digits.** An epoch has 843 gradient steps in "
            "place of 17, which make up for a rate that is too low: under Stationary `fixed` loses "
            "0.09 to it, on Digits 0.39.",
            "**What an agent learned from gradients carries over, what it learned from losses does "
            "so only in part.** Where the scale is hidden `ppo_gradient` is first by 0.06, and "
            "`ppo_adaptive` below `heuristic`, with one run lost. On a known scale both are within "
            "0.01 of `heuristic`, which is first.",
            "**AdamW at the rate of Digits is worse than SGD here.** On a known scale `adamw` has "
            "0.676, `fixed`, which is SGD, 0.802. With 843 steps an epoch 0.0094 is too high: "
            "`atn_gym.evaluate(WithOptimizer('fixed', learning_rate=0.001), "
            "'atn_gym/MnistCnn-Stationary-v0', range(10_000, 10_003))` gives 0.793, the default "
            "0.673 and `fixed` 0.815. Where the scale is hidden `ppo_gradient_adamw` loses six "
            "runs of twenty, `ppo_gradient` none. What methods for AdamW win on Digits does not "
            "carry over.",
            "**A peak that is an absolute rate is a risk**: `one_cycle`, tuned on Digits, loses "
            "four runs of forty.",
        ),
    ),
}
