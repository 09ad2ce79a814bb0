"""What is run: profiles, their cells, and everything that computes them."""

import sys
from types import ModuleType


class _Callable(ModuleType):
    """The folder, and the verb too: `from zsc_utils import sweep` gives one thing for both."""

    def __call__(self, *args, **kwargs):
        """Sweep a profile; see `zsc_utils.sweep.run.sweep`."""
        from zsc_utils.sweep.run import sweep

        return sweep(*args, **kwargs)


# Python binds the folder to the name as soon as anything in it is imported, whatever the face says.
sys.modules[__name__].__class__ = _Callable
