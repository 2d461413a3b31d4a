"""Step 3: authkeep decides. What is left of authentication is a function of one line; the routes are as before."""

from typing import Annotated

from accounts import auth, lifespan
from fastapi import Depends, FastAPI
from models import Note, engine
from sqlalchemy import select
from sqlalchemy.orm import Session

from authkeep.http import CurrentPrincipal, mount, refuse_undeclared, throttled

app = FastAPI(title="Notes", lifespan=lifespan)
mount(app, auth, prefix="/account")


def get_current_user_id(principal: CurrentPrincipal) -> str:
    """Who calls, for instance user_123."""
    return principal.user_id


@app.post("/notes", dependencies=[Depends(throttled("notes"))])
def add_note(text: str, owner: Annotated[str, Depends(get_current_user_id)]) -> list[str]:
    """Keep a note of one's own."""
    with Session(engine) as db:
        db.add(Note(owner_id=owner, text=text))
        db.commit()
        return list(db.scalars(select(Note.text).where(Note.owner_id == owner)))


refuse_undeclared(app)
