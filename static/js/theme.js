// Runs before the first paint: the person's own choice of light or dark, kept in this browser only.
"use strict";
(() => {
  const CHOICES = ["auto", "light", "dark"];
  const root = document.documentElement;
  let choice = "auto";
  try {
    choice = localStorage.getItem("sokoul.theme") || "auto";
  } catch { /* no storage: follow the system */ }

  function apply() {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    else delete root.dataset.theme;
  }

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const tell = () => { button.title = button.dataset[choice] || button.title; };
    button.hidden = false;
    tell();
    button.addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      try {
        localStorage.setItem("sokoul.theme", choice);
      } catch { /* only until the page is left */ }
      apply();
      tell();
    });
  });
})();
