"""Moments of SGD on a noisy quadratic, exactly, through many gradient steps at once.

In one dimension with curvature k a step of SGD with learning rate r, momentum m and weight
decay w on the loss k (theta - x)^2 / 2, where x is drawn each time with mean mu and variance s, is

    v <- m v + k (theta - x) + w theta,    theta <- theta - r v.

With the pull a = k + w and the centre c = k mu / a, the distance d = theta - c obeys
(d, v) <- A (d, v) + e (-r, 1) with A = [[1 - r a, -r m], [a, m]] and e of mean 0 and variance
k^2 s. Hence the mean goes by powers of A, and the covariance V by V <- A V A' + k^2 s Q with
Q = (-r, 1)(-r, 1)'. Powers and sums of n steps give those of 2 n, so that n steps cost
log2(n) doublings.

Every function takes arrays of numpy or of torch, or numbers, in float64. All but those of perturbed
steps are compiled as well, for numbers.

Source:
    T. Schaul, S. Zhang and Y. LeCun, No More Pesky Learning Rates, ICML 2013; Y. Wu et al.,
    Understanding Short-Horizon Bias in Stochastic Meta-Optimization, ICLR 2018.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any
"""Float64, of numpy or torch; shapes broadcast."""


class Moments(NamedTuple):
    """Mean and covariance of parameter and velocity in each dimension.

    Args:
        parameter: Mean of the parameter.
        velocity: Mean of the velocity, which SGD calls momentum buffer.
        parameter_variance: Variance of the parameter.
        covariance: Covariance of both.
        velocity_variance: Variance of the velocity.
    """

    parameter: Array
    velocity: Array
    parameter_variance: Array
    covariance: Array
    velocity_variance: Array


class Quadratic(NamedTuple):
    """The noisy quadratic that the steps descend.

    Args:
        curvature: k >= 0.
        target: Mean of x, where the expected loss is lowest.
        noise: Variance of x.
    """

    curvature: Array
    target: Array
    noise: Array


class Steps(NamedTuple):
    """The map of a number of steps on (d, v), and its sums over these steps.

    Args:
        power: A^n, as its entries 11, 12, 21 and 22.
        noise: Covariance after n steps from none, for a gradient of variance 1: 11, 12, 22.
        gramian: Sum over the steps k of the outer square of the first row of A^k: 11, 12, 22.
        spread: Sum over the steps of the variance of d from none, for variance 1.
        row: Sum over the steps k of the first row of A^k.
    """

    power: tuple[Array, Array, Array, Array]
    noise: tuple[Array, Array, Array]
    gramian: tuple[Array, Array, Array]
    spread: Array
    row: tuple[Array, Array]


def steps_map(
    learning_rate: Array, momentum: Array, pull: Array, steps: int, sums: bool = True
) -> Steps:
    """Composes the map of a step with itself.

    Args:
        learning_rate: r.
        momentum: m.
        pull: a, the sum of curvature and weight decay.
        steps: Number of steps n >= 1.
        sums: Whether the sums over the steps are wanted; they are those of one step if not.
    """
    rate, entry = learning_rate, 1 - learning_rate * pull
    a11, a12, a21, a22 = entry, -rate * momentum, pull, momentum
    determinant = momentum
    g11, g12, g22 = rate * rate, -rate, 0 * rate + 1
    w11, w12, w22, spread, r1, r2 = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
    bit = 1
    while 2 * bit <= steps:
        bit *= 2
    while bit > 1:
        bit //= 2
        if sums:
            spread = 2 * spread + w11 * g11 + 2 * w12 * g12 + w22 * g22
            t11, t12 = a11 * w11 + a21 * w12, a11 * w12 + a21 * w22
            t21, t22 = a12 * w11 + a22 * w12, a12 * w12 + a22 * w22
            w11 = w11 + t11 * a11 + t12 * a21
            w12 = w12 + t11 * a12 + t12 * a22
            w22 = w22 + t21 * a12 + t22 * a22
            r1, r2 = r1 + r1 * a11 + r2 * a21, r2 + r1 * a12 + r2 * a22
        t11, t12 = a11 * g11 + a12 * g12, a11 * g12 + a12 * g22
        t21, t22 = a21 * g11 + a22 * g12, a21 * g12 + a22 * g22
        g11 = g11 + t11 * a11 + t12 * a12
        g12 = g12 + t11 * a21 + t12 * a22
        g22 = g22 + t21 * a21 + t22 * a22
        # By Cayley and Hamilton the square of a matrix is trace times it less determinant.
        trace = a11 + a22
        a11, a12, a21, a22 = (
            trace * a11 - determinant,
            trace * a12,
            trace * a21,
            trace * a22 - determinant,
        )
        determinant = determinant * determinant
        if steps & bit:
            w11, w12, w22 = w11 + a11 * a11, w12 + a11 * a12, w22 + a12 * a12
            spread, r1, r2 = spread + g11, r1 + a11, r2 + a12
            t11, t12 = entry * g11 - rate * momentum * g12, entry * g12 - rate * momentum * g22
            t21, t22 = pull * g11 + momentum * g12, pull * g12 + momentum * g22
            g11 = t11 * entry - t12 * rate * momentum + rate * rate
            g12 = t11 * pull + t12 * momentum - rate
            g22 = t21 * pull + t22 * momentum + 1
            a11, a12, a21, a22 = (
                entry * a11 - rate * momentum * a21,
                entry * a12 - rate * momentum * a22,
                pull * a11 + momentum * a21,
                pull * a12 + momentum * a22,
            )
            determinant = determinant * momentum
    return Steps((a11, a12, a21, a22), (g11, g12, g22), (w11, w12, w22), spread, (r1, r2))


def descend(
    moments: Moments,
    quadratic: Quadratic,
    learning_rate: Array,
    momentum: Array,
    weight_decay: Array,
    steps: int,
    gradient_variance: Array = 0.0,
    sums: bool = True,
) -> tuple[Moments, Array]:
    """Takes a number of steps with the same hyperparameters.

    Args:
        moments: Before the steps.
        quadratic: What is descended.
        learning_rate: Learning rate, >= 0.
        momentum: Momentum in [0, 1).
        weight_decay: Weight decay, >= 0.
        steps: Number of steps, >= 1.
        gradient_variance: Variance of further noise on the gradient.
        sums: Whether the mean over the steps is wanted; it is not to be used if not.

    Returns:
        The moments after the steps, and the mean over the steps of the expected
        (theta - mu)^2 before each.

    Example:
        >>> start = Moments(1.0, 0.0, 0.0, 0.0, 0.0)
        >>> after, _ = descend(start, Quadratic(1.0, 0.0, 0.0), 0.5, 0.0, 0.0, steps=2)
        >>> float(after.parameter)
        0.25
    """
    curvature, target, noise = quadratic
    centre = centre_of(quadratic, weight_decay)
    made = steps_map(learning_rate, momentum, curvature + weight_decay, steps, sums)
    variance = curvature * curvature * noise + gradient_variance
    after = advance(moments, centre, variance, made)
    w11, w12, w22 = made.gramian
    r1, r2 = made.row
    d, v = moments.parameter - centre, moments.velocity
    dd, dv, vv = moments.parameter_variance, moments.covariance, moments.velocity_variance
    offset = centre - target
    squares = w11 * (dd + d * d) + 2 * w12 * (dv + d * v) + w22 * (vv + v * v)
    linear = 2 * offset * (r1 * d + r2 * v)
    return after, (squares + variance * made.spread + linear) / steps + offset * offset


def centre_of(quadratic: Quadratic, weight_decay: Array) -> Array:
    """The centre c, where the mean of a step is at rest; 0 without any pull."""
    pull = quadratic.curvature + weight_decay
    return quadratic.curvature * quadratic.target / (pull + (pull == 0))


def advance(moments: Moments, centre: Array, variance: Array, made: Steps) -> Moments:
    """Takes the steps of a map.

    Args:
        moments: Before the steps.
        centre: c.
        variance: Variance of the gradient.
        made: The map.
    """
    a11, a12, a21, a22 = made.power
    g11, g12, g22 = made.noise
    d, v = moments.parameter - centre, moments.velocity
    dd, dv, vv = moments.parameter_variance, moments.covariance, moments.velocity_variance
    t11, t12 = a11 * dd + a12 * dv, a11 * dv + a12 * vv
    t21, t22 = a21 * dd + a22 * dv, a21 * dv + a22 * vv
    return Moments(
        centre + a11 * d + a12 * v,
        a21 * d + a22 * v,
        t11 * a11 + t12 * a12 + variance * g11,
        t11 * a21 + t12 * a22 + variance * g12,
        t21 * a21 + t22 * a22 + variance * g22,
    )


def descend_perturbed(
    moments: Moments,
    quadratic: Quadratic,
    learning_rate: Array,
    momentum: Array,
    weight_decay: Array,
    scales: Array,
    strength: Array,
) -> tuple[Moments, Array, Array]:
    """Takes steps whose losses are scaled, or whose gradients have noise of their own size.

    Args:
        moments: Before the steps, each of shape (..., C, P).
        quadratic: What is descended.
        learning_rate: Learning rate (..., 1, 1); `momentum` and `weight_decay` likewise.
        momentum: Momentum.
        weight_decay: Weight decay.
        scales: Factor on the loss of each step, (..., steps).
        strength: Standard deviation of the noise in units of the root mean square of the
            gradient, (...).

    Returns:
        The moments after the steps, and the mean over the steps of the expected excess loss
        (...) without and with the scale.
    """
    curvature, target, noise = quadratic
    total = total_scaled = 0.0
    steps = scales.shape[-1]
    for step in range(steps):
        scaled = scales[..., step, None, None] * curvature
        squares = moments.parameter_variance + (moments.parameter - target) ** 2
        added = strength**2 * (scaled * scaled * (squares + noise)).mean((-2, -1))
        loss = excess_loss(curvature, squares)
        # Added up step by step, so that rounding does not depend on the number of runs.
        total, total_scaled = total + loss, total_scaled + loss * scales[..., step]
        moments, _ = descend(
            moments,
            Quadratic(scaled, target, noise),
            learning_rate,
            momentum,
            weight_decay,
            steps=1,
            gradient_variance=added[..., None, None],
            sums=False,
        )
    return moments, total / steps, total_scaled / steps


def excess_loss(curvature: Array, squares: Array) -> Array:
    """Expected loss (...) beyond the least, of expected squared distances (..., C, P)."""
    costs = curvature * squares
    return costs.reshape(*costs.shape[:-2], -1).sum(-1) / 2
