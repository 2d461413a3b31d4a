"""What a host supplies: a victim, and what the requests of the matrix are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from authkeep.testing import SignedInUser

Parameters = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A user and one object of each kind that they own.

    Attributes:
        parameters: by the name of the parameter in the path: the ids of these objects.
        unknown: the same names, with ids of the same form that belong to nothing.
        bodies: by operation, such as `POST /notes`: the JSON that makes a request complete, given the parameters.
            Others are sent without a body.
    """

    owner: SignedInUser
    parameters: Parameters
    unknown: Parameters
    bodies: Mapping[str, Callable[[Parameters], object]] = field(default_factory=dict)
