// What every page does: notices, questions before deleting, the "/" key, the bell, and searches that have ended.

const TOAST_SECONDS = 8;
const toasts = document.getElementById("toasts");
const bell = document.getElementById("bell");
const unread = document.getElementById("unread");
const counted = new Set();
const endedJobs = new Set();

// Notices

function close(toast) {
  toast.remove();
}

function hold(toast) {
  const isFault = toast.classList.contains("error");
  if (!isFault) setTimeout(() => close(toast), TOAST_SECONDS * 1000);
}

export function notice(text, level = "success") {
  const toast = document.createElement("div");
  const words = document.createElement("p");
  toast.className = `toast ${level}`;
  words.textContent = text;
  toast.append(words);
  toasts.replaceChildren(toast);
  setTimeout(() => close(toast), TOAST_SECONDS * 1000);
}

toasts.querySelectorAll(".toast").forEach(hold);
toasts.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) close(event.target.closest(".toast"));
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target === toasts) toasts.querySelectorAll(".toast").forEach(hold);
});
for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => notice(document.body.dataset.offline, "error"));
}

// Questions before something is lost

function ask(form, act) {
  const dialog = document.getElementById("ask");
  dialog.querySelector("p").textContent = form.dataset.ask;
  dialog.querySelector("[value=yes]").textContent = form.dataset.yes;
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") act();
  }, { once: true });
  dialog.showModal();
}

document.addEventListener("htmx:confirm", (event) => {
  const form = event.target.closest("[data-ask]");
  if (!form || !event.detail.triggeringEvent) return;
  event.preventDefault();
  ask(form, () => event.detail.issueRequest(true));
});
// A form that is sent without htmx asks as well
document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-ask]:not([hx-post])");
  if (!form) return;
  event.preventDefault();
  ask(form, () => form.submit());
});

// Copying what is shown once; where the browser refuses (plain HTTP), it is selected, ready to be copied by hand

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
    notice(button.dataset.copied);
  } catch {
    getSelection().selectAllChildren(text);
  }
});

// A picture is shown before it is sent

document.addEventListener("change", ({ target }) => {
  const place = document.getElementById(target.dataset.preview ?? "");
  if (!place || !target.files?.length) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    place.src = reader.result;
    place.hidden = false;
  });
  reader.readAsDataURL(target.files[0]);
});

// Keys

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.getElementById("q");
  event.preventDefault();
  if (field) field.focus();
  else document.querySelector(".brand")?.click();
});

// The bell

function showUnread(count) {
  if (!unread) return;
  bell.dataset.unread = count;
  unread.firstChild.textContent = count > 99 ? "99+" : count;
  unread.hidden = count === 0;
}

document.addEventListener("sokoul:notification", (event) => {
  const { id, data } = event.detail;
  if (!counted.has(id)) showUnread(Number(bell.dataset.unread) + 1);
  counted.add(id);
  notice(data.texts?.[document.documentElement.lang] ?? data.text, data.code.endsWith("failed") ? "error" : "success");
});
document.addEventListener("sokoul:message", (event) => notice(event.detail.data.text));
document.addEventListener("sokoul:broadcast", (event) => notice(event.detail.data.text));
// What was missed is in the snapshot as well, and is told again after it.
document.addEventListener("sokoul:snapshot", (event) => {
  const { notifications } = event.detail.data;
  notifications.forEach(({ id }) => counted.add(id));
  if (notifications.length < 50) showUnread(notifications.length); // a snapshot has no more than that
});
document.addEventListener("htmx:afterSettle", () => {
  const list = document.getElementById("notifications");
  if (list) showUnread(Number(list.dataset.unread));
});

// Searches for releases: the list asks for itself when its job has ended

function tellJobs() {
  for (const list of document.querySelectorAll("[data-job]")) {
    if (endedJobs.has(list.dataset.job)) window.htmx.trigger(list, "sokoul:job");
  }
}

document.addEventListener("sokoul:job.updated", (event) => {
  const { job_id: id, status } = event.detail.data;
  if (status !== "Completed" && status !== "Failed") return;
  endedJobs.add(id);
  tellJobs();
});
document.addEventListener("htmx:afterSettle", tellJobs);
