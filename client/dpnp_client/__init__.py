"""Python client of the DPnP posterior sampling service.

::

    from dpnp_client import Client

    with Client("http://localhost:8000") as client:
        job = client.submit("measurement.npy", operator={"name": "super_resolution", "factor": 4, "noise_std": 0.1}, n_samples=8)
        result = job.wait(timeout=600)
        result.samples, result.mean, result.std

Images and measurements are in [-1, 1] scale, channels first; every noise level is a standard deviation in that scale.
"""

from dpnp_client.aio import AsyncClient, AsyncJob, AsyncResult
from dpnp_client.client import Client, Job, Result
from dpnp_client.errors import (
    AuthenticationError,
    BadRequestError,
    ClientError,
    ConflictError,
    ConnectionFailedError,
    InvalidMeasurementError,
    InvalidRequestError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobNotFinishedError,
    NoAnswerError,
    NotFoundError,
    ProtocolError,
    RequestTimeoutError,
    ServerError,
    StatusError,
    StorageFullError,
    TooLargeError,
    TooManyRequestsError,
    UnavailableError,
    UnsupportedMediaError,
    WaitTimeoutError,
)
from dpnp_client.models import CatalogueEntry, Event, JobInfo, Prior, Progress
from dpnp_client.retry import RetryPolicy
from dpnp_client.version import __version__

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AsyncResult",
    "AuthenticationError",
    "BadRequestError",
    "CatalogueEntry",
    "Client",
    "ClientError",
    "ConflictError",
    "ConnectionFailedError",
    "Event",
    "InvalidMeasurementError",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobInfo",
    "JobNotFinishedError",
    "NoAnswerError",
    "NotFoundError",
    "Prior",
    "Progress",
    "ProtocolError",
    "RequestTimeoutError",
    "Result",
    "RetryPolicy",
    "ServerError",
    "StatusError",
    "StorageFullError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnavailableError",
    "UnsupportedMediaError",
    "WaitTimeoutError",
    "__version__",
]
