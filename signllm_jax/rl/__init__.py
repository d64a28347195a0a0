"""Reinforcement learning: rewards, policy gradient and the Priority Learning Channel."""
