"""Step 2: the old check still decides, and authkeep tells whom it would refuse."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from accounts import auth, lifespan
from before import get_current_user_id, limiter, login
from fastapi import Depends, FastAPI, Request
from models import Note, engine
from slowapi import _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from sqlalchemy import select
from sqlalchemy.orm import Session

from authkeep.http import Observation, mount, public, signed_in

app = FastAPI(title="Notes", lifespan=lifespan)
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
mount(app, auth, prefix="/account")
app.post("/login", dependencies=[Depends(public)])(login)
# Write the day down, for instance datetime(2027, 1, 31, tzinfo=UTC): then authkeep decides too.
observation = Observation(datetime.now(UTC) + timedelta(days=30))
observed_user_id = observation.of(signed_in, host=get_current_user_id)


@app.post("/notes")
@limiter.limit("20/minute")
def add_note(request: Request, text: str, owner: Annotated[str, Depends(observed_user_id)]) -> list[str]:
    """Keep a note of one's own."""
    with Session(engine) as db:
        db.add(Note(owner_id=owner, text=text))
        db.commit()
        return list(db.scalars(select(Note.text).where(Note.owner_id == owner)))
