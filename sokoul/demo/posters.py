"""Posters and backdrops, drawn: a gradient, a moon and the title. The same bytes every time, kept on disk."""

import colorsys
import hashlib
import io
import re
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sokoul.demo import catalogue
from sokoul.demo.titles import Title
from sokoul.demo.web import Request, Response, Router

Colour = tuple[int, int, int]
ORIGINAL = {"poster": (1000, 1500), "backdrop": (1280, 720)}


def palette(key: str) -> tuple[Colour, Colour, Colour]:
    """Sky, ground and moon of a title, from its key."""
    hue = hashlib.sha256(key.encode()).digest()[0] / 255

    def colour(turn: float, light: float, strength: float) -> Colour:
        red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1, light, strength)
        return round(red * 255), round(green * 255), round(blue * 255)

    return colour(0, 0.16, 0.55), colour(0.12, 0.45, 0.5), colour(0.5, 0.8, 0.7)


def plain(text: str) -> str:
    """Without accents: the font that Pillow carries has none."""
    folded = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("’", "'"))
    return "".join(c for c in folded if not unicodedata.combining(c))


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), ramp)


def wrapped(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def scene(title: Title, size: tuple[int, int]) -> Image.Image:
    """The still picture of a title: sky, moon, hills, name and year."""
    width, height = size
    sky, ground, moon = palette(title.key)
    image = gradient(size, sky, ground)
    draw = ImageDraw.Draw(image)
    radius = min(size) // 5
    draw.ellipse(
        (width * 0.62 - radius, height * 0.24 - radius, width * 0.62 + radius, height * 0.24 + radius), fill=moon
    )
    draw.ellipse((-width * 0.3, height * 0.72, width * 0.8, height * 1.5), fill=sky)
    draw.ellipse((width * 0.35, height * 0.8, width * 1.5, height * 1.6), fill=tuple(c // 2 for c in sky))
    font = ImageFont.load_default(max(10, min(width // 10, height // 9)))
    name = wrapped(plain(title.title[0]), 18 if width < height else 26)
    draw.multiline_text((width / 2, height * 0.56), name, font=font, anchor="mm", align="center", fill="white")
    small = ImageFont.load_default(max(8, min(width, height) // 22))
    draw.text((width / 2, height * 0.93), str(title.year or ""), font=small, anchor="mm", fill=moon)
    return image


def jpeg(title: Title, kind: str, width: int | None) -> bytes:
    """A picture of the given width in pixels (None: the original)."""
    full = ORIGINAL[kind]
    size = full if width is None else (width, round(full[1] * width / full[0]))
    data = io.BytesIO()
    scene(title, size).save(data, "JPEG", quality=85)
    return data.getvalue()


class Posters:
    """Serves /tmdb/images/{size}/{file} as image.tmdb.org does; `cache` is the folder that keeps what was drawn."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def add_routes(self, router: Router) -> None:
        router.add("GET", "/tmdb/images/{size:w\\d+|h632|original}/{file}", self.serve)

    async def serve(self, request: Request) -> Response:
        size, name = request.args["size"], request.args["file"]
        match = re.fullmatch(r"([a-z0-9-]+)-(poster|backdrop)\.jpg", name)
        title = catalogue.by_key(match[1]) if match else None
        if match is None or title is None or not title.poster:
            return Response(b"<h1>Not Found</h1>", 404, "text/html")
        path = self._cache / f"{size}-{name}"
        if not path.exists():
            width = min(int(size[1:]), 2000) if size.startswith("w") else None
            self._cache.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(title, match[2], width))
        return Response(path.read_bytes(), 200, "image/jpeg", {"cache-control": "max-age=31919000"})
