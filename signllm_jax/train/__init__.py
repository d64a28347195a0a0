"""Training: optimiser, state, step, checkpoints, logs, loop."""
