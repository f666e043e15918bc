"""A film of any size that plays: a second of real H.264, index first, and a box of noise that every player skips."""

import os
from pathlib import Path

import av

WIDTH, HEIGHT = 320, 180


def write(path: Path, mib: int) -> None:
    """`mib` MiB in all. The noise stands in a `free` box of size 0, which reaches to the end of the file (ISO 14496-12)."""
    _write_second(path)
    with path.open("ab") as file:
        file.write((0).to_bytes(4, "big") + b"free")
        while missing := (mib << 20) - file.tell():
            file.write(os.urandom(min(missing, 1 << 20)))


def _write_second(path: Path) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(24):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            frame.pts = number
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
