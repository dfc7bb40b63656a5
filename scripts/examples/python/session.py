"""Sessions for Sluice in Python: PASETO v4.public tokens, signed and verified with PyNaCl (libsodium).

https://github.com/paseto-standard/paseto-spec/blob/master/docs/01-Protocol-Versions/Version4.md
"""

import base64
import binascii
import json
import struct
from datetime import datetime, timezone

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

HEADER = "v4.public."
SIGNATURE = 64


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key_bytes(file, kind):
    """The bytes of a PASERK line such as k4.secret.… in a file."""
    with open(file, encoding="ascii") as lines:
        line = lines.read().strip()
    if not line.startswith(kind):
        raise ValueError(f"{file} holds no {kind} key")
    return _from_base64url(line[len(kind):])


def _encode(*parts):
    """Pre-authentication encoding: the parts, each with its length, so that none can pass for another."""
    sized = [struct.pack("<Q", len(part)) + part for part in parts]
    return struct.pack("<Q", len(parts)) + b"".join(sized)


def _signed(message):
    return _encode(HEADER.encode(), message, b"", b"")


def mint(secret_file, claims):
    """Signs claims with the secret key, whose first 32 bytes are the seed; the token goes into the cookie."""
    key = SigningKey(_key_bytes(secret_file, "k4.secret.")[:32])
    message = json.dumps(claims).encode()
    return HEADER + _base64url(message + key.sign(_signed(message)).signature)


def open_session(public_file, token):
    """Returns the claims of a token that this key signed and that has not expired; else None."""
    if not token.startswith(HEADER):
        return None
    try:
        data = _from_base64url(token[len(HEADER):])
        message, signature = data[:-SIGNATURE], data[-SIGNATURE:]
        VerifyKey(_key_bytes(public_file, "k4.public.")).verify(_signed(message), signature)
    except (binascii.Error, BadSignatureError, ValueError):
        return None
    claims = json.loads(message)
    ends = datetime.fromisoformat(claims["exp"].replace("Z", "+00:00"))
    return claims if ends > datetime.now(timezone.utc) else None
