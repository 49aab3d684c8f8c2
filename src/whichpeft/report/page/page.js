// Shows the controls, which need JavaScript, and unfolds every section while the page is printed.
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
