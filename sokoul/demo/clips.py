"""Renders the miniature films: `python -m sokoul.demo.clips NICENESS FOLDER KEY FILE…`, a process of its own so that serving never waits.

A loop of 128 pictures at 24 a second lasts exactly as long as 250 AAC packets of 1024 samples at 48 kHz (16/3 s); a film
is that loop twelve times over by copying packets (64 s). H.264 baseline and AAC in MP4, index first: what browsers play.
"""

import io
import math
import os
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw

from sokoul.demo import catalogue
from sokoul.demo.posters import palette, scene
from sokoul.demo.titles import Title

WIDTH, HEIGHT, RATE, PICTURES = 640, 360, 24, 128
SAMPLE_RATE, PACKET_SAMPLES, PACKETS = 48_000, 1024, 250
BARS = 5
LOOPS = 12
VIDEO_KBITS, AUDIO_BITS = 400, 64_000


@dataclass
class Loop:
    """One turn of a film: its encoded packets, and the streams that a muxer copies its settings from."""

    video: list[Any]
    audio: list[Any]
    video_stream: Any
    audio_stream: Any


def picture(still: Image.Image, title: Title, number: int) -> Image.Image:
    """One picture: the still, with fireflies that return to where they began after 128 pictures."""
    image = still.copy()
    draw = ImageDraw.Draw(image)
    moon = palette(title.key)[2]
    for light in range(9):
        turn = 2 * math.pi * (number / PICTURES + light / 9)
        x = WIDTH * (0.5 + 0.42 * math.cos(turn) * math.cos(light))
        y = HEIGHT * (0.62 + 0.26 * math.sin(2 * turn + light))
        size = 3 + 3 * (1 + math.sin(turn * 3))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=moon)
    draw.rectangle((0, HEIGHT - 6, WIDTH * (number + 1) / PICTURES, HEIGHT), fill=moon)
    return image


def tone(title: Title) -> bytes:
    """Two soft notes that swell once a bar and fit it a whole number of times: signed 16 bit, mono, all bars of a turn."""
    length = PACKET_SAMPLES * PACKETS // BARS
    turns = 180 + 4 * (sum(title.key.encode()) % 40)

    def sample(position: int) -> int:
        angle = 2 * math.pi * position / length
        swell = 0.6 + 0.4 * math.sin(angle)
        return round(3000 * swell * (math.sin(turns * angle) + 0.5 * math.sin(turns * 1.5 * angle)))

    return array("h", (sample(position) for position in range(length))).tobytes() * BARS


def encode(title: Title) -> bytes:
    """One turn as an MP4. Constant bit rate with filler, one thread: the size is known, the bytes are always the same."""
    data = io.BytesIO()
    with av.open(data, "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        sink: Any = out
        video = sink.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", VIDEO_KBITS * 1000
        rate = f"nal-hrd=cbr:filler=1:vbv-maxrate={VIDEO_KBITS}:vbv-bufsize={VIDEO_KBITS}"
        video.options = {
            "preset": "ultrafast",
            "profile": "baseline",
            "x264-params": f"{rate}:keyint=32:scenecut=0:threads=1",
        }
        audio = sink.add_stream("aac", rate=SAMPLE_RATE)
        audio.bit_rate, audio.layout = AUDIO_BITS, "mono"
        for frame, stream in (*pictures(title, video), *sounds(title, audio)):
            sink.mux(stream.encode(frame))
        sink.mux(video.encode(None))
        sink.mux(audio.encode(None))
    return data.getvalue()


def pictures(title: Title, stream: Any) -> Iterator[tuple[Any, Any]]:
    still = scene(title, (WIDTH, HEIGHT))
    for number in range(PICTURES):
        frame = av.VideoFrame.from_image(picture(still, title, number))  # type: ignore[no-untyped-call]
        frame.pts = number
        yield frame, stream


def sounds(title: Title, stream: Any) -> Iterator[tuple[Any, Any]]:
    """The loop's frames and its first one again: the encoder's first packet only primes the decoder."""
    samples = tone(title)
    turn = PACKET_SAMPLES * 2
    for number in range(PACKETS + 1):
        start = number % PACKETS * turn
        frame = av.AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
        frame.planes[0].update(samples[start : start + turn])
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * PACKET_SAMPLES
        yield frame, stream


def read(turn: bytes) -> Loop:
    """The packets of one turn, without the priming one of the sound."""
    source: Any = av.open(io.BytesIO(turn))
    video, audio = source.streams.video[0], source.streams.audio[0]
    packets = [packet for packet in source.demux() if packet.size]
    tones = [packet for packet in packets if packet.stream is audio]
    return Loop([p for p in packets if p.stream is video], tones[1 : PACKETS + 1], video, audio)


def mux(loop: Loop, path: Path, title: Title, loops: int) -> None:
    """Write the loop `loops` times over, interleaved, into an MP4 or MKV; it appears under its name when it is whole."""
    part = path.with_suffix(f".part{path.suffix}")
    options = {"fflags": "+bitexact", **({"movflags": "+faststart"} if path.suffix == ".mp4" else {})}
    with av.open(str(part), "w", options=options) as out:
        video = out.add_stream_from_template(loop.video_stream)
        audio = out.add_stream_from_template(loop.audio_stream)
        out.metadata["title"] = title.title[0]
        for packet, stream, start, base in schedule(loop, loops, video, audio):
            copy = av.Packet(bytes(packet))
            copy.stream, copy.time_base, copy.is_keyframe = stream, base, packet.is_keyframe
            copy.pts = copy.dts = start
            out.mux(copy)
    part.rename(path)


def schedule(loop: Loop, loops: int, video: Any, audio: Any) -> list[tuple[Any, Any, int, Fraction]]:
    """(packet, stream, time, time base) of all packets in order of time."""
    pictures = [(p, video, n, Fraction(1, RATE)) for n, p in enumerate(loop.video * loops)]
    tones = [(p, audio, n * PACKET_SAMPLES, Fraction(1, SAMPLE_RATE)) for n, p in enumerate(loop.audio * loops)]
    return sorted([*pictures, *tones], key=lambda entry: entry[2] * entry[3])


def render(title: Title, folder: Path, names: list[str]) -> None:
    """Write the named ones of film.mp4, film.mkv and sample.mp4; a sample is a single turn."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = read(encode(title))
    for name in names:
        mux(loop, folder / name, title, 1 if name.startswith("sample") else LOOPS)


def main(arguments: list[str]) -> None:
    niceness, folder, key, *names = arguments
    os.nice(int(niceness))
    if title := catalogue.by_key(key):
        render(title, Path(folder), names)


if __name__ == "__main__":
    main(sys.argv[1:])
