"""A person's picture: what is taken, what is made of it, where it lies, and everything that is not a picture."""

import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from PIL import Image

from apps.accounts import avatars, services
from apps.accounts.models import AuditEntry, User
from sokoul.env import ENV
from sokoul.errors import TransientError
from tests.cast import Api
from tests.factories import make_user
from tests.web import Web

Clients = Callable[[User | None], Api]
RED, BLUE = (200, 10, 10), (10, 10, 200)
SCRIPT = b"<script>alert(1)</script><?php system('id') ?>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pictures lie, in a DATA_DIR of the test's own."""
    monkeypatch.setattr(ENV, "data_dir", tmp_path)
    return tmp_path / "uploads" / "avatars"


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: Any) -> bytes:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    out = BytesIO()
    image.convert(mode).save(out, kind, **options)
    return out.getvalue()


def put(api: Clients, user: User | None, data: bytes, kind: str = "image/png", **headers: str) -> Any:
    client = api(user)
    bearer = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    return client.client.put("/user/avatar", data, content_type=kind, headers={**bearer, **headers})


def put_form(api: Clients, user: User, name: str, data: bytes, field: str = "file", **fields: Any) -> Any:
    """A form as a browser sends it, its file's name as it stands."""
    edge = "edge-of-the-form"
    lines = [f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
             "Content-Type: image/png\r\n\r\n".encode() + data]  # fmt: skip
    lines += [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}'.encode() for k, v in fields.items()]
    return put(api, user, b"\r\n".join([*lines, f"--{edge}--\r\n".encode()]), f"multipart/form-data; boundary={edge}")


def stored(folder: Path) -> Image.Image:
    [file] = folder.iterdir()
    image = Image.open(BytesIO(file.read_bytes()))
    image.load()
    return image


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(pixel[:3], colour, strict=True))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {}), ("PNG", "LA", {}), ("PNG", "1", {}), ("PNG", "I;16", {}),
        ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True}),
    ],
)  # fmt: skip
def test_a_picture_becomes_a_square_of_our_own(
    api: Clients, alice: User, folder: Path, kind: str, mode: str, options: dict[str, Any]
) -> None:
    answer = put(api, alice, picture(kind, mode=mode, **options), f"image/{kind.lower()}")
    assert (answer.status_code, answer.json()["has_avatar"]) == (200, True), answer.content
    image = stored(folder)
    assert (image.format, image.size) == ("WEBP", (256, 256))
    if mode in {"RGB", "CMYK", "P"}:
        assert near(image.getpixel((20, 128)), RED)
        assert near(image.getpixel((236, 128)), BLUE)
    shown = api(alice).get("/user/avatar", headers={"Accept": "image/webp"})
    assert (shown.status_code, shown["Content-Type"]) == (200, "image/webp")
    assert shown.content == next(folder.iterdir()).read_bytes()


def test_what_it_is_answered_with_can_do_nothing(api: Clients, alice: User) -> None:
    put(api, alice, picture())
    browser = Client()
    browser.force_login(User.objects.get())
    for answer in (api(alice).get("/user/avatar"), browser.get(f"/app/avatar/{User.objects.get().avatar}")):
        assert answer.status_code == 200
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "private" in answer["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_its_name_is_ours_and_it_lies_outside_of_what_is_served(api: Clients, alice: User, folder: Path) -> None:
    for name in (
        "../../../evil.png",
        "..\\..\\evil.php",
        "/etc/passwd",
        "x.php",
        "a\\0b",
        "CON",
        "x" * 500,
        ".htaccess",
    ):
        assert put_form(api, alice, name, picture()).status_code == 200, name
        [file] = folder.iterdir()
        assert avatars._NAME.fullmatch(file.name)
        assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.parents[1].rglob("*")) == sorted(["avatars", "uploads", file.name])
    from django.conf import settings

    for served in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS):
        assert not folder.is_relative_to(served)
    for path in (
        f"/uploads/avatars/{file.name}",
        f"/static/{file.name}",
        f"/avatars/{file.name}",
        f"/posters/w92/{file.name}",
    ):
        assert api(alice).get(path).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_it_stands_upright_and_tells_nothing(api: Clients, alice: User, folder: Path) -> None:
    """Turned by its orientation, and without where it was taken."""
    for kind in ("JPEG", "PNG"):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees, clockwise: what is left comes up
        exif[0x010E] = "a description"
        exif.get_ifd(0x8825)[1] = "N"
        data = picture(kind, size=(200, 200), exif=exif, **({"comment": SCRIPT} if kind == "JPEG" else {}))
        assert b"a description" in data
        assert put(api, alice, data, f"image/{kind.lower()}").status_code == 200
        image = stored(folder)
        assert near(image.getpixel((128, 20)), RED)
        assert near(image.getpixel((128, 236)), BLUE)
        assert not image.getexif()
        assert set(image.info) <= {"loop", "background", "timestamp", "duration"}
        assert b"a description" not in next(folder.iterdir()).read_bytes()


