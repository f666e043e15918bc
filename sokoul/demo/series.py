"""The series of the demo catalogue. `club` has the TMDB id of a film on purpose: ids are only unique within a kind."""

from sokoul.demo.titles import Episode, Season, Series

SERIES: tuple[Series, ...] = (
    Series(
        "cats", "tv", 9000201, ("Harbour Cats", "Les Chats du port"),
        (
            "Four cats share one harbour, two fishing boats and no agreement at all.",
            "Quatre chats se partagent un port, deux bateaux de pêche et aucun accord.",
        ),
        "2022-04-03", (35, 10751), "tt99000201", popularity=58.3, vote=7.9, votes=610, status="Returning Series",
        tvdb_id=990201,
        seasons=(
            Season(
                1, ("Season 1", "Saison 1"), "2022-04-03",
                (
                    Episode(1, ("The Crate", "La Caisse"), "2022-04-03", ("A crate comes in.", "Une caisse arrive.")),
                    Episode(2, ("Low Water", "Basse mer"), "2022-04-10", ("The boats lie down.", "Les bateaux se couchent.")),
                    Episode(3, ("The Auction", "La Criée"), "2022-04-17", ("Somebody bids.", "Quelqu'un enchérit.")),
                    Episode(4, ("Fog", "Brume"), "2022-04-24", ("Nobody sees a thing.", "On n'y voit rien.")),
                ),
            ),
            Season(
                2, ("Season 2", "Saison 2"), "2023-04-02",
                (
                    Episode(1, ("The Dog", "Le Chien"), "2023-04-02", ("A dog moves in.", "Un chien s'installe.")),
                    Episode(2, ("The Treaty", "Le Traité"), "2023-04-09", ("Terms are named.", "On négocie.")),
                    Episode(3, ("High Water", "Pleine mer"), "2023-04-16", ("The quay is wet.", "Le quai est mouillé.")),
                ),
            ),
        ),
    ),
    Series(
        "club", "tv", 9000101, ("The Tiny Planet Club", "Le Club des petites planètes"),
        (
            "Members must own a planet no larger than a wardrobe. Meetings are on Thursdays.",
            "Chaque membre doit posséder une planète pas plus grande qu'une armoire. Réunion le jeudi.",
        ),
        "2023-09-07", (16, 10765), "tt99000202", popularity=36.6, vote=7.4, votes=288, status="Ended", tvdb_id=990202,
        seasons=(
            Season(
                1, ("Season 1", "Saison 1"), "2023-09-07",
                tuple(
                    Episode(number, (english, french), f"2023-09-{7 * number:02}", (f"{english}.", f"{french}."))
                    for number, (english, french) in enumerate(
                        (("Roll Call", "L'Appel"), ("Two Moons", "Deux lunes"), ("Dust", "Poussière"), ("Orbit", "Orbite")), 1
                    )
                ),
            ),
        ),
    ),
)  # fmt: skip
