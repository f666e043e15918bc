"""How Radarr and Sonarr name and number languages in what they publish, and what each is in ISO 639-1."""

from collections.abc import Mapping

from apps.downloads.releases.qualities import App

ANY, ORIGINAL, UNKNOWN = "any", "original", "unknown"

# In Radarr's order. Of what ISO 639-1 does not tell apart, the wider one is taken.
_BY_NAME: Mapping[str, str] = {
    "Unknown": UNKNOWN, "English": "en", "French": "fr", "Spanish": "es", "German": "de", "Italian": "it",
    "Danish": "da", "Dutch": "nl", "Japanese": "ja", "Icelandic": "is", "Chinese": "zh", "Russian": "ru",
    "Polish": "pl", "Vietnamese": "vi", "Swedish": "sv", "Norwegian": "no", "Finnish": "fi", "Turkish": "tr",
    "Portuguese": "pt", "Flemish": "nl", "Greek": "el", "Korean": "ko", "Hungarian": "hu", "Hebrew": "he",
    "Lithuanian": "lt", "Czech": "cs", "Hindi": "hi", "Romanian": "ro", "Thai": "th", "Bulgarian": "bg",
    "Portuguese (Brazil)": "pt", "Arabic": "ar", "Ukrainian": "uk", "Persian": "fa", "Bengali": "bn", "Slovak": "sk",
    "Latvian": "lv", "Spanish (Latino)": "es", "Catalan": "ca", "Croatian": "hr", "Serbian": "sr", "Bosnian": "bs",
    "Estonian": "et", "Tamil": "ta", "Indonesian": "id", "Telugu": "te", "Macedonian": "mk", "Slovenian": "sl",
    "Malayalam": "ml", "Kannada": "kn", "Albanian": "sq", "Afrikaans": "af", "Marathi": "mr", "Tagalog": "tl",
    "Urdu": "ur", "Romansh": "rm", "Mongolian": "mn", "Georgian": "ka",
}  # fmt: skip
# Sonarr counts as Radarr does up to Czech, and then on its own; of later numbers too little is known to guess.
_SONARR = (
    "ar", "hi", "bg", "ml", "uk", "sk", "th", "pt", "es", "ro", "lv", "fa", "ca", "hr", "sr", "bs", "et", "ta", "id",
)  # fmt: skip
_COMMON = 26
_FIRST = tuple(_BY_NAME.values())

BY_NAME: Mapping[str, str] = {**_BY_NAME, "Any": ANY, "Original": ORIGINAL}
BY_NUMBER: Mapping[App, Mapping[int, str]] = {
    "radarr": {**dict(enumerate(_FIRST)), -1: ANY, -2: ORIGINAL},
    "sonarr": {**dict(enumerate((*_FIRST[:_COMMON], *_SONARR))), -1: ANY, -2: ORIGINAL},
}
