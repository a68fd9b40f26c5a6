import pytest

from data_batches import apply
from steward.data.stages.secrets import Secrets
from steward.text.credentials import entropy_bits, find_secrets

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


ASSIGNED = {
    "AWS_SECRET_ACCESS_KEY={}": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPL3KEY".replace("EXAMPL", "QZMPL"),
    "export DB_PASSWORD={}": "Tr0ub4dor&3",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=x": "q1W2e3R4t5Y6u7I8o9P0" * 2 + "==",
    '"client_secret": "{}"': "8f14e45fceea167a5a36",
    "db.password: {}": "kL9x2mQ4z7",
    "npm_token={}": "a8Kd93kslWq0",
}


@pytest.mark.parametrize("line", ASSIGNED)
def test_d15_values_of_settings_are_found(line):
    assert apply(Secrets(), line.format(ASSIGNED[line]))[0] == [line.format("[ASSIGNED]")]


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/Org/Imath/pull/42",
        "See github.com/AcademySoftwareFoundation/openexr/pull/1234 for it.",
        "/usr/lib/x86_64-linux-gnu/Qt5/plugins/PlatformThemes2",
        "testHttp2ConnectionHandlerWithTls13AndRetries",
        "Test_HTTP2_Connection_Handler_Version_3_Final",
        "sha256-Ns7aR0Vb2Kx9Lq4Zp8Tc5Wd1Ye6Uf3Gh0Ij7Mk2No4=",
        "SHA256:Ns7aR0Vb2Kx9Lq4Zp8Tc5Wd1Ye6Uf3Gh0Ij7Mk2No4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq7Zp4Lx9Vb2Nc8Km5Jh3Gf6Ds1Wa0TeRtYuIoPqS me@host",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq7Zp4Lx9Vb2Nc8Km5\n-----END PUBLIC KEY-----",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA9Vb2Nc8Km5Jh3",
        "token = tokenizer.encode_plus2",
        "password: ${DB_PASSWORD_2}",
        "password = changeme123",
        "api_key: your-api-key-123",
        "secret_path = /run/secrets/db2",
    ],
)
def test_d16_nothing_is_found_in_urls_paths_names_and_public_keys(text):
    assert apply(Secrets(), text) == ([text], [])


def test_random_text_is_found_from_four_bits_and_a_bit_a_character():
    """31 different characters have log2(31) = 4.954 bits each."""
    token = SECRETS["high_entropy"]
    assert find_secrets(token) == find_secrets(token, 4.95) == [(0, 31, "high_entropy")]
    assert find_secrets(token, 4.96) == find_secrets(token, 0) == []
    assert find_secrets(token.lower()) == []  # as a digest may be
    assert find_secrets("Quick2Brown3Foxes4Jumped5Over6Lazy7Dogs8And") == []  # words
    assert find_secrets(f"lib/{token}") == [] and len(find_secrets(f"{token[:9]}/{token[9:]}")) == 1


def test_a_value_is_found_beside_a_known_shape_and_not_twice():
    text = f"DB_PASSWORD=Tr0ub4dor&3 AWS_KEY={SECRETS['aws_access_key']} DB_PASSWORD=Tr0ub4dor&3"
    assert [kind for _, _, kind in find_secrets(text)] == ["assigned", "aws_access_key", "assigned"]
