"""The classic application: users of its own, a check of its own, limits of its own. Run it: uvicorn before:app"""

import secrets
from typing import Annotated

import bcrypt
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response
from models import Base, Note, User, engine
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqlalchemy import select
from sqlalchemy.orm import Session

Base.metadata.create_all(engine)
limiter = Limiter(key_func=get_remote_address)
app = FastAPI(title="Notes")
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
sessions: dict[str, str] = {}


@app.post("/login")
@limiter.limit("10/minute")
def login(request: Request, response: Response, email: str, password: str) -> None:
    """Sign in."""
    with Session(engine) as db:
        user = db.scalar(select(User).where(User.email == email))
    if user is None or not bcrypt.checkpw(password.encode(), user.hashed_password.encode()):
        raise HTTPException(401)
    token = secrets.token_urlsafe()
    sessions[token] = user.id
    response.set_cookie("session", token, httponly=True)


def get_current_user_id(session: Annotated[str | None, Cookie()] = None) -> str:
    """Who calls, for instance user_123."""
    if session not in sessions:
        raise HTTPException(401)
    return sessions[session]


@app.post("/notes")
@limiter.limit("20/minute")
def add_note(request: Request, text: str, owner: Annotated[str, Depends(get_current_user_id)]) -> list[str]:
    """Keep a note of one's own."""
    with Session(engine) as db:
        db.add(Note(owner_id=owner, text=text))
        db.commit()
        return list(db.scalars(select(Note.text).where(Note.owner_id == owner)))
