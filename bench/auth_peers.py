"""What authkeep is measured beside, each as its own documentation has it: `python -m bench.auth_peers NAME` serves one.

tutorial       the dependency of FastAPI's tutorial, OAuth2 with PyJWT, users in a dictionary
authx          AuthX, `access_token_required`
fastapi_users  fastapi-users with its JWT strategy and users in SQLite

Each answers GET /whoami, and GET /token with a token for it.
"""

import secrets
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import jwt
from authx import AuthX, AuthXConfig, TokenPayload
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from bench.apps import Me, run

SECRET = secrets.token_hex(32)
USER = Me(id="0198c0de-0000-7000-8000-00000000000a", role="user")


def tutorial() -> FastAPI:
    """https://fastapi.tiangolo.com/tutorial/security/oauth2-jwt/."""
    app = FastAPI(docs_url=None, redoc_url=None)
    scheme = OAuth2PasswordBearer(tokenUrl="token")
    users = {USER.id: USER}

    async def get_current_user(token: Annotated[str, Depends(scheme)]) -> Me:
        refused = HTTPException(status.HTTP_401_UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        try:
            user = users.get(jwt.decode(token, SECRET, algorithms=["HS256"]).get("sub", ""))
        except jwt.InvalidTokenError:
            raise refused from None
        if user is None:
            raise refused
        return user

    async def get_current_active_user(user: Annotated[Me, Depends(get_current_user)]) -> Me:
        return user

    @app.get("/token")
    async def token() -> str:
        expires = datetime.now(UTC) + timedelta(hours=1)
        return jwt.encode({"sub": USER.id, "exp": expires}, SECRET, algorithm="HS256")

    @app.get("/whoami")
    async def whoami(user: Annotated[Me, Depends(get_current_active_user)]) -> Me:
        return user

    return app


def authx() -> FastAPI:
    """https://authx.yezz.me/get-started/basic-usage/."""
    app = FastAPI(docs_url=None, redoc_url=None)
    config = AuthXConfig(JWT_ALGORITHM="HS256", JWT_SECRET_KEY=SECRET, JWT_TOKEN_LOCATION=["headers"])
    auth: AuthX[Any] = AuthX(config=config)

    @app.get("/token")
    async def token() -> str:
        return auth.create_access_token(uid=USER.id, expiry=timedelta(hours=1))

    @app.get("/whoami")
    async def whoami(payload: Annotated[TokenPayload, Depends(auth.access_token_required)]) -> Me:
        return Me(id=payload.sub, role="user")

    return app


class _Base(DeclarativeBase):
    pass


class _User(SQLAlchemyBaseUserTableUUID, _Base):
    pass


class _UserManager(UUIDIDMixin, BaseUserManager[_User, uuid.UUID]):
    pass


def fastapi_users() -> FastAPI:
    """https://fastapi-users.github.io/fastapi-users/latest/configuration/full-example/."""
    file = Path(tempfile.mkdtemp()) / "users.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    strategy: JWTStrategy[_User, uuid.UUID] = JWTStrategy(secret=SECRET, lifetime_seconds=3600)
    user = _User(id=uuid.UUID(USER.id), email="bench@example.org", hashed_password="-", is_verified=True)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    async def get_user_db(
        session: Annotated[AsyncSession, Depends(get_session)],
    ) -> AsyncIterator[SQLAlchemyUserDatabase[_User, uuid.UUID]]:
        yield SQLAlchemyUserDatabase(session, _User)

    async def get_user_manager(
        user_db: Annotated[SQLAlchemyUserDatabase[_User, uuid.UUID], Depends(get_user_db)],
    ) -> AsyncIterator[_UserManager]:
        yield _UserManager(user_db)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(_Base.metadata.create_all)
        async with sessions.begin() as session:
            session.add(user)
        yield
        await engine.dispose()

    app = FastAPI(docs_url=None, redoc_url=None, lifespan=lifespan)
    backend = AuthenticationBackend("jwt", BearerTransport(tokenUrl="token"), lambda: strategy)
    current_user = FastAPIUsers[_User, uuid.UUID](get_user_manager, [backend]).current_user(active=True)

    @app.get("/token")
    async def token() -> str:
        return await strategy.write_token(user)

    @app.get("/whoami")
    async def whoami(user: Annotated[_User, Depends(current_user)]) -> Me:
        return Me(id=str(user.id), role="user")

    return app


if __name__ == "__main__":
    makers: dict[str, Callable[[], FastAPI]] = {"tutorial": tutorial, "authx": authx, "fastapi_users": fastapi_users}
    run(makers[sys.argv[1]]())
