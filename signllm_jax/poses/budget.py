"""Limits of one clip: every reader checks them before it builds arrays from a stranger's file."""

import builtins
import dataclasses

from signllm_jax.core.errors import PoseFormatError


@dataclasses.dataclass(frozen=True)
class Budget:
    """Limits of one clip.

    Attributes:
        frames: number of frames T.
        points: number of joints of one person in one frame, whether they are used or not.
        people: number of people in one frame; OpenPose itself stops at 127.
        bytes: decompressed size of a file or of all files of a clip, and size of the objects that
            are built while one of them is parsed.
        members: number of files in an archive.
        seconds: length in time; resampled to 25 frames per second it is about `frames` again.
    """

    frames: int = 50_000
    points: int = 2_000
    people: int = 128
    bytes: int = 2**28
    members: int = 50_000
    seconds: float = 2_100.0

    def ask(self, source: str, fps: float | None = None, **amounts: int) -> None:
        """Refuses a clip that would cost more.

        Args:
            source: name of the file, for error messages.
            fps: frames per second; with it and an amount of `frames`, seconds are checked too.
            amounts: amounts under the names of the attributes.

        Raises:
            PoseFormatError: one line with the amount and its limit.
        """
        for name, amount in amounts.items():
            if amount > getattr(self, name):
                raise PoseFormatError(
                    f"{source}: {amount} {name} are more than the {getattr(self, name)} of a clip"
                )
        if fps is not None and fps > 0 and amounts["frames"] / fps > self.seconds:
            raise PoseFormatError(
                f"{source}: {amounts['frames']} frames at {fps:g} a second last longer than the "
                f"{self.seconds:g} seconds of a clip"
            )

    def ask_json(self, content: builtins.bytes, source: str) -> None:
        """Refuses JSON text whose objects would take more than `bytes` of memory.

        The marks of the text are counted before it is parsed: a value between two commas becomes
        an object of about 40 bytes, an entry of a dictionary takes about 150, and an empty list or
        dictionary takes 72.
        """
        marks = {mark: content.count(mark) for mark in (b",", b":", b"[", b"{")}
        cost = 40 * marks[b","] + 150 * marks[b":"] + 72 * (marks[b"["] + marks[b"{"])
        if cost > self.bytes:
            raise PoseFormatError(
                f"{source}: JSON that takes {cost} bytes of memory, more than the {self.bytes} of "
                "a clip"
            )


BUDGET = Budget()
