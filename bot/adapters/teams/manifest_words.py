"""What the app package says of the bot, in the languages it speaks. What the skills say is in `bot/locales`."""

__all__ = ["LANGUAGES", "said"]

LANGUAGES = ("de", "es", "fr", "ja")

_WORDS = {
    "full name": {
        "en": "chats, looks at pictures, draws and listens",
        "de": "unterhält sich, sieht Bilder an, zeichnet und hört zu",
        "es": "conversa, mira imágenes, dibuja y escucha",
        "fr": "discute, regarde des images, dessine et écoute",
        "ja": "会話し、画像を見て、絵を描き、音声を聞きます",
    },
    "short": {
        "en": "Ask anything, show pictures, have them drawn, have recordings written down.",
        "de": "Fragen stellen, Bilder zeigen und zeichnen lassen, Aufnahmen mitschreiben.",
        "es": "Pregunta, muestra imágenes, pide dibujos y transcribe grabaciones.",
        "fr": "Posez des questions, montrez des images, faites dessiner et transcrire.",
        "ja": "質問、画像の説明、お絵描き、録音の文字起こしができます。",
    },
    "full": {
        "en": (
            "Write to the bot in a chat of your own, or mention it in a group chat or a channel. It answers questions, "
            "describes pictures, draws them, and writes down what is said in audio files. In the menu of a message you "
            "find what it can do with that message. Answers are written by an AI model and are marked as such; the "
            "thumbs below them tell whoever runs the bot how good they were. Owners of a team or a chat set in the "
            "bot's settings what it may do there. Write “help” to see everything."
        ),
        "de": (
            "Schreiben Sie dem Bot in einem eigenen Chat, oder erwähnen Sie ihn in einem Gruppenchat oder Kanal. Er "
            "beantwortet Fragen, beschreibt Bilder, zeichnet welche und schreibt mit, was in Audiodateien gesagt wird. "
            "Im Menü einer Nachricht steht, was er mit ihr tun kann. Antworten schreibt ein KI-Modell, und sie sind so "
            "gekennzeichnet; die Daumen darunter sagen dem Betreiber, wie gut sie waren. Besitzer eines Teams oder "
            "Chats bestimmen in den Einstellungen des Bots, was er dort darf. Mit „help“ zeigt er alles."
        ),
        "es": (
            "Escribe al bot en un chat propio o menciónalo en un chat de grupo o en un canal. Responde preguntas, "
            "describe imágenes, las dibuja y transcribe lo que se dice en archivos de audio. En el menú de un mensaje "
            "verás qué puede hacer con él. Las respuestas las escribe un modelo de IA y así se indican; los pulgares "
            "dicen a quien lo mantiene si fueron buenas. Los propietarios de un equipo o de un chat deciden en los "
            "ajustes del bot qué puede hacer allí. Escribe «help» para verlo todo."
        ),
        "fr": (
            "Écrivez au bot dans une conversation à vous, ou mentionnez-le dans un groupe ou un canal. Il répond aux "
            "questions, décrit des images, en dessine et transcrit ce qui est dit dans des fichiers audio. Le menu "
            "d'un message montre ce qu'il peut en faire. Les réponses sont écrites par un modèle d'IA et marquées "
            "comme telles ; les pouces disent à son exploitant si elles étaient bonnes. Les propriétaires d'une équipe "
            "ou d'une conversation décident dans ses paramètres de ce qu'il peut y faire. « help » montre tout."
        ),
        "ja": (
            "個人チャットで話しかけるか、グループ チャットやチャネルでメンションしてください。"
            "質問に答え、画像を説明し、絵を描き、音声ファイルの内容を書き起こします。メッセージのメニューには、そのメッセージに対してできることが表示されます。"
            "回答は AI モデルが書いたもので、そのように表示されます。"
            "回答の下の親指ボタンで、良し悪しをボットの運用者に伝えられます。"
            "チームやチャットの所有者は、ボットの設定でそこでの動作を決められます。「help」と書くと、できることをすべて表示します。"
        ),
    },
}


def said(what: str, language: str) -> str:
    """The words for something in a language."""
    return _WORDS[what][language]
