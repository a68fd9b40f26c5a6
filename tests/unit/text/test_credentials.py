"""Credentials by their issuers' shapes; AWS's key is the one that its documentation uses."""

from __future__ import annotations

import pytest

from steward.text.credentials import entropy_bits, find_secrets


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "aws_access_key"),
        ("ghp_" + "a1" * 18, "github_token"),
        ("xoxb-1234567890", "slack_token"),
        ("AIza" + "a" * 35, "google_api_key"),
        ("sk-" + "a" * 20, "openai_key"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "private_key"),
    ],
)
def test_shapes_of_issuers(text: str, kind: str) -> None:
    assert find_secrets(text) == [(0, len(text), kind)]
    assert find_secrets(text[:-21] if kind == "private_key" else text[:-1], 0.0) == (
        [(0, len(text) - 21, kind)] if kind == "private_key" else []
    )


def test_what_is_assigned_to_a_word_for_a_secret() -> None:
    assert find_secrets("password = hunter22x9!") == [(11, 22, "assigned")]
    assert find_secrets("password = config.secret_name") == [] and find_secrets("passwords: many") == []


def test_entropy() -> None:
    assert entropy_bits("aabb") == 1.0 and entropy_bits("abcdefgh") == 3.0


RANDOM = "aB3xY9kQ7mZ2wL5tR8vN1pC4sD6fG0hJ"  # 32 different letters and digits: 5 bits each


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (RANDOM, True),
        (RANDOM[:28], True),
        (RANDOM[:27], False),  # too short to tell
        (RANDOM.lower(), False),  # one case, as digests have
        (RANDOM.upper(), False),
        ("abcdefghijklmnopABCDEFGHIJKLMNOP", False),  # no digit
        ("aA1" * 11, False),  # three characters carry 1.6 bits
        ("src/" + RANDOM, False),  # a path
        (RANDOM[:16] + "/" + RANDOM[16:], True),
        ("Read2The3Long9Words7Together4Here", False),  # an identifier made of words
    ],
)
def test_a_string_without_a_shape_must_look_random(text: str, secret: bool) -> None:
    assert find_secrets(text) == ([(0, len(text), "high_entropy")] if secret else [])
    assert find_secrets(text, 0.0) == []


def test_what_is_meant_to_be_seen_is_no_secret() -> None:
    for text in (f"https://x.org/{RANDOM}", f"sha256-{RANDOM}", f"ssh-ed25519 {RANDOM}"):
        assert find_secrets(text) == []
    found = find_secrets(f"https://x.org/{RANDOM} {RANDOM}")
    assert found == [(47, 79, "high_entropy")]


def test_a_secret_right_behind_another_is_found_once() -> None:
    token = "ghp_" + "a1" * 18
    text = f"token={token} password=hunter22x9!"
    assert find_secrets(text) == [(6, 46, "github_token"), (56, 67, "assigned")]
    assert find_secrets(f"password=abc12345 token={token}")[0] == (9, 17, "assigned")


@pytest.mark.parametrize(
    ("value", "password"),
    [("abc1defg", True), ("abcdefg1", False), ("abcdefgh", False), ("12345678", False),
     ("aaaaaaa1", False), ("aabbccd1", False),
     ("example1!x", False)],
)  # fmt: skip
def test_a_password_has_letters_digits_and_some_variety(value: str, password: bool) -> None:
    """Eight different characters carry 3 bits each; at least 2.6 are needed."""
    assert bool(find_secrets(f"password: {value}")) == password


WEBHOOK = "hooks.slack.com/services/T0A1/B0A1/abcd1234"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"


@pytest.mark.parametrize(
    ("text", "kind", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789abcdef", "bearer_token", "Bearer abcdef0123456789abcdef"),
        ("glpat-" + "a1" * 10, "gitlab_token", "glpat-" + "a1" * 10),
        ("npm_" + "a1" * 18, "npm_token", "npm_" + "a1" * 18),
        ("hf_" + "aB" * 17, "hugging_face_token", "hf_" + "aB" * 17),
        ("pypi-AgE" + "a1" * 30, "pypi_token", "pypi-AgE" + "a1" * 30),
        (f"SG.{'a1' * 11}.{'b2' * 21}", "sendgrid_key", f"SG.{'a1' * 11}.{'b2' * 21}"),
        ("https://" + WEBHOOK, "slack_webhook", WEBHOOK),
        # the key that AWS prints in its documentation (docs.aws.amazon.com, "AWS access keys")
        ("AWS_SECRET_ACCESS_KEY=" + AWS_SECRET, "assigned", AWS_SECRET),
        ("MYSQL_ROOT_PASSWORD=s3cretpass", "assigned", "s3cretpass"),
        ("<password>Kx82fksA</password>", "assigned", "Kx82fksA"),
        ("<server><apiKey>9f8e7d6c5b4a</apiKey></server>", "assigned", "9f8e7d6c5b4a"),
        ("redis://:s3cretpw@cache:6379/0", "url_password", ":s3cretpw"),
        ("client_secret=GOCSPX-" + "aBcD" * 7, "google_oauth_secret", "GOCSPX-" + "aBcD" * 7),
    ],
)  # fmt: skip
def test_d15_tokens_of_further_issuers_are_found(text: str, kind: str, secret: str) -> None:
    start = text.index(secret)
    assert find_secrets(text, 0) == [(start, start + len(secret), kind)]


