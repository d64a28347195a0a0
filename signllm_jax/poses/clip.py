"""PoseClip: the form in which every pose sequence is held in memory."""

import dataclasses
import importlib
import numbers
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import Layout, get_layout
from signllm_jax.poses.cues import Cue, spelling


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
        cues: letters or glosses of a produced clip with their times, where these are known.
        ended: whether a model ended the clip by itself; False: it was cut off at the longest
            length that the model may produce, as happens after too little training.
    """

    positions: np.ndarray
    confidence: np.ndarray
    fps: float
    layout: str = "openpose50"
    cues: tuple[Cue, ...] = ()
    ended: bool = True

    def __post_init__(self):
        for name in ("positions", "confidence"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
                kind = getattr(array, "dtype", type(array).__name__)
                raise PoseFormatError(f"{name} must be an array of numbers, not {kind}")
        if isinstance(self.fps, bool) or not isinstance(self.fps, numbers.Real):
            raise PoseFormatError(f"frames per second must be a number, not {self.fps!r:.40}")
        size = self.skeleton.size
        frames = len(self.positions) if self.positions.ndim else 0
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

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self) / self.fps

    def __repr__(self) -> str:
        shown = f" {spelling(self.cues)!r}" if spelling(self.cues) else ""
        cut = "" if self.ended else ", did not end by itself"
        frames = f"{len(self)} frames, {self.seconds:.1f} s at {self.fps:g} fps"
        return f"<PoseClip{shown}: {frames}, {self.layout}{cut}>"

    def _repr_html_(self) -> str:
        """The player, where a notebook shows the clip."""
        return _method("html")(self)

    @classmethod
    def load(cls, path: str | os.PathLike, fps: float = 25.0) -> "PoseClip":
        """Reads a clip from a file; see `signllm_jax.poses.files.read_clip`.

        Args:
            path: `.npz`, `.pose`, `.skels`, `.json` or `.zip`.
            fps: frames per second, where the format does not store them.

        Raises:
            PoseFormatError: the file is missing, damaged, or of another kind.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise PoseFormatError(f"a clip is read from a path, not from {type(path).__name__}")
        if not os.path.exists(path):
            raise PoseFormatError(f"{os.fspath(path)}: there is no such file")
        return _method("load")(path, fps)

    def save(self, path: str | os.PathLike, text: str = "", header: str | None = None) -> Path:
        """Saves the clip in the format of the suffix; see `signllm_jax.render.save.save_clip`."""
        return _method("save")(path, self, text=text, header=header)

    def show(self, text: str = "") -> None:
        """Shows a player in a notebook; see `signllm_jax.render.page.show_clip`."""
        _method("show")(self, text)


_METHODS: dict[str, Callable] = {}


def register_method(method: str, function: Callable) -> None:
    """Registers the function of a method of PoseClip, which need not import readers and pictures.

    Args:
        method: `load`, which `poses.files` registers when it is imported, or `save`, `show` or
            `html`, which `signllm_jax.render.save` registers.
        function: Takes the arguments of the method, the clip among them.
    """
    _METHODS[method] = function


def _method(method: str) -> Callable:
    if method not in _METHODS:
        module = "poses.files" if method == "load" else "render.save"
        importlib.import_module(f"signllm_jax.{module}")
    return _METHODS[method]
