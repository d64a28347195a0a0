"""Training: optimizer, state, step, checkpoints, logs, loop."""
