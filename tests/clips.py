"""Small films made on the spot, for what looks into files."""

from fractions import Fraction
from pathlib import Path

import av


def make_clip(path: Path, seconds: int = 2, width: int = 64, height: int = 48) -> Path:
    """A playable video of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * 5):
            frame = av.VideoFrame(width, height, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
