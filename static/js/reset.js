// The mailed address carries its code behind the "#", which is sent to no server: into the field, and out of the address.

function take() {
  const code = decodeURIComponent(location.hash.slice(1));
  const field = document.querySelector("[data-code]");
  if (!code || !field) return;
  history.replaceState(null, "", location.pathname);
  field.value = code;
  document.querySelector('input[type="password"]').focus();
}

take();
addEventListener("hashchange", take); // another link, opened in the page that is there already
