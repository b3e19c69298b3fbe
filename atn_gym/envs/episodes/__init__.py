"""Episodes: their state, what a step does to it, its rewards and what is shown of it."""
