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

    def factor_added(self) -> Words:
        """For who has one more way to prove who they are."""
        return f"Your {self.product} account is better protected", (
            f"An authenticator app or a passkey has been added to your account at {self.product}.\n\n"
            "If it was not you, somebody else can sign in: remove it, change your password, and end all other logins.\n"
        )

    def factor_removed(self) -> Words:
        """For who has one way less."""
        return f"Your {self.product} account has lost a second factor", (
            f"An authenticator app or a passkey has been removed from your account at {self.product}.\n"
            "You have been signed out on all other devices.\n\n"
            "If it was not you, change your password at once, and add a second factor again.\n"
        )

    def factors_reset(self) -> Words:
        """For whom an administrator has taken all second factors away."""
        return f"The second factors of your {self.product} account have been reset", (
            f"An administrator has removed every authenticator app, passkey and recovery code of your account at\n"
            f"{self.product}. You have been signed out everywhere; your password opens the account.\n\n"
            "If you have not asked for this, tell your administrator, and change your password at once.\n"
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
