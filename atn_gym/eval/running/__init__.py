"""Running: a policy on an env, once per seed; an experiment, on every env."""
