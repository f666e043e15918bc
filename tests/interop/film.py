"""A real video, made on the spot: nothing here comes from the product's own demo."""

import random
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame

WIDTH, HEIGHT, RATE = 320, 180, 24


def make_film(path: Path, seconds: float, kbits: int, seed: int) -> None:
    """Write H.264 in Matroska: noise, so that `kbits` a second are really spent. Other seeds make other bytes."""
    noise = random.Random(seed)
    stills = [noise.randbytes(WIDTH * HEIGHT * 3 // 2) for _ in range(RATE)]
    with av.open(str(path), "w", format="matroska") as file:
        stream: Any = file.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", kbits * 1000
        stream.options = {"preset": "ultrafast", "x264-params": f"nal-hrd=cbr:vbv-maxrate={kbits}:vbv-bufsize={kbits}"}
        for number in range(int(seconds * RATE)):
            frame = _frame(stills[number % RATE])
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _frame(pixels: bytes) -> VideoFrame:
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    start = 0
    for plane in frame.planes:
        rows = [
            pixels[start + row * plane.width : start + (row + 1) * plane.width].ljust(plane.line_size, b"\0")
            for row in range(plane.height)
        ]
        plane.update(b"".join(rows))
        start += plane.width * plane.height
    return frame
