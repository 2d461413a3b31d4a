"""The pages of the administration."""

from chatkeep_ui.manage.audit import AUDIT
from chatkeep_ui.manage.usage import ALL_USAGE
from chatkeep_ui.manage.users import USER, USER_DELETION, USERS

MANAGE_PAGES = (USERS, USER, USER_DELETION, ALL_USAGE, AUDIT)
