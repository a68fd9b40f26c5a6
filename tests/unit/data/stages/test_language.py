import pytest

from data_batches import apply, batch
from steward.core.errors import InputError
from steward.data.stages.language import Language

ENGLISH = "The weather was fine, so we walked along the river to the old mill."

GERMAN = "Das Wetter war schön, also gingen wir am Fluss entlang zur alten Mühle."


def test_language_keeps_and_drops_and_tags():
    result = Language(keep=("en",)).apply(batch(ENGLISH, GERMAN, "ok", ""))
    assert result.batch["language"].to_pylist() == ["en", "unknown", "unknown"]
    assert [(e.id, e.rule, e.value, e.threshold) for e in result.entries] == [("d1", "language", "de", "en")]
    assert apply(Language(keep=("de",), unknown="drop"), GERMAN, "ok") == (
        [GERMAN],
        [("d1", "drop", "unknown_language")],
    )


def test_d09_an_unknown_language_is_refused():
    with pytest.raises(InputError, match="unknown language 'EN'; did you mean 'en'"):
        Language(keep=("EN",))


def test_without_languages_to_keep_only_the_unknown_may_go():
    assert apply(Language(unknown="drop"), GERMAN, "ok") == ([GERMAN], [("d1", "drop", "unknown_language")])
    assert apply(Language(), GERMAN, "ok") == ([GERMAN, "ok"], [])


def test_a_text_of_fewer_than_15_letters_is_of_no_certain_language():
    """docs/reference: `min_letters`."""
    languages = Language().apply(batch("Das Wetter war hä", "Das Wetter war sc", GERMAN)).batch["language"]
    assert Language().min_letters == 15 and languages[2].as_py() == "de"


def test_the_ledger_says_what_was_expected():
    (entry,) = Language(unknown="drop").apply(batch("ok")).entries
    assert (entry.rule, entry.value, entry.threshold) == ("unknown_language", "unknown", "any")
    (entry,) = Language(keep=("en", "fr"), unknown="drop").apply(batch("ok")).entries
    assert entry.threshold == "en,fr"


@pytest.mark.parametrize(("code", "says"), [("english", "unknown language 'english'"), ("De", "did you mean 'de'")])
def test_a_code_that_no_text_ever_gets_is_refused(code, says):
    with pytest.raises(InputError, match=says):
        Language(keep=("en", code))
