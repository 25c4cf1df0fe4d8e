"""What can be wrong with a model."""

from collections.abc import Sequence

from classification_service.errors import ClassificationServiceError
from classification_service.model_registry.models import Accuracy


class UnknownModelError(Exception):
    """The caller has no such model."""

    def __init__(self, model: str) -> None:
        super().__init__(f"There is no model {model!r} of yours. GET /v1/models lists them.")


class OutdatedModelError(Exception):
    """The model was trained for an import of the taxonomy that is not there any more."""

    def __init__(self, model: str, taxonomy: str, version: str) -> None:
        super().__init__(
            f"The model {model} was trained for another import of {taxonomy} {version} than the one that is there. Train a new one."
        )


class WorseModelError(Exception):
    """The model answers fewer of the validation rows rightly than the one that serves."""

    def __init__(self, model: str, found: Accuracy, serving: str, wanted: Accuracy) -> None:
        super().__init__(
            f"The model {model} is right for {found.share:.1%} of its validation rows at the level {found.level}, the model "
            f"{serving}, which serves, for {wanted.share:.1%} of its own. Send `force` to activate it all the same."
        )
        self.accuracy = found.share
        self.serving_accuracy = wanted.share


class ModelServesError(Exception):
    """The model serves, and cannot be deleted."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model} serves. Activate another one first, by POST /v1/models/ID/activate.")


class ServingTooLargeError(Exception):
    """The models that serve would need more room than they may."""

    def __init__(self, wanted: int, limit: int) -> None:
        super().__init__(
            f"With this one, the models that serve would have {wanted} bytes, and may have {limit}. Activate another model "
            "in the place of a large one, or raise CLASSIFICATION_SERVING_BYTES and the room under /tmp."
        )
        self.limit = limit


class TooManyModelsError(Exception):
    """There are as many models of a taxonomy's version as there may be."""

    def __init__(self, taxonomy: str, version: str, limit: int) -> None:
        super().__init__(
            f"You have {limit} models of {taxonomy} {version}, as many as allowed. Delete one by DELETE /v1/models/ID."
        )
        self.limit = limit


class ModelTooLargeError(ClassificationServiceError):
    """A new model has more bytes than one may have."""

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(
            f"The model has {found} bytes, and may have {limit}. Raise CLASSIFICATION_MODEL_BYTES of the trainer."
        )


class DamagedModelError(ClassificationServiceError):
    """The content of a model's file is not what was written."""

    def __init__(self, model: str, file: str, fault: str) -> None:
        super().__init__(f"the file {file} of the model {model} is damaged: {fault}")


class ModelsNotOpenedError(Exception):
    """Models are to answer and cannot be opened; those before them go on answering."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
