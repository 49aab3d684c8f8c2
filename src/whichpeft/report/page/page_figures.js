// Draws each figure in the size that fits, switches between the views of a figure, and highlights a
// method in all figures and tables of a section.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("specs");
  const theme = read("theme");
  const shown = new Map();

  // Sizes are sorted from wide to narrow; the last one serves all narrower screens. This measures the
  // figure element, because the element of a drawn chart is as wide as the chart.
  const fitting = (place, sizes) =>
    sizes.find((size) => size.width <= place.closest("figure").clientWidth) ?? sizes.at(-1);

  const visible = (place) =>
    !place.closest("figure").hidden && place.closest("details:not([open])") === null;

  const drawOne = async (id) => {
    const place = document.getElementById(id);
    if (!visible(place)) return;
    const { width, spec } = fitting(place, specs[id]);
    if (shown.get(id)?.width === width) return;
    shown.get(id)?.view.finalize();
    shown.delete(id);
    try {
      const view = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config: theme });
      shown.set(id, { width, view });
      // The element itself is the image with a name and a description; the marks in it have no text.
      place.querySelector("svg").setAttribute("aria-hidden", "true");
      dimOthers(place);
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
    }
  };

  const rest = () => new Promise((done) => setTimeout(done, 0));
  const draw = async () => {
    await rest(); // text and tables first
    for (const id of Object.keys(specs)) {
      await drawOne(id);
      await rest(); // keep the page responsive between two figures
    }
    document.documentElement.dataset.drawn = String(shown.size);
  };

  // One drawing at a time: a change waits until the current one is finished.
  let turn = draw();
  const again = () => {
    delete document.documentElement.dataset.drawn;
    turn = turn.then(draw);
  };
  let pause;
  addEventListener("resize", () => { clearTimeout(pause); pause = setTimeout(again, 150); });

  // A figure in a folded part is drawn when that is opened; "toggle" does not bubble.
  document.addEventListener("toggle", ({ target }) => {
    if (target.open && target.querySelector(".chart:empty")) again();
  }, true);

  for (const views of document.querySelectorAll(".views")) {
    const choice = views.querySelector(".choose");
    if (!choice) continue;
    const choose = () => {
      const chosen = choice.querySelector("input:checked").value;
      for (const figure of views.querySelectorAll("figure"))
        figure.hidden = figure.querySelector(".chart").id !== chosen;
    };
    choose();
    choice.addEventListener("change", () => { choose(); again(); });
  }

  // The datum of a mark holds its method, or a name that begins with the method.
  const methodOf = (mark) => {
    const item = mark.__data__;
    const datum = item?.datum ?? item?.mark?.items?.[0]?.datum ?? item?.items?.[0]?.datum;
    return datum?.method ?? datum?.name ?? datum?.label;
  };
  const belongsTo = (name, method) => name === method || String(name).startsWith(`${method} `);

  function dimOthers(place) {
    const section = place.closest("section");
    const method = section.dataset.lit;
    for (const mark of place.querySelectorAll(".role-mark > :is(path, text, line, rect)")) {
      const name = method === undefined ? undefined : methodOf(mark);
      // Marks that exist only for tooltips stay invisible.
      if (name === undefined || mark.__data__?.opacity < 0.05) {
        mark.classList.remove("dimmed", "shone");
        continue;
      }
      mark.classList.toggle("dimmed", !belongsTo(name, method));
      // A point or a bar that is faint because it is uncertain is drawn in full while highlighted.
      mark.classList.toggle("shone", belongsTo(name, method) && mark.closest(".mark-symbol, .mark-rule") !== null);
    }
  }

  // A method is highlighted while a pointer is on its row or its button, or while its button is pressed.
  for (const section of document.querySelectorAll("section")) {
    const buttons = [...section.querySelectorAll(".legend button")];
    const rows = [...section.querySelectorAll("tr[data-method]")];
    const highlight = (method) => {
      if (method === section.dataset.lit) return;
      if (method === undefined) delete section.dataset.lit;
      else section.dataset.lit = method;
      for (const place of section.querySelectorAll(".chart")) dimOthers(place);
      for (const row of rows) row.classList.toggle("lit", row.dataset.method === method);
    };
    const pressed = () =>
      buttons.find((button) => button.getAttribute("aria-pressed") === "true")?.dataset.method;
    for (const one of [...buttons, ...rows]) {
      one.addEventListener("pointerenter", () => highlight(one.dataset.method));
      one.addEventListener("pointerleave", () => highlight(pressed()));
    }
    for (const button of buttons)
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        for (const other of buttons) other.setAttribute("aria-pressed", String(on && other === button));
        highlight(pressed());
      });
  }
})();
