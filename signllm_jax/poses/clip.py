"""PoseClip: the one form in which a pose sequence is held in memory."""

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import Layout, get_layout


@dataclasses.dataclass(frozen=True)
class PoseClip:
    """A sequence of poses of one signer.

    Attributes:
        positions: float32 [T, J, 3], x to the right of the picture, y down, z away from the
            camera, in shoulder widths; the clip's median neck is the origin. In the 2D layout
            `dwpose128` the third number is the confidence.
        confidence: float32 [T, J] in 0..1, 0 = missing (its position is then 0 and means nothing).
        fps: frames per second.
        layout: name of the layout in `signllm_jax.core.skeleton`.
    """

    positions: np.ndarray
    confidence: np.ndarray
    fps: float
    layout: str = "openpose50"

    def __post_init__(self):
        size = self.skeleton.size
        frames = self.positions.shape[0]
        if self.positions.shape != (frames, size, 3) or self.confidence.shape != (frames, size):
            raise PoseFormatError(
                f"a {self.layout} clip needs positions [T, {size}, 3] and confidence [T, {size}], "
                f"not {self.positions.shape} and {self.confidence.shape}"
            )
        if not (self.fps > 0 and np.isfinite(self.fps)):
            raise PoseFormatError(f"frames per second must be above 0, not {self.fps}")
        if not np.isfinite(self.positions).all() or not np.isfinite(self.confidence).all():
            raise PoseFormatError("positions and confidence must be finite")

    @property
    def skeleton(self) -> Layout:
        """The layout itself."""
        return get_layout(self.layout)

    def __len__(self) -> int:
        return self.positions.shape[0]

    @property
    def observed(self) -> np.ndarray:
        """bool [T, J]: which joints were seen."""
        return self.confidence > 0

    def save(self, path: str | os.PathLike, text: str = "") -> Path:
        """Saves the clip as its suffix says; see `signllm_jax.render.save.save_clip`."""
        return _renderer("save")(path, self, text=text)

    def show(self, text: str = "") -> None:
        """Shows a player in a notebook; see `signllm_jax.render.page.show_clip`."""
        _renderer("show")(self, text)


_RENDERERS: dict[str, Callable] = {}


def register_renderer(method: str, function: Callable) -> None:
    """Says what `PoseClip.save` or `PoseClip.show` calls; `signllm_jax.render` does.

    Args:
        method: Name of the method.
        function: Takes the arguments of the method, the clip among them.
    """
    _RENDERERS[method] = function


def _renderer(method: str) -> Callable:
    if method not in _RENDERERS:  # the renderers register themselves when they are imported
        importlib.import_module("signllm_jax.render.save")
    return _RENDERERS[method]
