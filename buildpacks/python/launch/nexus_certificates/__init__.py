"""CA certificates from the files of service bindings: read by the build and, in the image, by the launch helper.

The PEM format is that of https://www.rfc-editor.org/rfc/rfc7468, read with tolerance for what surrounds and indents it.
"""

import binascii
import re
import ssl

_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE"}  # the second is an older name, which OpenSSL reads too
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----((?:(?!-----BEGIN ).)*?)-----END \1-----", re.DOTALL)
_LEFT_OVER = re.compile(rb"-{2,} *(?:BEGIN|END) [A-Z0-9 ]+-{2,}|\b(?:BEGIN|END) (?:[A-Z0-9]+ )*CERTIFICATE[^\r\n]*")
_DER = (b"\x30\x81", b"\x30\x82", b"\x30\x83")  # a sequence of at least 128 bytes
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class CertificateError(ValueError):
    """The file cannot be trusted as it is; the text is the reason."""


def read_certificates(data: bytes) -> str:
    """Return the certificates in the content of a file as PEM text, one after the other.

    The content is PEM among any other text, or one certificate in DER.

    Raises:
        CertificateError: it holds no certificate, a PEM block that is none, or a block without beginning or end.
    """
    if data.startswith(_DER):
        return _checked(data, "the file")
    text = data.decode("utf-16", "replace").encode("utf-8") if data.startswith(_UTF16) else data
    if broken := _LEFT_OVER.search(_BLOCK.sub(b"", text)):
        raise CertificateError(f"`{_shown(broken.group())}` has no counterpart")
    blocks = list(_BLOCK.finditer(text))
    if not blocks:
        raise CertificateError("there is no -----BEGIN CERTIFICATE----- in it")
    return "".join(_read_block(block, number) for number, block in enumerate(blocks, start=1))


def _read_block(block: re.Match[bytes], number: int) -> str:
    label, body = block.groups()
    if label not in _LABELS:
        raise CertificateError(f"block {number} is a {_shown(label)}")
    try:
        der = binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error as error:
        raise CertificateError(f"block {number} is not base64 ({error})") from error
    return _checked(der, f"block {number}")


def _checked(der: bytes, place: str) -> str:
    """Return a certificate in PEM once OpenSSL has read it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"{place} is not a certificate that OpenSSL can read") from error
    return ssl.DER_cert_to_PEM_cert(der)


def _shown(text: bytes) -> str:
    return text.decode("ascii", "replace").strip()
