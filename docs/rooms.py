"""Draw the rooms of the package and which imports which: `python docs/rooms.py` makes rooms.svg.

Rooms stand in rows, each above all that it imports; of the arrows only those are drawn that no
longer way says as well.
"""

import ast
import hashlib
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "zsc_utils"


def imports() -> dict[str, set[str]]:
    """Say for each room which others it imports, within functions as well."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zsc_utils"):
                parts = node.module.split(".")[1:]
                names = [parts[0]] if parts else [alias.name for alias in node.names]
                found[room].update(names)
    return {
        room: {one for one in others if one in found} - {room} for room, others in found.items()
    }


def heights(graph: dict[str, set[str]]) -> dict[str, int]:
    """Row of each room: one above the highest that it imports."""
    found: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in found:
            found[room] = 1 + max((height(other) for other in graph[room]), default=-1)
        return found[room]

    for room in graph:
        height(room)
    return found


def without_shortcuts(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what a room imports that something else which it imports leads to."""

    def below(room: str) -> set[str]:
        return (
            set().union(*({other} | below(other) for other in graph[room]))
            if graph[room]
            else set()
        )

    return {
        room: {one for one in others if not any(one in below(other) for other in others)}
        for room, others in graph.items()
    }


def lines(room: str) -> int:
    """Lines of a room, blank ones and docstrings among them."""
    files = (
        (PACKAGE / room).rglob("*.py") if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]
    )
    return sum(len(file.read_text().splitlines()) for file in files)


def draw(graph: dict[str, set[str]]):
    """Draw the rooms, the ground at the bottom."""
    rows = heights(graph)
    floors = [[room for room in graph if rows[room] == n] for n in range(max(rows.values()) + 1)]
    place = {
        room: ((i + 0.5) / len(floor), n)
        for n, floor in enumerate(floors)
        for i, room in enumerate(floor)
    }
    figure, axes = plt.subplots(figsize=(8, 0.8 * len(floors)))
    for room, others in without_shortcuts(graph).items():
        for other in others:
            arrow = {"arrowstyle": "-", "color": "0.7", "lw": 0.8}
            axes.annotate("", place[other], place[room], arrowprops=arrow, zorder=1)
    for room, (x, y) in place.items():
        folder = (PACKAGE / room).is_dir()
        box = {
            "boxstyle": "round",
            "fc": "#cfe3f5" if folder else "#f4f4f4",
            "ec": "0.5",
            "lw": 0.6,
        }
        text = f"{room}{'/' if folder else ''}\n{lines(room):,} lines"
        axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=box, zorder=2)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(floors) - 0.4))
    axes.axis("off")
    return figure


def fingerprint(graph: dict[str, set[str]]) -> str:
    """Name what is drawn but for the numbers of lines: rooms and imports."""
    text = "; ".join(f"{room}: {', '.join(sorted(graph[room]))}" for room in sorted(graph))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    matplotlib.rcParams.update({"svg.hashsalt": "rooms", "svg.fonttype": "none"})
    graph = imports()
    about = {"Description": fingerprint(graph), "Date": None}
    draw(graph).savefig(HERE / "rooms.svg", bbox_inches="tight", metadata=about)
