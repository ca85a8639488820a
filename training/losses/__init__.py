"""What is minimised: maps from cosines to logits, pair losses, and the baselines of the papers."""
