/** Light, dark, or as the system has it: before the first paint, and at the button. */

const root = document.documentElement;
root.dataset.theme = localStorage.getItem("livecharts.theme") ?? "auto";
addEventListener("click", ({ target }) => {
  const button = target.closest?.("#theme");
  if (!button) return;
  const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme];
  localStorage.setItem("livecharts.theme", (root.dataset.theme = next));
  button.title = `Colours: ${next}`;
});
