"""Text on its way in: tokenizers and prompts."""
