"""What a page says after something was done. The address carries the name alone, so that no link can put words here."""

from typing import Final

NOTICES: Final = {
    "renamed": "Your name has been changed.",
    "password-changed": "Your password has been changed. Every other device has been signed out.",
    "mail-sent": "A message with a link is on its way to the new address. Until you open it, nothing changes.",
    "device-ended": "That device has been signed out.",
    "others-ended": "Every other device has been signed out.",
    "totp-removed": "The authenticator app is no longer asked for.",
    "passkey-added": "The passkey has been added.",
    "passkey-renamed": "The passkey has a new name.",
    "passkey-removed": "The passkey has been removed.",
    "unlinked": "That account elsewhere can no longer sign in here.",
    "linked": "You can now sign in with that account, too.",
    "key-revoked": "The key has been revoked: from now on it opens nothing.",
    "chat-back": "The chat is back in your list.",
    "chat-deleted": "The chat is in the bin.",
    "bin-emptied": "The bin is empty. What was in it is gone for good.",
    "chat-gone": "The chat is gone for good.",
    "user-changed": "The change has been made.",
    "user-revoked": "Every device of this person has been signed out.",
    "user-deleted": "The account and everything in it has been deleted.",
    "factors-reset": "The second factors of this person have been removed.",
    "uploaded": "It has arrived, and is being read.",
    "document-retried": "The document is read once more.",
    "document-cancelled": "Reading the document has been cancelled.",
    "document-deleted": "The document is gone for good, and so is everything that was read from it.",
    "collection-made": "The collection is there. Nobody else sees it until you share it.",
    "collection-changed": "The change has been made.",
    "collection-deleted": "The collection and its documents are gone for good.",
    "invited": "If somebody here has this address, the collection is now open to them.",
    "shared-with-everyone": "The collection is now open to everyone.",
    "unshared": "From now on, they find nothing in this collection any more.",
    "left": "You have left the collection.",
}

# What the server leads a form back with that it has not let through, by `error`.
FAILURES: Final = {
    "file_too_large": "That file is too large: 32 MiB are taken in at once. Split it, and import part after part.",
    "document_too_large": "That is larger than what may be uploaded at once. Send the files one by one, or split them.",
}
