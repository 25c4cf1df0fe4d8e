from conftest import MakeSettings

from dataflow_service.app import create_app
from nexus_testkit import Issuer, assert_ended_tokens_are_refused, revocation_server, serving


async def test_tokens_are_refused_within_a_second_of_the_end_of_their_session_their_epoch_or_their_key(
    make_settings: MakeSettings, issuer: Issuer, redis_url: str
) -> None:
    async with (
        revocation_server(redis_url) as revoking,
        serving(create_app(make_settings(revocations_url=revoking.url))) as service,
    ):
        await assert_ended_tokens_are_refused(
            f"{service}/v1/product", issuer, revoking, "dataflow-service", {"data:read"}
        )
