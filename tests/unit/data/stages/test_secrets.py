import pytest

from data_batches import apply
from steward.data.stages.secrets import Secrets, entropy_bits

SECRETS = {
    "aws_access_key": "AKIA" + "IOSFODNN7EXAMPLE",
    "github_token": "ghp_" + "a1B2" * 9,
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXBhcnQ",
    "private_key": "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "high_entropy": "q7Zp4Lx9Vb2Nc8Km5Jh3Gf6Ds1Wa0Te",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_masked_by_kind(kind):
    text = f"Here: {SECRETS[kind]} and on."
    assert apply(Secrets(), text) == ([f"Here: [{kind.upper()}] and on."], [("d0", "change", kind)])


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "password: please_change_me",
        "thisIsAVeryLongCamelCaseIdentifierInSomeJavaProgram",
        "https://example.com/a/long/path/of/some/site/index.html",
    ],
)
def test_what_only_looks_long_is_no_secret(text):
    assert apply(Secrets(), text) == ([text], [])


def test_secrets_in_assignments_and_dropping():
    assert apply(Secrets(), 'api_key = "f3k9-2mqz-77ab-x1"')[0] == ['api_key = "[ASSIGNED]"']
    assert apply(Secrets(mode="drop"), SECRETS["jwt"], "fine") == (["fine"], [("d0", "drop", "jwt")])
    assert (entropy_bits("aaaa"), entropy_bits("abcdefgh")) == (0, 3)
