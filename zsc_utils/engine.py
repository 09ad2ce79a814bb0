"""How papermill starts the kernel of a notebook: with sockets in a folder of its own."""

import tempfile
from pathlib import Path

from papermill.engines import NBClientEngine
from traitlets.config import Config


class SocketEngine(NBClientEngine):
    """Papermill's own engine, over Unix sockets instead of TCP ports.

    Notebooks are executed side by side. Free ports are looked up before the kernel binds them,
    and two kernels that start at once can be given the same one; then one of them dies. Files
    in a folder of its own are nobody else's, and no other user of the machine can connect.

    ``papermill --engine sockets`` finds it, by the entry point in ``pyproject.toml``.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """Execute the notebook that `nb_man` holds; see papermill for the arguments."""
        # The paths of sockets may be no longer than 100 characters or so: a short folder.
        with tempfile.TemporaryDirectory(prefix="kernel") as folder:
            file = str(Path(folder) / "k.json")
            config = Config(KernelManager={"transport": "ipc", "connection_file": file})
            return super().execute_managed_notebook(nb_man, kernel_name, config=config, **kwargs)
