"""Request bodies that are longer than the chassis reads by itself."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from nexus_chassis.request_body import read_json
from nexus_chassis.routing import body_faults


async def read_model[M: BaseModel](request: Request, model: type[M], limit: int) -> M:
    """Return the body of a request, of at most `limit` bytes; raises RequestValidationError and Problem."""
    body = await read_json(request, limit)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError(body_faults(error)) from None
