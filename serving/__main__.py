"""`python -m serving` is the `cocircle` command, for when the script itself is not on the path."""

from serving.cli import main

main()
