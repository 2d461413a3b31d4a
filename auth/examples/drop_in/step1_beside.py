"""Step 1: authkeep stands beside, and everybody is in it. These lines are added; nothing changes for anybody."""

from accounts import auth, lifespan
from before import app, get_current_user_id, limiter, login

from authkeep.http import mount

__all__ = ["app", "get_current_user_id", "limiter", "login"]

app.router.lifespan_context = lifespan
mount(app, auth, prefix="/account")