@pytest.mark.parametrize(
    "text",
    ["the bearer of these arms was welcome", "Bearer token authentication", "npm_config_cache", "hf_hub_download"],
)  # fmt: skip
def test_d16_words_that_begin_like_tokens_are_none(text: str) -> None:
    assert find_secrets(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "PGPASSWORD={word9} psql -h db", "export MYSQL_PWD={hunter2}", "PASSWORD={abc123}\n", "ENV DB_PASSWORD={k9x2q}",
        "A=1\nexport PGPASSWORD='{word9}'",
        "docker run -e POSTGRES_PASSWORD={pg12345x} postgres:16", "curl -u admin:{s3cr3tP4ss} https://x.org/a",
        "curl -sS -X POST -u 'admin:{s3cr3tP4ss!}' https://x.org", "curl --user me:{tok9xk2z} https://x.org",
        "mysql -uroot -p{S3cretPw9} db", "mysql db -h h -p'{s3cretpw9}'", "mysqldump --quick -h h -p{Q7x!kk2} db",
        "sshpass -p {tr0ub4d} ssh h", "redis-cli -h h -a {r3d1sPw} ping", "wget --password={w9word} ftp://h/f",
    ],
)  # fmt: skip
def test_d15_passwords_given_to_programs_are_found(text: str) -> None:
    before, secret, after = text.replace("}", "{").split("{")
    assert find_secrets(before + secret + after) == [(len(before), len(before + secret), "assigned")]


@pytest.mark.parametrize(
    "text",
    [
        "curl -u user:pass https://x.org", "curl -u $USER:$PASS1 x", "curl -u user:password1 x",
        "curl -u me:<pass1word>",
        "curl -u user https://host:8080a/", "curl https://x.org:8080/a1", "mysql -u root -p db_1a", "mysql -p -P3306x",
        "mysql is slow, so that ssh -p2222abc", "docker run -p 8080:80 mysql", "DB_PASSWORD=$SECRET1", "PWD=/home/u1",
        "DB_PASSWORD=get_secret1()", "PASSWORD=changeme1", "PGPASSWORD=password1", "the curl of B1: u2",
    ],
)  # fmt: skip
def test_d15_places_for_passwords_and_other_options_are_none(text: str) -> None:
    assert find_secrets(text) == []


@pytest.mark.parametrize(("length", "found"), [(39, False), (40, True), (41, False)])
def test_the_secret_of_an_aws_key_is_known_by_its_forty_characters(length: int, found: bool) -> None:
    """IAM User Guide, "Managing access keys": forty characters, here too even to look like a password."""
    assert bool(find_secrets("aws_secret_access_key = " + "a" * length)) is found


@pytest.mark.parametrize(
    "text",
    ["_ZNSt6vectorIiSaIiEE9push_backERKi", "_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE",
     "<password>required</password>",
     "if secret > limit9_of_day</", "<token>12</token>"],
)  # fmt: skip
def test_d16_names_of_linkers_and_elements_without_a_value_are_none(text: str) -> None:
    assert find_secrets(text) == []


def test_secrets_that_touch_are_each_found() -> None:
    token = "ghp_" + "a1" * 18
    bearer = "Bearer abcdef0123456789abcd-secret="
    assert find_secrets(bearer + "hunter22x9!", 0) == [(0, 35, "bearer_token"), (35, 46, "assigned")]
    bearer = "Bearer abcdef0123456789abcd-PGPASSWORD="
    assert find_secrets(bearer + "word9", 0) == [(0, 39, "bearer_token"), (39, 44, "assigned")]
    key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    assert find_secrets(token + key, 0) == [(0, 40, "github_token"), (40, 40 + len(key), "private_key")]


def test_a_token_right_behind_a_password_of_the_longest_kind_is_found_with_it() -> None:
    token = "ghp_" + "a1" * 18
    assigned = "password=" + "abc1defg" * 31 + "x!"  # 250 characters
    assert find_secrets(assigned + token, 0) == [(9, 259, "assigned"), (259, 299, "github_token")]
    assert find_secrets(assigned + RANDOM) == [(9, 259, "assigned"), (259, 291, "high_entropy")]
    given = "sshpass -p " + "abc1defg" * 14 + "abcdefg!"  # 120 characters
    assert find_secrets(given + token, 0) == [(11, 131, "assigned"), (131, 171, "github_token")]


@pytest.mark.parametrize("value", ["Correct-Horse-Battery", "1234-5678!"])
def test_a_password_has_both_letters_and_digits(value: str) -> None:
    assert find_secrets(f"password: {value}", 0) == []


def test_a_string_of_just_the_entropy_that_was_asked_for_is_a_secret() -> None:
    """32 different characters carry 5 bits each."""
    assert find_secrets(RANDOM, 5.0) == [(0, 32, "high_entropy")] and find_secrets(RANDOM, 5.01) == []


def test_a_random_string_beside_a_digest_is_found() -> None:
    assert find_secrets(f"{RANDOM} sha256-{RANDOM}") == [(0, 32, "high_entropy")]


def test_half_of_a_random_string_may_be_words() -> None:
    """Each of 16 letters in words of three and more; one more, and it is an identifier."""
    assert find_secrets("abcdefghijklmnop" + "Q7X2Z9K4V8J3W5Y6", 4.0) == []
    assert find_secrets("abcdefghijklmno" + "Q7X2Z9K4V8J3W5Y6P", 4.0) == [(0, 32, "high_entropy")]
