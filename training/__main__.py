"""`torchrun --nproc-per-node N -m training CONFIG.toml`: `cocircle train` as one of several processes."""

import typer

from training.cli.train import train

if __name__ == "__main__":
    typer.run(train)