@pytest.mark.django_db(transaction=True)
def test_nothing_that_is_hidden_in_it_is_left(api: Clients, alice: User, folder: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    hidden = PngInfo()
    hidden.add_text("comment", SCRIPT.decode())
    polyglots = [
        picture("JPEG") + SCRIPT,
        picture("PNG") + SCRIPT,
        picture("JPEG", comment=SCRIPT),
        picture(pnginfo=hidden),
    ]
    for data in polyglots:
        assert SCRIPT in data
        assert put(api, alice, data, "image/jpeg").status_code == 200
        assert b"script" not in next(folder.iterdir()).read_bytes()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """50,000 by 50,000 pixels of nothing in a few hundred kilobytes."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * 6251 * 500) for _ in range(100)) + packer.flush()
    return png(50_000, 50_000, rows)


def many_scans() -> bytes:
    """A progressive JPEG whose scans are repeated, each a pass over the whole picture."""
    whole = picture("JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * 100 + b"\xff\xd9"


def gif(size: tuple[int, int] = (10, 10)) -> bytes:
    return picture("GIF", size)


REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"I am no picture",
    "svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "html": lambda: b"<html><body>" + SCRIPT,
    "gif": gif,
    "bmp": lambda: picture("BMP"),
    "tiff": lambda: picture("TIFF"),
    "webp": lambda: picture("WEBP"),
    "ico": lambda: picture("ICO", (32, 32)),
    "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "zip": lambda: b"PK\x03\x04" + b"\0" * 100,
    "truncated png": lambda: picture("PNG", (900, 900))[:-400],
    "truncated jpeg": lambda: picture("JPEG", (900, 900))[:-4000],
    "only a signature": lambda: b"\x89PNG\r\n\x1a\n",
    "gif that calls itself jpeg": lambda: b"\xff\xd8\xff" + gif(),
    "no pixels": lambda: png(0, 0, zlib.compress(b"")),
    "bomb": bomb,
    "many scans": many_scans,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_jpeg_or_png_is_refused_with_a_sentence(api: Clients, alice: User, folder: Path, name: str) -> None:
    data = REFUSED[name]()
    for kind in ("image/jpeg", "image/png"):
        began = time.monotonic()
        answer = put(api, alice, data, kind)
        assert answer.status_code == 400, answer.content
        assert answer.json()["detail"].endswith(".")
        assert time.monotonic() - began < 5
    assert not folder.exists()
    assert not User.objects.get().avatar


def test_a_bomb_is_refused_before_it_is_unpacked(api: Clients, alice: User) -> None:
    import tracemalloc

    data = bomb()
    assert len(data) < 500_000
    tracemalloc.start()
    assert "pixels" in put(api, alice, data).json()["detail"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_kinds_that_are_not_read_are_415(api: Clients, alice: User) -> None:
    for kind in ("image/svg+xml", "image/gif", "text/html", "application/octet-stream", "application/json"):
        assert put(api, alice, picture(), kind).status_code == 415, kind


def test_ten_megabytes_are_the_most(api: Clients, alice: User, folder: Path) -> None:
    answer = put(api, alice, picture() + b"\0" * avatars.MAX_BYTES)
    assert (answer.status_code, "10 MB" in answer.json()["detail"]) == (413, True)
    fits = picture()
    assert put(api, alice, fits + b"\0" * (avatars.MAX_BYTES - len(fits))).status_code == 200
    assert len(list(folder.iterdir())) == 1


def test_a_form_has_one_file_and_nothing_else(api: Clients, alice: User) -> None:
    assert put_form(api, alice, "x.png", picture(), field="picture").status_code == 400
    assert put_form(api, alice, "x.png", picture(), more="1").status_code == 400
    assert put(api, alice, b"--x--\r\n", "multipart/form-data; boundary=x").status_code == 400
    assert put(api, alice, b"rubbish", "multipart/form-data").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_the_one_before_goes_and_with_the_account_the_last(folder: Path) -> None:
    user, names = make_user("alice"), set()
    for _ in range(2):
        names.add(avatars.change(user, picture()).avatar)
        assert {path.name for path in folder.iterdir()} == {User.objects.get().avatar}
    assert len(names) == 2
    avatars.forget(User.objects.get())
    assert list(folder.iterdir()) == []
    avatars.change(user, picture())
    services.delete(user)
    assert list(folder.iterdir()) == []
    assert {tuple(row.details["fields"]) for row in AuditEntry.objects.filter(action="user.changed")} == {("avatar",)}


@pytest.mark.django_db(transaction=True)
def test_a_change_that_fails_leaves_everything_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = avatars.change(make_user("alice"), picture())

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the trail cannot be written")

    monkeypatch.setattr(avatars.audit, "record", fail)
    with pytest.raises(RuntimeError):
        avatars.change(user, picture())
    assert User.objects.get().avatar == user.avatar
    assert [path.name for path in folder.iterdir()] == [user.avatar]


@pytest.mark.django_db(transaction=True)
def test_what_a_crash_left_is_swept_and_what_is_young_is_not(folder: Path) -> None:
    user = avatars.change(make_user("alice"), picture())
    hour_ago = time.time() - avatars.ORPHAN_SECONDS - 60
    for name, when in (("a" * 32 + ".webp", hour_ago), ("b" * 32 + ".webp", time.time())):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (when, when))
    os.utime(folder / user.avatar, (hour_ago, hour_ago))
    call_command("sweep")
    assert {path.name for path in folder.iterdir()} == {user.avatar, "b" * 32 + ".webp"}


@pytest.mark.parametrize("at", ["uploads", "uploads/avatars"])
def test_a_link_in_place_of_the_folder_leads_nowhere(api: Clients, alice: User, tmp_path: Path, at: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "avatars").mkdir(parents=True)
    (tmp_path / at).parent.mkdir(exist_ok=True)
    (tmp_path / at).symlink_to(elsewhere)
    answer = put(api, alice, picture())
    assert (answer.status_code, answer.json()["detail"][-1]) == (503, ".")
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == []
    (elsewhere / ("a" * 32 + ".webp")).write_bytes(b"secret")
    User.objects.update(avatar="a" * 32 + ".webp")
    assert api(alice).get("/user/avatar").status_code == 404
    assert avatars.sweep() == 0


def test_a_link_in_place_of_the_file_is_not_followed(api: Clients, alice: User, folder: Path, tmp_path: Path) -> None:
    put(api, alice, picture())
    (tmp_path / "secret").write_text("secret")
    [file] = folder.iterdir()
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    assert api(alice).get("/user/avatar").status_code == 404


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "x", "a" * 32 + ".webp/../x"])
def test_no_name_in_the_row_leads_out_of_the_folder(api: Clients, alice: User, tmp_path: Path, name: str) -> None:
    put(api, alice, picture())
    (tmp_path / "secret").write_text("secret")
    User.objects.update(avatar=name)
    assert api(alice).get("/user/avatar").status_code == 404
    avatars.remove(name)
    assert (tmp_path / "secret").exists()


def test_one_picture_at_a_time(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatars, "PATIENCE", 0.1)
    with avatars._decoding, pytest.raises(TransientError):
        avatars.change(alice, picture())
    assert avatars.change(alice, picture()).avatar
    assert threading.active_count() < 50


def test_strangers_see_and_change_nothing(api: Clients, alice: User, mallory: User) -> None:
    put(api, alice, picture())
    assert put(api, None, picture()).status_code == 401
    for method in ("get", "delete"):
        assert api(None).request(method, "/user/avatar").status_code == 401
    assert api(mallory).get("/user/avatar").status_code == 404
    page = f"/app/avatar/{User.objects.get(pk=alice.pk).avatar}"
    stranger = Client()
    assert stranger.get(page).status_code == 404
    stranger.force_login(mallory)
    assert stranger.get(page).status_code == 404
    assert stranger.get("/app/avatar/").status_code == 404
    assert api(alice).get("/user/avatar").status_code == 200
    assert api(alice).delete("/user/avatar").status_code == 204
    assert api(alice).get("/user/avatar").status_code == 404
    assert api(alice).get("/user/profile").json()["has_avatar"] is False


def test_the_page_takes_shows_and_removes_it(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    csrf = {"csrfmiddlewaretoken": browser.get("/app/profile").context["csrf_token"]}
    assert browser.post("/app/profile/avatar", {"file": SimpleUploadedFile("x", picture())}).status_code == 403
    done = browser.post("/app/profile/avatar", {**csrf, "file": SimpleUploadedFile("x.png", picture())})
    assert done.status_code == 302
    shown = browser.get("/app/").content.decode()
    assert f"/app/avatar/{User.objects.get().avatar}" in shown
    wrong = browser.post("/app/profile/avatar", {**csrf, "file": SimpleUploadedFile("x.png", b"text")}, follow=True)
    assert "JPEG or PNG" in wrong.content.decode()
    assert browser.post("/app/profile/avatar", csrf).status_code == 303
    browser.post("/app/profile/avatar", {**csrf, "remove": "1"})
    assert User.objects.get().avatar == ""


@pytest.mark.django_db(transaction=True)
def test_large_pictures_over_the_real_server(web: Web) -> None:
    owner = make_user("alice")
    large = picture("JPEG", (2000, 2000))
    large += b"\0" * (9 * 1024 * 1024 - len(large))
    headers = {"Content-Type": "image/jpeg"}
    assert web.request("PUT", "/user/avatar", owner, content=large, headers=headers).status_code == 200
    form = {"file": ("../../x.png", large, "image/png")}
    assert web.request("PUT", "/api/v1/user/avatar", owner, files=form).status_code == 200
    assert web.get("/user/avatar", owner).headers["content-type"] == "image/webp"
    over = large + b"\0" * 2 * 1024 * 1024
    answer = web.request("PUT", "/user/avatar", owner, content=over, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert web.request("DELETE", "/user", owner).status_code == 204
