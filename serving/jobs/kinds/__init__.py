"""The kinds of jobs, one a file; registry.py lists them."""
