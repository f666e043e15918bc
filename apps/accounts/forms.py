"""The forms of the pages about an account. What a service refuses stands at the field that it names."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from apps.accounts import resets, services
from apps.accounts.models import User
from apps.accounts.second_factor.gate import SecondFactorRequired
from apps.accounts.serializers import LONGEST_CODE, LONGEST_EMAIL, LONGEST_PASSWORD
from sokoul.errors import PermanentError


def _password(label: Any, *, new: bool) -> forms.CharField:
    return forms.CharField(
        label=label,
        min_length=8 if new else None,
        max_length=LONGEST_PASSWORD,
        strip=False,
        help_text=_("At least 8 characters.") if new else "",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password" if new else "current-password"}),
    )


class ServiceForm(forms.Form):
    """`refused`: what the service said, where it is not about a field; its status is the page's."""

    refused: PermanentError | None = None

    def refuse(self, error: PermanentError) -> None:
        known = {name: texts for name, texts in error.fields.items() if name in self.fields}
        for name, texts in known.items():
            self.add_error(name, texts)
        if not known:
            self.refused = error
            self.add_error(None, error.message)


class SignInForm(AuthenticationForm):
    username = forms.CharField(
        label=_("E-mail address or user name"),
        max_length=LONGEST_EMAIL,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username", "autocapitalize": "none"}),
    )
    password = _password(_("Password"), new=False)
    refused: PermanentError | None = None
    error_messages = {
        "invalid_login": _("That e-mail address or user name and password do not belong together. Try again."),
        "inactive": _("This account is closed."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django allows the length of a user name only; here an e-mail address may stand as well.
        self.fields["username"].widget.attrs["maxlength"] = LONGEST_EMAIL

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except SecondFactorRequired:
            raise
        except PermanentError as error:  # too many wrong passwords
            self.refused = error
            raise forms.ValidationError(error.message, code=error.code) from error


class SignUpForm(ServiceForm):
    email = forms.EmailField(
        label=_("E-mail address"), max_length=LONGEST_EMAIL, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    username = forms.CharField(
        label=_("User name"),
        min_length=3,
        max_length=32,
        help_text=_("3 to 32 letters, digits, dots, dashes or underscores."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = _password(_("Password"), new=True)

    def save(self) -> User | None:
        """The new account; None when it was refused, with the reasons at their fields."""
        try:
            return services.register(**self.cleaned_data)
        except PermanentError as error:
            self.refuse(error)
            return None


class ForgottenForm(ServiceForm):
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=LONGEST_EMAIL,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
    )

    def save(self) -> bool:
        """Whether it was taken, which says nothing about the address."""
        try:
            resets.ask(**self.cleaned_data)
        except PermanentError as error:
            self.refuse(error)
            return False
        return True


class ResetForm(ServiceForm):
    token = forms.CharField(
        label=_("Code from the mail"),
        max_length=LONGEST_CODE,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "data-code": ""}
        ),
    )
    password = _password(_("New password"), new=True)

    def save(self) -> bool:
        try:
            resets.reset(self.cleaned_data["token"], self.cleaned_data["password"])
        except PermanentError as error:
            self.refuse(error)
            return False
        return True


class ChangeForm(ServiceForm):
    """What the person has to show their password for; the fields are named as `services.change_profile` names them."""

    def save(self, user: User) -> User | None:
        try:
            return services.change_profile(user, self.cleaned_data)
        except PermanentError as error:
            self.refuse(error)
            return None


class PasswordForm(ChangeForm):
    prefix = "password"
    current_password = _password(_("Current password"), new=False)
    password = _password(_("New password"), new=True)


class EmailForm(ChangeForm):
    prefix = "email"
    email = forms.EmailField(
        label=_("New e-mail address"),
        max_length=LONGEST_EMAIL,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    current_password = _password(_("Current password"), new=False)
