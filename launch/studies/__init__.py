"""The paper's ablation of reinforcement learning, small: runs, study and report."""
