"""What the gateway answers for the errors of its features: the only place that maps them to HTTP (RFC 9457)."""

from nexus_chassis.problems import ProblemMap
from nexus_gateway.problems.administration import ADMINISTRATION
from nexus_gateway.problems.events import EVENTS
from nexus_gateway.problems.keys import KEYS
from nexus_gateway.problems.oauth import OAUTH
from nexus_gateway.problems.proxy import PROXY
from nexus_gateway.problems.requests import REQUESTS
from nexus_gateway.problems.sign_in import SIGN_IN

PROBLEMS: ProblemMap = (*REQUESTS, *SIGN_IN, *ADMINISTRATION, *OAUTH, *KEYS, *PROXY, *EVENTS)
