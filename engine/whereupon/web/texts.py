"""The texts of the page to unsubscribe, in English and German; a host replaces them and adds languages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeTexts:
    """Everything that the page says, as plain text in one language.

    Attributes:
        language: its tag (BCP 47), for the page's ``lang``.
        topic_button, topic_off, topic_again: ``{topic}`` stands for the label of the mail's topic.
    """

    language: str = "en"
    title: str = "What we send you"
    topic_button: str = "Unsubscribe from “{topic}”"
    topic_off: str = "You are unsubscribed from “{topic}”."
    topic_again: str = "Subscribe to “{topic}” again"
    all_button: str = "Unsubscribe from all marketing"
    all_off: str = (
        "You are unsubscribed from all marketing. We only send what you ask for, such as receipts."
    )
    all_again: str = "Subscribe again"
    on: str = "You are subscribed. With the button you unsubscribe; nothing has changed yet."
    choose: str = "What would you like to get?"
    save: str = "Save"
    saved: str = "Your choice is saved."
    gone: str = "Done. We hold nothing under this link any more, so we send nothing because of it."
    bad_title: str = "This link does not work"
    bad: str = (
        "A part of it may be missing. Copy the whole link from the mail and open it again, "
        "or answer the mail and ask us to unsubscribe you."
    )
    busy_title: str = "Please try again"
    busy: str = (
        "We could not save it just now, and nothing has changed. Please try again in a minute."
    )
    request_title: str = "That did not work"
    request: str = "Your browser sent something that this page does not understand. Open the link from the mail again."


ENGLISH = UnsubscribeTexts()

GERMAN = UnsubscribeTexts(
    language="de",
    title="Was wir Ihnen senden",
    topic_button="„{topic}“ abbestellen",
    topic_off="Sie haben „{topic}“ abbestellt.",
    topic_again="„{topic}“ wieder bestellen",
    all_button="Alle Werbung abbestellen",
    all_off="Sie haben alle Werbung abbestellt. Wir senden nur, was Sie anfordern, etwa Rechnungen.",
    all_again="Wieder bestellen",
    on="Sie sind angemeldet. Mit dem Knopf melden Sie sich ab; noch hat sich nichts geändert.",
    choose="Was möchten Sie bekommen?",
    save="Speichern",
    saved="Ihre Auswahl ist gespeichert.",
    gone="Erledigt. Unter diesem Link haben wir nichts mehr gespeichert und senden deshalb nichts.",
    bad_title="Dieser Link funktioniert nicht",
    bad=(
        "Vielleicht fehlt ein Teil. Kopieren Sie den ganzen Link aus der E-Mail und öffnen Sie ihn noch einmal, "
        "oder antworten Sie auf die E-Mail und bitten Sie uns, Sie abzumelden."
    ),
    busy_title="Bitte noch einmal versuchen",
    busy="Wir konnten es gerade nicht speichern, und nichts hat sich geändert. Bitte versuchen Sie es in einer Minute.",
    request_title="Das hat nicht geklappt",
    request="Ihr Browser hat etwas gesendet, das diese Seite nicht versteht. Öffnen Sie den Link aus der E-Mail noch einmal.",
)
