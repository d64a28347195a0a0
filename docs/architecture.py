"""Draws docs/architecture.svg from the imports of the code: `python docs/architecture.py`.

The floors are those that import-linter checks (setup.cfg, `[importlinter:contract:floors]`).
"""

import configparser
import math
from collections import Counter
from pathlib import Path

import grimp

HERE = Path(__file__).parent
PLACE = HERE / "architecture.svg"
_WIDTH, _FLOOR, _BOX = 1160, 96, (148, 46)
_COLORS = ("#1d4ed8", "#0f766e", "#7c3aed", "#b45309", "#be123c", "#0369a1", "#4d7c0f", "#475569")


def floors() -> list[list[str]]:
    """Full names of the rooms of each floor, the top floor first."""
    settings = configparser.ConfigParser()
    settings.read(HERE.parent / "setup.cfg", encoding="utf-8")
    lines = settings["importlinter:contract:floors"]["layers"].split("\n")
    return [[room.strip() for room in line.split("|")] for line in lines if line.strip()]


def imports(rooms: list[str]) -> Counter[tuple[str, str]]:
    """Number of imports from each room to each other room."""
    packages = sorted({room.split(".")[0] for room in rooms})
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True, cache_dir=None)

    def room_of(module: str) -> str | None:
        holding = [room for room in rooms if f"{module}.".startswith(f"{room}.")]
        return max(holding, key=len, default=None)

    counted: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = room_of(module), room_of(imported)
            if None not in pair and pair[0] != pair[1]:
                counted[pair] += 1
    return counted


def draw() -> str:
    """The picture as SVG."""
    building = floors()
    rooms = [room for floor in building for room in floor]
    centers = {}
    for level, floor in enumerate(building):
        for place, room in enumerate(floor):
            centers[room] = (_WIDTH * (place + 0.5) / len(floor), _FLOOR * (level + 0.5))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} '
        f'{_FLOOR * len(building)}" font-family="sans-serif" text-anchor="middle">',
        "<title>The floors of the code: imports only point down</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for level in range(len(building)):
        shade = "#f8fafc" if level % 2 else "#eef2f7"
        lines.append(
            f'<rect y="{level * _FLOOR}" width="100%" height="{_FLOOR}" fill="{shade}"/>'
            f'<text x="14" y="{level * _FLOOR + 18}" font-size="12" fill="#64748b">'
            f"{len(building) - level}</text>"
        )
    counted = imports(rooms)
    for upper, lower in sorted(counted):
        (ax, ay), (bx, by) = centers[upper], centers[lower]
        ay, by = ay + _BOX[1] / 2, by - _BOX[1] / 2
        color = _COLORS[rooms.index(upper) % len(_COLORS)]
        width = (0.8, 1.4, 2.2)[min(int(math.log(counted[upper, lower], 4)), 2)]  # 1, 4, 16 imports
        lines.append(
            f'<path d="M{ax:.0f} {ay:.0f}C{ax:.0f} {ay + 40:.0f} {bx:.0f} {by - 40:.0f} '
            f'{bx:.0f} {by:.0f}" fill="none" stroke="{color}" stroke-opacity="0.45" '
            f'stroke-width="{width:.1f}"/>'
        )
    for room, (x, y) in centers.items():
        name = room.removeprefix("signllm_jax.")
        lines.append(
            f'<rect x="{x - _BOX[0] / 2:.0f}" y="{y - _BOX[1] / 2:.0f}" width="{_BOX[0]}" '
            f'height="{_BOX[1]}" rx="6" fill="#ffffff" stroke="#334155"/>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}" font-size="16" fill="#0f172a">{name}/</text>'
        )
    return "\n".join([*lines, "</svg>\n"]).replace(">api/<", ">api.py<")


if __name__ == "__main__":
    PLACE.write_text(draw(), encoding="utf-8")
