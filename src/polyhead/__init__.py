"""What one attention head attends to, how often, and what breaks without it.

For a notebook: `open_model`, `attention_rows`, `label_rows`, `ablate`, `edge_costs`, `explore`. They are
imported when first used, so that `import polyhead` loads neither torch nor pandas.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead.interactive import (
        OpenModel,
        ablate,
        attention_rows,
        edge_costs,
        explore,
        label_rows,
        open_model,
    )

__version__ = "0.1.0"
__all__ = ["OpenModel", "__version__", "ablate", "attention_rows", "edge_costs", "explore", "label_rows"]
__all__ += ["open_model"]


def __getattr__(name: str) -> Any:
    """Import what a notebook calls when it is first asked for (PEP 562)."""
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("polyhead.interactive"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
