"""What can be wrong with a trained model."""

from classification_service.errors import ClassificationServiceError


class ModelFolderError(ClassificationServiceError):
    """The folder does not hold a model that this service can use, or it is one of another taxonomy."""
