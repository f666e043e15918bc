"""A scout with its default slots and nothing else: what the benchmarks of the task layer measure.

Beside the product's own kinds it has `scout.names`, a job that is work: it reads release names, which takes the processor some
ten milliseconds.
"""

import os

NAMES = (
    "The.Last.Night.Tram.2021.1080p.WEB-DL.DDP5.1.H.264-QxR",
    "Harbour.Cats.S02E07.The.Ferry.720p.HDTV.x264-GRP",
    "[Group] Tiny Planet Club - 014 (1080p) [0A1B2C3D]",
    "Le.Dernier.Tram.1998.MULTi.VFF.2160p.BluRay.REMUX.HEVC.10bit.HDR.TrueHD.7.1.Atmos-TEAM",
)
OFTEN = 5  # times a job


def main() -> None:
    import django

    django.setup()
    from apps.downloads.releases.parse import parse
    from apps.jobs.registry import Running, handler
    from apps.jobs.tasks import Nothing
    from apps.jobs.worker import Worker

    @handler("scout", "names", Nothing)
    def read_names(payload: Nothing, job: Running) -> dict[str, int]:
        return {"read": len([parse(name) for name in NAMES * OFTEN])}

    Worker("scout").run()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sokoul.settings")
    main()
