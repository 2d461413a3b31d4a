"""The authorisation matrix: every operation of an application, called by everybody who should be refused.

A host says what a victim owns and what requests need besides; operations, callers and expectations come from the
policies that the routes declare. `check` asks each operation as each caller. `check_mutants` removes one guard after
another, and fails for each whose absence `check` would not have noticed: a route that declares what it does not need,
a sample that names nothing, a policy that stands beside the route it should guard.

With pytest, see `authkeep.pytest_plugin`.
"""

from authkeep.matrix.asgi import Answer, AsgiClient
from authkeep.matrix.callers import Caller
from authkeep.matrix.matrix import AuthzHost, Matrix, MatrixFailed
from authkeep.matrix.operations import Operation
from authkeep.matrix.sample import Sample

__all__ = ["Answer", "AsgiClient", "AuthzHost", "Caller", "Matrix", "MatrixFailed", "Operation", "Sample"]
