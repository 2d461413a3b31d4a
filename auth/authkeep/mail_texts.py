"""What the mails say. A host that wants other words subclasses `MailTexts` and overrides a method.

Nothing in them was written by whoever caused them, no name and no browser: else anybody could have our server send
words of their own to somebody else's mailbox. The token of a link stands behind the #, which browsers send to nobody.
"""

from dataclasses import dataclass

Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class MailTexts:
    """Attributes:
    product: what people know the application by.
    link_base: its address, such as https://chat.example.org. The paths are those of the host's page.
    """

    product: str
    link_base: str

    def verify_email(self, token: str) -> Words:
        """For who has just registered. Returns subject and text, as all of these do."""
        return f"Confirm your e-mail address for {self.product}", (
            f"Somebody, and we hope it was you, has opened an account at {self.product} with this address.\n"
            f"To confirm that it is yours, open this link within a day:\n\n{self._link('verify-email', token)}\n\n"
            "If it was not you, do nothing: nobody can sign in to the account without this.\n"
        )

    def have_account(self) -> Words:
        """For who tried to register, or to move another account to this address, and has an account already."""
        return f"You have an account at {self.product} already", (
            f"Somebody, and we hope it was you, wanted to use this address for an account at {self.product}.\n"
            f"There is one already. If you have forgotten its password, choose another:\n\n"
            f"{self.link_base}/forgot-password\n\nIf it was not you, there is nothing that you need to do.\n"
        )

    def reset_password(self, token: str) -> Words:
        """For who has forgotten the password."""
        return f"Choose a new password for {self.product}", (
            f"Somebody, and we hope it was you, has forgotten the password of your account at {self.product}.\n"
            f"To choose another, open this link within half an hour:\n\n{self._link('reset-password', token)}\n\n"
            "If it was not you, do nothing: your password stays as it is.\n"
        )

    def change_email(self, token: str) -> Words:
        """For the new address."""
        return f"Confirm your new e-mail address for {self.product}", (
            f"Somebody, and we hope it was you, wants to use this address for an account at {self.product}.\n"
            f"To confirm that it is yours, open this link within a day:\n\n{self._link('verify-email', token)}\n\n"
            "If it was not you, do nothing.\n"
        )

    def email_change_requested(self) -> Words:
        """For the address that is still the account's."""
        return f"A new e-mail address for your {self.product} account", (
            f"Somebody who is signed in to your account at {self.product} has asked to change its e-mail address.\n"
            "The change takes effect when the new address is confirmed.\n\n" + self._not_you()
        )

    def email_changed(self) -> Words:
        """For the address that was the account's."""
        return f"Your {self.product} account has a new e-mail address", (
            f"Your account at {self.product} no longer uses this address.\n\n"
            "If it was not you, write to whoever runs it.\n"
        )

    def password_changed(self) -> Words:
        """After a change or a reset."""
        return f"Your {self.product} password was changed", (
            f"The password of your account at {self.product} has just been changed.\n\n" + self._not_you()
        )

    def account_deleted(self) -> Words:
        """The last one."""
        return f"Your {self.product} account was deleted", (
            f"Your account at {self.product} has been deleted, with everything in it.\n\n"
            "If it was not you, write to whoever runs it.\n"
        )

    def _not_you(self) -> str:
        return f"If it was not you, choose a new password now:\n\n{self.link_base}/forgot-password\n"

    def _link(self, path: str, token: str) -> str:
        return f"{self.link_base}/{path}#token={token}"
