/** Light, dark, or as the system has it. */

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SAID = { auto: "as the system", light: "light", dark: "dark" };

export function theme(button) {
  const root = document.documentElement;
  const name = () => {
    button.title = `Colours: ${SAID[root.dataset.theme ?? "auto"]}`;
    button.setAttribute("aria-label", `${button.title}. Change.`);
  };
  button.addEventListener("click", () => {
    const next = NEXT[root.dataset.theme ?? "auto"];
    if (next === "auto") {
      delete root.dataset.theme;
      localStorage.removeItem("livecharts.theme");
    } else localStorage.setItem("livecharts.theme", (root.dataset.theme = next));
    name();
  });
  name();
}
