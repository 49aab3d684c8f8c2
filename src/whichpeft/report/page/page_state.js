// Keeps in the address what the reader selected, so that a colleague who gets the address sees the same:
// "#comparison-0&sort.comparison-0-table=-peak memory" is an anchor, then what differs from the page as
// it was written.
const pageState = (() => {
  let anchor = "";
  const values = new Map();

  const read = () => {
    anchor = "";
    values.clear();
    for (const part of location.hash.slice(1).split("&").filter(Boolean)) {
      const [key, ...rest] = part.split("=");
      try {
        if (rest.length) values.set(decodeURIComponent(key), decodeURIComponent(rest.join("=")));
        else anchor = decodeURIComponent(key);
      } catch { /* a part that was cut off is left out */ }
    }
  };
  const hash = () =>
    [encodeURIComponent(anchor), ...[...values].map((pair) => pair.map(encodeURIComponent).join("="))]
      .filter(Boolean).join("&");
  const write = () => {
    const wanted = hash();
    if (location.hash.slice(1) === wanted) return;
    try {
      history.replaceState(null, "", `${location.href.split("#")[0]}${wanted ? `#${wanted}` : ""}`);
    } catch { /* a preview inside another page has no address of its own */ }
  };
  const get = (key) => values.get(key);
  const set = (key, value) => {
    if (value) values.set(key, value);
    else values.delete(key);
    write();
  };

  read();
  // A link inside the page replaces all that follows the "#"; an address that was pasted is shown again.
  addEventListener("hashchange", () => {
    if (location.hash.slice(1) === hash()) return;
    if (location.hash.includes("=")) { location.reload(); return; }
    anchor = location.hash.slice(1);
    write();
  });

  // Parts that are open or folded, other than at first.
  const parts = new Map();
  for (const one of document.querySelectorAll("main details:not(.chooser)")) {
    const place = one.id ? undefined : one.closest("[id]");
    const name = one.id || `${place.id}.${[...place.querySelectorAll("details")].indexOf(one)}`;
    parts.set(name, { one, first: one.open });
  }
  const turned = new Set((get("turned") ?? "").split("|").filter((name) => parts.has(name)));
  for (const name of turned) parts.get(name).one.open = !parts.get(name).first;
  let printing = false;
  addEventListener("beforeprint", () => { printing = true; });
  addEventListener("afterprint", () => setTimeout(() => { printing = false; }));
  for (const [name, { one, first }] of parts)
    one.addEventListener("toggle", () => {
      if (printing) return;
      if (one.open === first) turned.delete(name);
      else turned.add(name);
      set("turned", [...turned].join("|"));
    });

  // The view that was selected of a figure.
  for (const box of document.querySelectorAll(".choose")) {
    const key = `view.${box.closest("[id]").id}`;
    const inputs = [...box.querySelectorAll("input, option")];
    const wanted = inputs.find((input) => input.value === get(key));
    if (wanted) wanted[wanted.tagName === "INPUT" ? "checked" : "selected"] = true;
    box.addEventListener("change", ({ target }) =>
      set(key, target.value === inputs[0].value ? "" : target.value));
  }

  // The method that is highlighted in a section.
  for (const legend of document.querySelectorAll(".legend")) {
    const key = `lit.${legend.closest("section").id}`;
    const wanted = get(key);
    legend.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) setTimeout(() => {
        set(key, button.getAttribute("aria-pressed") === "true" ? button.dataset.method : "");
      });
    });
    addEventListener("DOMContentLoaded", () => {
      [...legend.querySelectorAll("button")].find((one) => one.dataset.method === wanted)?.click();
    });
  }

  // The browser knows no anchor that is followed by more.
  addEventListener("DOMContentLoaded", () => {
    if (values.size && anchor) document.getElementById(anchor)?.scrollIntoView();
  });
  return { get, set };
})();
