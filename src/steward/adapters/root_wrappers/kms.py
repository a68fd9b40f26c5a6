"""AWS KMS: a symmetric key that never leaves it wraps the root key (Encrypt and Decrypt, with an encryption context).

Region, credentials and endpoint come from where AWS's own tools have them (AWS_REGION, AWS_ENDPOINT_URL_KMS, roles …);
no proxy of the environment is asked (`core/fetch.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from steward.core.errors import InputError, Unavailable

TIMEOUT_S: Final = 10
_CONTEXT: Final = {"purpose": "steward root key"}  # of the log of AWS, and bound to what is wrapped
_REFUSALS: Final = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


class AwsKms:
    """`core.extend.RootWrapper`; `key`: an id, an ARN or alias/NAME. :raises InputError: no region"""

    def __init__(self, key: str) -> None:
        self._key = key
        settings = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"mode": "standard"}, proxies={})
        try:
            self._client = boto3.Session().client("kms", config=settings)
        except NoRegionError as error:
            raise InputError("security.root: no AWS region is set; export AWS_REGION") from error

    def wrap(self, root: bytes) -> bytes:
        answer = self._call(self._client.encrypt, Plaintext=root)
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes) -> bytes:
        answer = self._call(self._client.decrypt, CiphertextBlob=wrapped)
        return bytes(answer["Plaintext"])

    def _call(self, function: Callable[..., Mapping[str, Any]], **arguments: bytes) -> Mapping[str, Any]:
        """The messages of AWS name keys and accounts, never what is wrapped; only their codes are repeated."""
        try:
            return function(KeyId=self._key, EncryptionContext=_CONTEXT, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _REFUSALS:
                raise InputError(
                    f"kms:{self._key}: AWS refuses ({code}); check the key, its state, its policy and AWS_REGION"
                ) from error
            raise Unavailable(f"kms:{self._key}: AWS does not answer as it should ({code})") from error
        except NoCredentialsError as error:
            raise InputError(
                f"kms:{self._key}: no AWS credentials; see AWS_PROFILE, or give this machine a role"
            ) from error
        except BotoCoreError as error:
            raise Unavailable(f"kms:{self._key}: AWS does not answer ({type(error).__name__})") from error
