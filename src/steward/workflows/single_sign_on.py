"""Signing in at an identity provider: sends browsers there, and takes them back; devices without one show a code."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from steward.core.errors import InputError, Refused, Unavailable
from steward.core.issuers import IssuerPlan, SignInPlan
from steward.core.secret import resolve
from steward.security.oidc import PendingSignIn, begin, build_request, check_answer, check_id_token
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal
from steward.security.tokens import refuse_token
from steward.workflows.people import People, SignedIn
from steward.workflows.serve.issuer_keys import MAX_BYTES, IssuerKeys, discover, fetch_json, is_safe

PENDING_S: Final = 600.0
FRESH_S: Final = 300.0  # that a discovery document is believed
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
POLL_S: Final = 5.0  # between two questions, where a provider names no interval (RFC 8628, section 3.2)
_OWNER: Final = encode_owner("pending sign-in")
_DEVICE: Final = encode_owner("pending device")

Fetch = Callable[[str], Any]
Post = Callable[[str, dict[str, str]], Any]


class DevicePrompt(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is shown who signs in with a command: where to enter which code."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""  # with the code in it
    interval: float  # seconds between two questions
    expires_in: float  # seconds
    device: str  # sealed: what the command asks with


class PendingDevice(msgspec.Struct, frozen=True):
    """A device's sign-in that waits at the provider."""

    code: str
    expires_at: float


