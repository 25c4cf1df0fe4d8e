"""The languages of texts, and which encoder is for which."""

NAMES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "zh": "Chinese",
}
"""The languages that the multilingual encoder was trained on, by their BCP 47 subtags; Chinese is both scripts."""


LANGUAGE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
"""The form of a BCP 47 tag."""

OTHER = "mul"
"""A tag for texts in any other language than English."""


def primary(tag: str) -> str:
    """The first subtag of a BCP 47 tag, in lower case: that of `de-AT` is `de`."""
    return tag.partition("-")[0].lower()


def is_english(tag: str) -> bool:
    """Whether a BCP 47 tag names English."""
    return primary(tag) == "en"
