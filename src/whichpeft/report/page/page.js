// What needs no figure and no table: controls are shown to those who can use them, paper shows all.
(() => {
  document.documentElement.classList.add("js");
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.printed:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
})();
