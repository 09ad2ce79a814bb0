"""How each step grows with samples of 1280 dimensions: `python benchmarks/growth.py`.

Each row is measured in a process of its own and written at once; what the file holds already is not
measured again. Seconds are those of the processor, in one thread; memory is the most that the whole
process held, libraries and data included. A step that would not fit into memory is left out.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

from bench_scaling import STEPS, clustered, in_child, most_memory  # sets threads: before all else

# ruff: isort: split
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer

from zsc_utils.metrics import adjusted_mutual_information
from zsc_utils.sweep.costs import Size, memory_available, start_cost, step_cost
from zsc_utils.sweep.evaluate import one_thread

GROWTH = Path(__file__).with_name("growth.csv")
FIGURE = Path(__file__).parent.parent / "docs" / "growth.png"
SIZES = "1000,3000,10000,30000,100000"
COLUMNS = ("step", "n", "d", "seconds", "bytes")
D, CLASSES, DIGITS = 1280, 100, 4
# Recipes give these what UMAP leaves.
DIMENSIONS = {"ward": 50, "hdbscan": 50, "ami": 1}
ORDER = ("pca", "umap", "kmeans", "ward", "hdbscan", "affinity_propagation", "silhouette", "ami")


def ami(X: np.ndarray, y: np.ndarray) -> float:
    """Compare classes with as many clusters as ten samples each would make."""
    clusters = np.random.default_rng(0).integers(0, len(y) // 10, len(y))
    return adjusted_mutual_information(y, clusters)


MEASURED = STEPS | {"ami": ami}


def measure(answer, step: str, n: int) -> None:
    """Time a step, and see what the process held at most; in a child that is new."""
    with one_thread():
        X, y = clustered(300, DIMENSIONS.get(step, D), 10)
        MEASURED[step](X, y)  # what is loaded or compiled at the first call is no cost of the step
        X, y = clustered(n, DIMENSIONS.get(step, D), CLASSES)
        start = time.process_time()
        MEASURED[step](X, y)
    answer.send((time.process_time() - start, most_memory()))


def lacks_memory(step: str, n: int) -> bool:
    """Tell whether a step is predicted to need more memory than there is."""
    size = Size(n, DIMENSIONS.get(step, D), CLASSES)
    # The data are drawn in float64.
    needed = start_cost(n).bytes + 20 * n * size.d
    needed += 0 if step == "ami" else step_cost(step, size).bytes
    return needed > memory_available()


def as_markdown(table: pd.DataFrame, column: str, unit: float) -> str:
    """Set out a column by step and size, and the exponent of n between the two largest sizes."""
    wide = table.pivot(index="step", columns="n", values=column).loc[list(ORDER)]
    rows = []
    for step, values in wide.iterrows():
        known = values.dropna()
        (n, before), (most, last) = list(known.items())[-2:]
        shown = [f"{value / unit:.3g}" for value in values]
        rows.append([step.replace("_", " "), *(cell.replace("nan", "—") for cell in shown)])
        rows[-1].append(f"{np.log(last / before) / np.log(most / n):.1f}")
    head = ["", *(f"{n:,}" for n in wide.columns), "exponent"]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def draw(table: pd.DataFrame, file: Path) -> None:
    """Draw seconds and memory against samples, both logarithmic."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for step in ORDER:
        rows = table[table["step"].eq(step)].sort_values("n")
        axes[0].loglog(rows["n"], rows["seconds"], "o-", label=step.replace("_", " "), markersize=3)
        axes[1].loglog(rows["n"], rows["bytes"] / 1e9, "o-", markersize=3)
    axes[0].set(xlabel="samples", ylabel="seconds of one core")
    axes[1].set(xlabel="samples", ylabel="GB held at most")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(file, dpi=90)


def main(
    out: Annotated[Path, typer.Option(help="CSV file to write or go on with.")] = GROWTH,
    sizes: Annotated[str, typer.Option(help="Numbers of samples, with commas.")] = SIZES,
    steps: Annotated[str, typer.Option(help="Steps, with commas.")] = ",".join(ORDER),
    figure: Annotated[Path, typer.Option(help="File of the figure.")] = FIGURE,
) -> None:
    """Measure what is missing, print the table with exponents and draw it."""
    if not out.exists():
        out.write_text(",".join(COLUMNS) + "\n")
    for n in map(int, sizes.split(",")):
        for step in steps.split(","):
            known = pd.read_csv(out)
            if (known["step"].eq(step) & known["n"].eq(n)).any():
                continue
            if lacks_memory(step, n):
                print(f"{step} of {n} samples does not fit into memory: left out")
                continue
            seconds, held = in_child("spawn", measure, step, n)
            with open(out, "a", newline="") as stream:
                row = (step, n, DIMENSIONS.get(step, D), float(f"{seconds:.{DIGITS}g}"), held)
                csv.writer(stream, lineterminator="\n").writerow(row)
    table = pd.read_csv(out)
    print(as_markdown(table, "seconds", 1), as_markdown(table, "bytes", 1e9), sep="\n\n")
    draw(table, figure)


if __name__ == "__main__":
    typer.run(main)
