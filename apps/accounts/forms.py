"""The forms of the sign-in and sign-up pages."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.serializers import LONGEST_EMAIL, LONGEST_PASSWORD
from sokoul.errors import PermanentError


class SignInForm(AuthenticationForm):
    username = forms.CharField(
        label=_("E-mail address or user name"),
        max_length=LONGEST_EMAIL,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    error_messages = {
        "invalid_login": _("That e-mail address or user name and password do not belong together. Try again."),
        "inactive": _("This account is closed."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django allows the length of a user name only; here an e-mail address may stand as well.
        self.fields["username"].widget.attrs["maxlength"] = LONGEST_EMAIL


class SignUpForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"), max_length=LONGEST_EMAIL)
    username = forms.CharField(label=_("User name"), min_length=3, max_length=32)
    password = forms.CharField(
        label=_("Password"),
        min_length=8,
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def save(self) -> User | None:
        """The new account; None when it was refused, with the reasons at their fields."""
        try:
            return services.register(**self.cleaned_data)
        except PermanentError as error:
            for name, texts in error.fields.items():
                self.add_error(name, texts)
            return None
