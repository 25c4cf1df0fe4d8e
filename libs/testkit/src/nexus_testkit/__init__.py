"""What the tests of the services share: real servers, never imitations."""

from nexus_testkit.issuer import Issuer
from nexus_testkit.process import ServiceProcess
from nexus_testkit.readme import assert_settings_documented
from nexus_testkit.revocations import RevocationServer, assert_ended_tokens_are_refused, revocation_server
from nexus_testkit.serving import serving

__all__ = [
    "Issuer",
    "RevocationServer",
    "ServiceProcess",
    "assert_ended_tokens_are_refused",
    "assert_settings_documented",
    "revocation_server",
    "serving",
]
__version__ = "0.3.0"
