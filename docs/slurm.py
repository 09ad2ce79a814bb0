"""Sweep a profile on machines that SLURM lends: `python docs/slurm.py mini --workers 20`.

Each job of SLURM's is one worker with one thread; they come as the queue has room and take up work
at once. Needs `pip install 'zsc-utils[cluster]'`, and folders that all machines see by the same
path: this project, its build folder, DATA_ROOT and WEIGHTS_ROOT. A sweep that ends early is begun
again with the same command and goes on.
"""

from typing import Annotated

import typer
from dask_jobqueue import SLURMCluster

from zsc_utils import load_profile, sweep


def main(
    profile: Annotated[str, typer.Argument(help="Name of a profile, or a YAML file.")],
    workers: Annotated[int, typer.Option(min=1, help="Jobs to ask SLURM for.")] = 10,
    memory: Annotated[str, typer.Option(help="Of each.")] = "8GB",
    walltime: Annotated[str, typer.Option(help="Of each, hours:minutes:seconds.")] = "02:00:00",
    queue: Annotated[str | None, typer.Option(help="Partition.")] = None,
    account: Annotated[str | None, typer.Option(help="Account.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the job's script, and stop.")] = False,
):
    """Sweep a profile on machines that SLURM lends."""
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=memory,
        walltime=walltime,
        queue=queue,
        account=account,
        # Threads of libraries are limited to one where it matters; here for the rest.
        job_script_prologue=["export OMP_NUM_THREADS=1"],
    )
    if show:
        typer.echo(cluster.job_script())
        return
    with cluster:
        cluster.scale(jobs=workers)
        # The sweep checks the workers that are there when it begins, and each later one itself.
        cluster.wait_for_workers(1, timeout=24 * 3600)
        table = sweep(load_profile(profile), scheduler=cluster.scheduler_address)
    typer.echo(table["status"].value_counts().to_string())


if __name__ == "__main__":
    typer.run(main)
