"""What somebody's words ask for, as far as it can be told without a model: a question, or a change to a picture.

Only the plain cases of some languages; whoever uses this has a sensible way for all others.
"""

import re

__all__ = ["is_question", "is_thanks", "refers_back", "wants_change"]

_ASKS = re.compile(
    r"\s*(who|what|where|when|why|how|which|whose|is|are|was|were|does|do|did|has|have"
    r"|describe|tell|explain|read|count|compare|identify|translate"
    r"|wer|was|wo|wann|warum|wieso|wie|welche\w*|wessen|ist|sind|hat|beschreib\w*|erklär\w*|lies|zähl\w*|vergleich\w*"
    r"|qui|que|quoi|où|quand|pourquoi|comment|combien|quel\w*|est-ce|décri\w*|expliqu\w*|lis|compte\w*"
    r"|quién|qué|dónde|cuándo|cómo|cuánt\w*|cuál\w*|describe\w*|explica\w*|lee|cuenta"
    r"|chi|cosa|dove|quando|perché|come|quant\w*|qual\w*|descriv\w*|spiega\w*"
    r"|quem|onde|descrev\w*|кто|что|где|когда|почему|как|сколько|какой|опиши|расскажи|прочитай)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\s*(?:(?:please|now|and|can you|could you|bitte|jetzt|und|s'il te plaît|por favor|per favore|пожалуйста)[\s,]+)*"
    r"(make|turn|change|edit|add|remove|delete|erase|replace|swap|give|put|colou?r|paint|repaint|redraw|crop|blur"
    r"|brighten|darken|sharpen|enhance|restore|retouch|photoshop|animate|convert|transform|fix|draw"
    r"|mach\w*|änder\w*|ersetz\w*|entfern\w*|füg\w*|verwand\w*|färb\w*|mal\w*|zeichne|lösch\w*|gib|setz\w*"
    r"|fais|mets|change\w*|ajoute\w*|enlève\w*|retire\w*|supprime\w*|remplace\w*|transforme\w*|colorie|dessine"
    r"|haz|pon|cambia\w*|añade|agrega|quita|elimina|reemplaza|convierte|dibuja|colorea"
    r"|rendi|metti|aggiungi|togli|rimuovi|sostituisci|disegna"
    r"|faça|muda|mude|adiciona|adicione|remova|troca|troque|desenha"
    r"|сделай|измени|добавь|убери|удали|замени|нарисуй|поменяй)\b",
    re.IGNORECASE,
)
_NOT_A_CHANGE = re.compile(
    r"\s*(make|give|add|put|mach\w*|gib|fais|haz)\s+(me\s+|mir\s+|moi\s+|up\s+)*"
    r"(sense|sure|out|a list|a summary|a table|a caption|a title|a description|a story|an? alt|the text|the numbers|up"
    r"|eine liste|une liste|una lista)\b",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(this|it|its|him|her|them|these|that|same|again|picture|photo|image|version|instead|me"
    r"|dies\w*|das|es|ihn|sie|ihm|bild|foto|nochmal|stattdessen|mich"
    r"|ce|cette|celui|la même|photo|moi|esto?|esta|ese|foto|imagen|questo|questa|это|его|её|фото)\b",
    re.IGNORECASE,
)


_PRAISE = (
    "thanks thank you thx ty cheers nice great good cool wow lol haha hahaha perfect lovely awesome amazing beautiful "
    "brilliant excellent well done love it this ok okay yes so much very job one danke dankeschön super schön toll "
    "klasse prima sehr vielen dank merci beaucoup génial parfait bravo gracias muchas genial perfecto grazie mille "
    "perfetto obrigado obrigada спасибо отлично класс"
)
_THANKS = frozenset(_PRAISE.split())
_POLITE = re.compile(r"\s*(can|could|would|kannst|könntest)\b", re.IGNORECASE)


def is_question(words: str) -> bool:
    """Whether somebody wants to know something, rather than to have something done."""
    if wants_change(words):
        return words.rstrip().endswith("?") and not _POLITE.match(words)
    return words.rstrip().endswith(("?", "？", "؟")) or bool(_ASKS.match(words))


def wants_change(words: str) -> bool:
    """Whether somebody wants something changed, such as "make the sky red"."""
    return bool(_CHANGES.match(words)) and not _NOT_A_CHANGE.match(words)


def is_thanks(words: str) -> bool:
    """Whether somebody only says thanks, or how they like it."""
    return bool(words.strip()) and all(word in _THANKS for word in re.findall(r"[^\W_]+", words.lower()))


def refers_back(words: str) -> bool:
    """Whether the words speak of something that is already there, such as "draw it as a cartoon"."""
    return bool(_BACK.search(words))
