"""The films of the demo catalogue, made up by the project and free to give away.

Some names are tricky on purpose: a short common word (Ox), two films of one name (Tin Comets), a name inside another
(Orchard), a year that is none (2049 Postcards), dots, accents, an ampersand, a question mark, and one that has nothing yet.
"""

from sokoul.demo.titles import Title

FILMS: tuple[Title, ...] = (
    Title(
        "umbrella", "movie", 9000101, ("The Lighthouse Keeper's Umbrella", "Le Parapluie du gardien de phare"),
        (
            "A keeper who has never once been rained on lends his only umbrella to the sea, and must row out to ask for it back.",
            "Un gardien qui n'a jamais reçu une goutte de pluie prête son seul parapluie à la mer, puis doit ramer pour le réclamer.",
        ),
        "2021-10-08", (35, 10751), "tt99000101", tagline="Borrowed by the tide.", popularity=61.2, vote=7.8, votes=842,
        alternatives=(("GB", "The Keeper's Umbrella"),),
    ),
    Title(
        "ox", "movie", 9000102, ("Ox", "Bœuf"),
        (
            "The strongest animal of the valley is afraid of exactly one thing: the new bridge.",
            "L'animal le plus fort de la vallée n'a peur que d'une chose : le nouveau pont.",
        ),
        "2019-03-15", (18,), "tt99000102", popularity=22.4, vote=6.9, votes=311,
    ),
    Title(
        "clockmaker", "movie", 9000103, ("The Clockmaker of Saint-Malo", "L'Horloger de Saint-Malo"),
        (
            "Every clock in the walled city runs one minute late, and the apprentice who finds out why must decide who gets it back.",
            "Toutes les horloges de la cité retardent d'une minute ; l'apprentie qui découvre pourquoi doit choisir à qui la rendre.",
        ),
        "2024-02-14", (9648, 14), "tt99000103", original_title="L'Horloger de Saint-Malo", original_language="fr",
        tagline="One minute is plenty.", popularity=88.0, vote=8.1, votes=1204,
    ),
    Title(
        "comets-1987", "movie", 9000104, ("Tin Comets", "Comètes de fer-blanc"),
        (
            "Three children build a comet from roofing tin and charge a button for the view.",
            "Trois enfants construisent une comète en fer-blanc et font payer la vue un bouton.",
        ),
        "1987-06-19", (10751, 12), "tt99000104", popularity=14.9, vote=7.4, votes=502, country="BE",
    ),
    Title(
        "comets-2022", "movie", 9000105, ("Tin Comets", "Comètes de fer-blanc"),
        (
            "A retelling of the 1987 classic: the children are grown, the comet comes back, and the buttons are due.",
            "Une nouvelle version du classique de 1987 : les enfants ont grandi, la comète revient, et il faut rendre les boutons.",
        ),
        "2022-11-30", (12, 878), "tt99000105", popularity=47.5, vote=6.6, votes=690,
    ),
    Title(
        "orchard", "movie", 9000106, ("Orchard", "Verger"),
        (
            "A year among apple trees, told by the ladder.",
            "Une année parmi les pommiers, racontée par l'échelle.",
        ),
        "2018-09-21", (99,), "tt99000106", popularity=19.1, vote=7.1, votes=268,
    ),
    Title(
        "orchard-night", "movie", 9000107, ("The Orchard at Night", "Le Verger la nuit"),
        (
            "Somebody is putting the fallen apples back on the trees.",
            "Quelqu'un raccroche aux arbres les pommes tombées.",
        ),
        "2020-10-31", (9648, 53), "tt99000107", popularity=33.3, vote=7.0, votes=415,
    ),
    Title(
        "kites", "movie", 9000108, ("Ninety-Nine Kites", "Quatre-vingt-dix-neuf cerfs-volants"),
        (
            "A village ties its complaints to kites. The hundredth string is still in the mayor's hand.",
            "Un village attache ses plaintes à des cerfs-volants. La centième ficelle est encore dans la main du maire.",
        ),
        "2023-05-05", (35, 18), "tt99000108", popularity=41.0, vote=7.6, votes=730, alternatives=(("US", "99 Kites"),),
    ),
    Title(
        "postcards", "movie", 9000109, ("2049 Postcards", "2049 cartes postales"),
        (
            "A postman finds two thousand and forty-nine postcards addressed to a house that was never built.",
            "Un facteur trouve deux mille quarante-neuf cartes postales adressées à une maison qui n'a jamais été bâtie.",
        ),
        "2016-04-01", (18, 10749), "tt99000109", popularity=27.7, vote=7.3, votes=389,
    ),
    Title(
        "tram", "movie", 9000110, ("The Last Night Tram", "Été sans tramway"),
        (
            "The line closes at dawn. Its nine regulars agree to miss their stops.",
            "La ligne ferme à l'aube. Ses neuf habitués conviennent de manquer leur arrêt.",
        ),
        "2015-07-01", (18,), "tt99000110", original_title="Été sans tramway", original_language="fr", popularity=25.2,
        vote=7.2, votes=358,
    ),
    Title(
        "teapot", "movie", 9000111, ("Robot & Teapot", "Robot et Théière"),
        (
            "A kitchen robot is told to throw away a cracked teapot and asks for a second opinion.",
            "Un robot de cuisine doit jeter une théière fêlée et demande un second avis.",
        ),
        "2025-01-24", (16, 10751, 878), "tt99000111", tagline="Handle with care.", popularity=95.4, vote=8.3, votes=1533,
        alternatives=(("GB", "Robot and Teapot"),),
    ),
    Title(
        "sea-called", "movie", 9000112, ("What If the Sea Called?", "Et si la mer appelait ?"),
        (
            "The telephone on the pier rings every evening at six. Tonight somebody picks it up.",
            "Le téléphone de la jetée sonne tous les soirs à six heures. Ce soir, quelqu'un décroche.",
        ),
        "2020-02-02", (14, 18), "tt99000112", popularity=38.8, vote=7.5, votes=477,
    ),
    Title(
        "snail", "movie", 9000113, ("The Snail Express", "L'Express escargot"),
        (
            "The slowest railway in the country wins its first race by not noticing it.",
            "Le chemin de fer le plus lent du pays gagne sa première course sans s'en apercevoir.",
        ),
        "2023-12-20", (16, 35), "tt99000113", popularity=52.6, vote=7.7, votes=655,
    ),
    Title(
        "mint", "movie", 9000114, ("M.I.N.T.", "M.E.N.T.H.E."),
        (
            "The Ministry of Improbable but Necessary Things has one employee, one stamp and one afternoon.",
            "Le Ministère des Entreprises Nécessaires mais Très Hypothétiques n'a qu'un employé, un tampon et un après-midi.",
        ),
        "2011-08-17", (35, 80), "tt99000114", popularity=17.5, vote=6.8, votes=229,
    ),
    Title(
        "seagull", "movie", 9000115, ("Untitled Seagull Project", "Projet mouette sans titre"),
        ("", ""), "", (), "", popularity=1.1, vote=0.0, votes=0, runtime=0, poster=False, status="In Production",
    ),
)  # fmt: skip
