"""Proof Key for Code Exchange (RFC 7636): S256, demanded of every client (OAuth 2.1)."""

import re
from typing import override

from authlib.oauth2.rfc6749 import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from nexus_gateway.oauth.errors import OAuthError

METHOD = "S256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class S256Challenge(CodeChallenge):
    """authlib's check, without its leniency: a challenge is never missing, and never compared as it is."""

    DEFAULT_CODE_CHALLENGE_METHOD = METHOD
    SUPPORTED_CODE_CHALLENGE_METHOD = [METHOD]  # noqa: RUF012  authlib's declaration

    @override
    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data if grant.request.payload else {}
        if data.get("code_challenge_method") != METHOD:
            raise OAuthError("invalid_request", f"code_challenge_method must be {METHOD}.")
        if not _CHALLENGE.fullmatch(data.get("code_challenge", "")):
            raise OAuthError("invalid_request", "code_challenge must be 43 characters of base64url.")

    @override
    def validate_code_verifier(self, grant: AuthorizationCodeGrant, result: object) -> None:
        if not _VERIFIER.fullmatch(grant.request.form.get("code_verifier", "")):
            raise OAuthError("invalid_request", "code_verifier must be 43 to 128 characters (RFC 7636 section 4.1).")
        super().validate_code_verifier(grant, result)
