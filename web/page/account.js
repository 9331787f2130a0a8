/** The corner of the masthead where one logs in and out. */

import { button, say, stamp, write } from "./dom.js";
import { sentence } from "./format.js";
import { logIn, logOut, onSession } from "./session.js";

export function account(place) {
  onSession((person) => {
    if (!person) return place.replaceChildren(button("Log in", ask));
    const { element, me, name, role, leave } = stamp("account");
    write(me, person.username.slice(0, 1).toUpperCase());
    me.setAttribute("aria-label", `Account of ${person.username}`);
    write(name, person.username);
    write(role, person.role);
    leave.onclick = () => (logOut(), say("Logged out.", true));
    place.replaceChildren(element);
  });
}

/** The log-in form. */
export function ask() {
  const { element: dialog, form, failed, cancel, send } = stamp("log-in");
  cancel.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  form.onsubmit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      await logIn(form.username.value, form.password.value);
      dialog.close();
      say("Logged in.", true);
    } catch (error) {
      write(failed, error.status ? sentence(error.message) : "The server cannot be reached. Try again in a moment.");
      form.password.select();
    }
    send.disabled = false;
  };
  document.body.append(dialog);
  dialog.showModal();
}
