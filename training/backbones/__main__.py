"""`python -m training.backbones`: a table of all networks and what they cost; trains and measures nothing."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from training.backbones import backbone, names
from training.backbones.cost import cost


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m training.backbones", description="What the networks cost."
    )
    parser.add_argument("--dimension", type=int, default=512, help="numbers in an embedding (default 512)")
    dimension = parser.parse_args().dimension
    table = Table(title=f"112 x 112 images, {dimension} dimensions")
    table.add_column("network")
    for figure in ("parameters, M", "multiply-adds an image, M", "kept for backward an image, MiB, float32"):
        table.add_column(figure, justify="right")
    for name in names():
        of = cost(backbone(name, dimension))
        size, work, kept = of.parameters / 1e6, of.multiply_adds / 1e6, of.activation_bytes / 2**20
        table.add_row(name, f"{size:.2f}", f"{work:,.0f}", f"{kept:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
