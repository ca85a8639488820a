"""The classifier over all identities."""
