// Draws each chart in the size and colours that suit the screen, and again when those change.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("specs");
  const themes = read("themes");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const shown = new Map();

  // Sizes come from the widest down; the last is for screens narrower than all.
  const fitting = (place, sizes) =>
    sizes.find((size) => size.width <= place.clientWidth) ?? sizes[sizes.length - 1];

  const draw = async () => {
    for (const [id, sizes] of Object.entries(specs)) {
      const place = document.getElementById(id);
      const { width, spec } = fitting(place, sizes);
      const state = `${width} ${dark.matches}`;
      if (shown.get(id)?.state === state) continue;
      shown.get(id)?.view.finalize();
      try {
        const config = dark.matches ? themes.dark : themes.light;
        const view = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config });
        shown.set(id, { state, view });
      } catch (error) {
        place.textContent = `This chart could not be drawn: ${error.message}`;
      }
    }
    document.documentElement.dataset.drawn = String(shown.size);
  };

  // One drawing at a time: a change while one is under way waits for it.
  let turn = draw();
  const again = () => { turn = turn.then(draw); };
  dark.addEventListener("change", again);
  let pause;
  addEventListener("resize", () => { clearTimeout(pause); pause = setTimeout(again, 150); });
})();
