"""Training of controllers by Stable-Baselines3: `atn-gym train`."""
