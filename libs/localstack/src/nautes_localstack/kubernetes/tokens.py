"""Tokens of ServiceAccounts: JWTs signed with the server's own key (Kubernetes, "Managing Service Accounts")."""

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SHORTEST: Final = 600
LONGEST: Final = 1 << 32
USUAL: Final = 3600
"""Seconds that a token lives, unless asked for otherwise."""

_PRIVATE_CLAIM: Final = "kubernetes.io"


@dataclass(frozen=True, slots=True)
class Account:
    """The ServiceAccount that a token stands for."""

    namespace: str
    name: str
    uid: str
    token_id: str
    audiences: tuple[str, ...]


class Signer:
    """Signs and checks tokens. The PEM of its key is secret."""

    def __init__(self, pem: bytes, issuer: str) -> None:
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the key of tokens must be an RSA key")
        self._key = key
        self._public = key.public_key()
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
        self.issuer = issuer
        """Also the audience of tokens for this server itself."""

    def sign(self, account: Account, seconds: int, at: float) -> str:
        """Return a token that lives for some seconds from `at` (seconds since 1970)."""
        claims = {
            "aud": list(account.audiences),
            "exp": int(at) + seconds,
            "iat": int(at),
            "iss": self.issuer,
            "jti": account.token_id,
            "nbf": int(at),
            "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
            _PRIVATE_CLAIM: {
                "namespace": account.namespace,
                "serviceaccount": {"name": account.name, "uid": account.uid},
            },
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def account(self, token: str) -> Account | None:
        """Return whose token this is; None unless we signed it and it is valid now. The audience is not judged."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["RS256"],
                issuer=self.issuer,
                options={"verify_aud": False, "require": ["exp", "iat", "aud", "jti"]},
            )
            return _account(claims)
        except (jwt.InvalidTokenError, KeyError, TypeError):
            return None

    def key_set(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set (RFC 7517)."""
        numbers = self._public.public_numbers()
        return {
            "keys": [
                {
                    "use": "sig",
                    "kty": "RSA",
                    "kid": self._key_id,
                    "alg": "RS256",
                    "n": _number(numbers.n),
                    "e": _number(numbers.e),
                }
            ]
        }


def new_key() -> bytes:
    """Return a new key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_account(namespace: str, name: str, uid: str, audiences: Sequence[str]) -> Account:
    """Return an account with an id for one more token of it."""
    return Account(namespace, name, uid, str(uuid.uuid4()), tuple(audiences))


def _account(claims: Mapping[str, Any]) -> Account:
    private = claims[_PRIVATE_CLAIM]
    account, audiences = private["serviceaccount"], claims["aud"]
    listed = (audiences,) if isinstance(audiences, str) else tuple(audiences)
    return Account(private["namespace"], account["name"], account["uid"], claims["jti"], listed)


def _number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
