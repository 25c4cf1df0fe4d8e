from classification_service.app import create_app
from classification_service.settings import Settings
from nexus_testkit import Issuer, assert_ended_tokens_are_refused, revocation_server, serving


async def test_tokens_are_refused_within_a_second_of_the_end_of_their_session_their_epoch_or_their_key(
    issuer: Issuer, redis_url: str
) -> None:
    async with revocation_server(redis_url) as revoking:
        settings = Settings(issuer=issuer.url, jwks_url=issuer.jwks_url, revocations_url=revoking.url)
        async with serving(create_app(settings)) as service:
            await assert_ended_tokens_are_refused(
                f"{service}/v1/taxonomies", issuer, revoking, "classification-service", {"classify"}
            )
