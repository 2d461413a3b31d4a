"""The authorisation matrix as pytest fixtures: `pytest_plugins = ["authkeep.pytest_plugin"]`.

Not loaded by itself: whoever has authkeep installed need not pay for it in every test run. The host writes one
fixture, `authz_host`, and asks for `authz_matrix`:

    async def test_everybody_is_refused_who_should_be(authz_matrix: Matrix) -> None:
        await authz_matrix.check(operations=31)

    async def test_no_guard_could_go_unnoticed(authz_matrix: Matrix) -> None:
        await authz_matrix.check_mutants()

The tests are asynchronous; pytest-asyncio and anyio both run them.
"""

import pytest

from authkeep.matrix import AuthzHost, Matrix


@pytest.fixture
def authz_host() -> AuthzHost:
    """To be overridden by the host: its application, its `Auth`, and samples; see `authkeep.matrix`."""
    raise NotImplementedError("write a fixture authz_host that returns an authkeep.matrix.AuthzHost")


@pytest.fixture
def authz_matrix(authz_host: AuthzHost) -> Matrix:
    """Every operation of the host x every caller."""
    return Matrix(authz_host)
