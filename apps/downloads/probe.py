"""`python -m apps.downloads.probe FILE`: one JSON object about a video, or null. Alone in its process, within bounds.

The file comes from strangers and the decoders are C: whatever happens to this process, the hunter lives on.
"""

import json
import resource
import sys
from typing import Any

import av

MEMORY = 2 << 30  # bytes of address space
CPU_SECONDS = 20


def facts(path: str) -> dict[str, Any] | None:
    """{duration, width, height, video_codec, audio_codec} when a picture can be decoded, else None."""
    with av.open(path, mode="r") as container:
        if not container.streams.video:
            return None
        video = container.streams.video[0]
        next(container.decode(video))
        audio = container.streams.audio[0].codec_context.name if container.streams.audio else ""
        return {
            "duration": float((container.duration or 0) / 1_000_000),
            "width": video.codec_context.width,
            "height": video.codec_context.height,
            "video_codec": video.codec_context.name,
            "audio_codec": audio,
        }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        found = facts(sys.argv[1])
    except (av.FFmpegError, StopIteration, ValueError, OSError):
        found = None
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
