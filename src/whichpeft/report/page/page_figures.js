// Draws each figure in the size that suits its place, lets a reader choose among views of one thing,
// and highlights a method in all figures and tables of a section.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("specs");
  const theme = read("theme");
  const shown = new Map();

  // Sizes come from the widest down; the last is for screens narrower than all. The figure is
  // measured, since the place of a drawn chart is as wide as the chart.
  const fitting = (place, sizes) =>
    sizes.find((size) => size.width <= place.closest("figure").clientWidth) ?? sizes.at(-1);

  const drawOne = async (id) => {
    const place = document.getElementById(id);
    if (place.closest("figure").hidden) return;
    const { width, spec } = fitting(place, specs[id]);
    if (shown.get(id)?.width === width) return;
    shown.get(id)?.view.finalize();
    shown.delete(id);
    try {
      const view = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config: theme });
      shown.set(id, { width, view });
      // The place itself is the image, named and described; the marks in it have no words of their own.
      place.querySelector("svg").setAttribute("aria-hidden", "true");
      lighten(place);
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
    }
  };

  const rest = () => new Promise((done) => setTimeout(done, 0));
  const draw = async () => {
    await rest(); // text and tables first
    for (const id of Object.keys(specs)) {
      await drawOne(id);
      await rest(); // so that the page answers a reader between two figures
    }
    document.documentElement.dataset.drawn = String(shown.size);
  };

  // One drawing at a time: a change while one is under way waits for it.
  let turn = draw();
  const again = () => {
    delete document.documentElement.dataset.drawn;
    turn = turn.then(draw);
  };
  let pause;
  addEventListener("resize", () => { clearTimeout(pause); pause = setTimeout(again, 150); });

  for (const views of document.querySelectorAll(".views")) {
    const choice = views.querySelector(".choose select");
    if (!choice) continue;
    const choose = () => {
      for (const figure of views.querySelectorAll("figure"))
        figure.hidden = figure.querySelector(".chart").id !== choice.value;
    };
    choose();
    choice.addEventListener("change", () => { choose(); again(); });
  }

  // A mark knows what it was drawn of: the method, or a name that begins with it.
  const methodOf = (mark) => {
    const item = mark.__data__;
    const datum = item?.datum ?? item?.mark?.items?.[0]?.datum ?? item?.items?.[0]?.datum;
    return datum?.method ?? datum?.name ?? datum?.label;
  };
  const isOf = (name, method) => name === method || String(name).startsWith(`${method} `);

  function lighten(place) {
    const section = place.closest("section");
    const method = section.dataset.lit;
    for (const mark of place.querySelectorAll(".role-mark > :is(path, text, line, rect)")) {
      const name = method === undefined ? undefined : methodOf(mark);
      // What is there to be pointed at alone stays unseen.
      if (name === undefined || mark.__data__?.opacity < 0.05) {
        mark.classList.remove("dimmed", "shone");
        continue;
      }
      mark.classList.toggle("dimmed", !isOf(name, method));
      // A point or a bar that is faint for its uncertainty is not when it is the one looked for.
      mark.classList.toggle("shone", isOf(name, method) && mark.closest(".mark-symbol, .mark-rule") !== null);
    }
  }

  for (const legend of document.querySelectorAll(".legend")) {
    const section = legend.closest("section");
    const buttons = [...legend.querySelectorAll("button")];
    const light = (method) => {
      if (method === undefined) delete section.dataset.lit;
      else section.dataset.lit = method;
      for (const place of section.querySelectorAll(".chart")) lighten(place);
      for (const row of section.querySelectorAll("tr[data-method]"))
        row.classList.toggle("lit", row.dataset.method === method);
    };
    const pressed = () =>
      buttons.find((button) => button.getAttribute("aria-pressed") === "true")?.dataset.method;
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        for (const other of buttons) other.setAttribute("aria-pressed", String(on && other === button));
        light(pressed());
      });
      button.addEventListener("pointerenter", () => light(button.dataset.method));
      button.addEventListener("pointerleave", () => light(pressed()));
    }
  }
})();