class SingleSignOn:
    """One provider. Every call may block."""

    def __init__(
        self,
        home: Path,
        plan: SignInPlan,
        people: People,
        root: bytes,
        fetch: Fetch | None = None,
        post: Post | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.plan, self._people, self._clock = plan, people, clock
        self._fetch, self._post = fetch or fetch_json, post or post_form
        self._key = derive(root, "pending sign-ins")
        issuer = IssuerPlan(
            name=f"{plan.name}-sign-in", issuer=plan.issuer, audience=plan.client_id, algorithm=plan.algorithm
        )
        self._keys, self._keys_name = IssuerKeys(home, [issuer], self._fetch), issuer.name
        self._discovered: tuple[float, dict[str, str]] | None = None
        self._lock = threading.Lock()

    @property
    def session_s(self) -> float:
        """How long those who have signed in stay so at most."""
        return self._people.limits.longest_s

    def send(self) -> tuple[str, str]:
        """The address to send a browser to, and what its cookie must keep.

        :raises Unavailable: the provider does not answer
        """
        pending = begin(self._clock(), PENDING_S)
        address = build_request(self._find("authorization_endpoint"), self.plan, pending)
        return address, seal(self._key, msgspec.json.encode(pending), _OWNER).hex()

    def take_back(self, query: Mapping[str, str], cookie: str) -> SignedIn:
        """:raises Refused: 401 or 403, with what is wrong :raises Unavailable: the provider does not answer"""
        pending = self._open(cookie)
        code = check_answer(query, self.plan, pending, self._clock())
        assert pending is not None
        text = self._exchange(code, pending.verifier)
        identity = check_id_token(text, self.plan, pending.nonce, self._find_key, self._clock())
        return self._people.begin(identity.subject, self.plan.tenant, "oidc", identity.groups)

    def begin_device(self) -> DevicePrompt:
        """A code for whoever signs in with a command (RFC 8628, section 3.1).

        :raises Refused: 400, the provider has no such sign-in :raises Unavailable: it does not answer
        """
        if not self.offers_devices():
            raise Refused(
                f"{self.plan.name} does not offer sign-in with a code (OAuth device authorization). Sign in with a "
                "password: steward login URL --name NAME",
                status=400,
                type="invalid_request_error",
                code="no_device_sign_in",
            )
        answer = self._ask("device_authorization_endpoint", {"scope": " ".join(self.plan.scopes)})
        try:
            code, lasts_s = str(answer["device_code"]), min(float(answer["expires_in"]), PENDING_S)
            pending = PendingDevice(code, self._clock() + lasts_s)
            return DevicePrompt(
                user_code=str(answer["user_code"]),
                verification_uri=_check_safe(str(answer["verification_uri"])),
                verification_uri_complete=_check_safe(str(answer.get("verification_uri_complete", ""))),
                interval=float(answer.get("interval", POLL_S)),
                expires_in=lasts_s,
                device=seal(self._key, msgspec.json.encode(pending), _DEVICE).hex(),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"{self.plan.issuer}: it gave no code for a device") from error

    def offers_devices(self) -> bool:
        """:raises Unavailable: the provider does not answer"""
        return bool(self._discover().get("device_authorization_endpoint"))

    def finish_device(self, device: str) -> SignedIn | float:
        """The session of whoever has entered the code; else by how many seconds the next question shall come later.

        :raises Refused: 401 or 403, with what is wrong :raises Unavailable: the provider does not answer
        """
        try:
            pending = msgspec.json.decode(unseal(self._key, bytes.fromhex(device), _DEVICE), type=PendingDevice)
        except (InputError, ValueError, msgspec.MsgspecError) as error:
            raise refuse_token("the sign-in was begun elsewhere; begin it again", "wrong_device") from error
        if self._clock() >= pending.expires_at:
            raise refuse_token("nobody entered the code in time; begin again", "expired_sign_in")
        answer = self._ask("token_endpoint", {"grant_type": DEVICE_GRANT, "device_code": pending.code})
        problem = answer.get("error")
        if problem in ("authorization_pending", "slow_down"):
            return POLL_S if problem == "slow_down" else 0.0
        if problem is not None or not isinstance(answer.get("id_token"), str):
            raise refuse_token("the provider did not let you in", "refused_by_provider")
        identity = check_id_token(answer["id_token"], self.plan, None, self._find_key, self._clock())
        return self._people.begin(identity.subject, self.plan.tenant, "oidc", identity.groups)

    def _ask(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        """As this client; an OAuth error (RFC 6749, section 5.2) is an answer. :raises Unavailable: there is none"""
        try:
            answer = self._post(self._find(endpoint), self._sign(form))
        except urllib.error.HTTPError as error:
            with error:
                answer = _read_error(error)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.plan.issuer}: its {endpoint.replace('_', ' ')} does not answer") from error
        if not isinstance(answer, dict):
            raise Unavailable(f"{self.plan.issuer}: its {endpoint.replace('_', ' ')} does not answer")
        return answer

    def _sign(self, form: dict[str, str]) -> dict[str, str]:
        """The form with what shows who asks."""
        client = {"client_id": self.plan.client_id}
        if self.plan.client_secret is not None:
            client["client_secret"] = resolve(self.plan.client_secret).reveal().strip()
        return form | client

    def _open(self, cookie: str) -> PendingSignIn | None:
        try:
            text = unseal(self._key, bytes.fromhex(cookie), _OWNER)
            return msgspec.json.decode(text, type=PendingSignIn)
        except (InputError, ValueError, msgspec.MsgspecError):
            return None

    def _exchange(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.plan.redirect_uri,
            "code_verifier": verifier,
        }
        try:
            answer = self._post(self._find("token_endpoint"), self._sign(form))
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.plan.issuer}: its token endpoint refused or does not answer") from error
        text = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise refuse_token("the provider gave no ID token; is `openid` among the scopes?", "no_id_token")
        return text

    def _find(self, name: str) -> str:
        found = self._discover().get(name)
        if found is None:
            raise Unavailable(f"{self.plan.issuer}: its discovery document has no {name}")
        return found

    def _discover(self) -> dict[str, str]:
        with self._lock:
            now = self._clock()
            if self._discovered is None or now - self._discovered[0] > FRESH_S:
                try:
                    self._discovered = (now, discover(self.plan.issuer, self._fetch))
                except (OSError, ValueError) as error:
                    raise Unavailable(f"{self.plan.issuer}: it does not answer") from error
            return self._discovered[1]

    def _find_key(self, kid: str | None) -> Any:
        """Waits for keys that are not known yet."""
        try:
            return self._keys.find(self._keys_name, kid)
        except Refused:
            self._keys.fetch_now(self._keys_name)
        try:
            return self._keys.find(self._keys_name, kid)
        except Refused as error:
            raise Unavailable(f"{self.plan.issuer}: its keys cannot be fetched") from error


def _check_safe(url: str) -> str:
    """:raises ValueError: an address that nobody should be sent to"""
    if url and not is_safe(url):
        raise ValueError("not https")
    return url


def _read_error(error: urllib.error.HTTPError) -> Any:
    """The body of an OAuth error; None: it is none."""
    try:
        answer = json.loads(error.read(MAX_BYTES))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get("error"), str) else None


def post_form(url: str, form: dict[str, str]) -> Any:
    """:raises OSError: no answer, or not 200 :raises ValueError: not JSON, or too long"""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    request = urllib.request.Request(url, urlencode(form).encode(), headers)
    return fetch_json(request)
