/** The corner of the masthead where one logs in and out. */

import { h, say } from "./dom.js";
import { sentence } from "./format.js";
import { logIn, logOut, me, onSession } from "./session.js";

export function account(place) {
  onSession(() => show(place));
  show(place);
}

function show(place) {
  const person = me();
  if (!person) return place.replaceChildren(h("button", { type: "button", onclick: () => ask() }, "Log in"));
  const menu = h(
    "div",
    { id: "account-menu", popover: "auto", class: "menu" },
    h("p", {}, "Logged in as ", h("strong", {}, person.username), `, ${person.role}`),
    h("button", { type: "button", onclick: () => (menu.hidePopover(), logOut(), say("Logged out.", true)) }, "Log out"),
  );
  place.replaceChildren(h("button", { type: "button", class: "me", popovertarget: menu.id, title: person.username, "aria-label": `Account of ${person.username}` }, person.username.slice(0, 1).toUpperCase()), menu);
}

/** The log-in form; resolves when it is closed. */
export function ask(why = "") {
  const failed = h("p", { class: "failed", role: "alert" }, why);
  const field = (label, props) => h("label", {}, h("span", {}, label), h("input", { required: true, ...props }));
  const button = h("button", { class: "primary" }, "Log in");
  const form = h(
    "form",
    { onsubmit: submit },
    h("h2", { id: "log-in-title" }, "Log in"),
    field("Name", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", autofocus: true }),
    field("Password", { name: "password", type: "password", autocomplete: "current-password" }),
    failed,
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), button),
  );
  const dialog = h("dialog", { class: "log-in", "aria-labelledby": "log-in-title", onclose: () => dialog.remove() }, form);
  async function submit(event) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(form));
    button.disabled = true;
    try {
      await logIn(username, password);
      dialog.close();
      say("Logged in.", true);
    } catch (error) {
      failed.textContent = error.status ? sentence(error.message) : "The server cannot be reached. Try again in a moment.";
      form.elements.password.select();
    }
    button.disabled = false;
  }
  document.body.append(dialog);
  dialog.showModal();
}
