"""The pages of one's own account: plain forms, rendered by the server."""

from chatkeep_ui.account.api_keys import API_KEYS
from chatkeep_ui.account.devices import DEVICES
from chatkeep_ui.account.own_data import DATA
from chatkeep_ui.account.profile import DELETION, PROFILE
from chatkeep_ui.account.put_away import ARCHIVE, BIN
from chatkeep_ui.account.security import NEW_PASSKEY, SECURITY
from chatkeep_ui.account.usage import USAGE

ACCOUNT_PAGES = (PROFILE, DELETION, SECURITY, NEW_PASSKEY, DEVICES, API_KEYS, USAGE, ARCHIVE, BIN, DATA)
