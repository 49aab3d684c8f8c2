// Sorts and filters each table of measurements, and shows the columns that the reader selects. All of it
// is kept in the address.
(() => {
  const unknown = "\u2013";

  const prepare = (part) => {
    const headings = [...part.querySelectorAll("thead th")];
    const body = part.querySelector("tbody");
    const rows = [...body.rows];
    const find = part.querySelector(".find");
    const selects = [...part.querySelectorAll(".filters select")];
    const boxes = [...part.querySelectorAll(".chooser input")];
    const count = part.querySelector(".count");
    const tally = part.querySelector(".tally");
    const titles = headings.map((heading) => heading.textContent.trim());
    const keep = (what, value) => pageState.set(`${what}.${part.id}`, value);
    const kept = (what) => pageState.get(`${what}.${part.id}`);
    const sorted = kept("sort") ?? "";
    const down0 = sorted.startsWith("-");
    let by = titles.indexOf(down0 ? sorted.slice(1) : sorted);
    let down = down0 && by >= 0;

    // A number in columns of numbers, text in columns of words; undefined if the value is unknown.
    const valueOf = (row, i) => {
      const cell = row.cells[i];
      if (headings[i].classList.contains("words")) {
        const text = cell.textContent.trim();
        return text === unknown ? undefined : text;
      }
      const value = cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
      return Number.isNaN(value) ? undefined : value;
    };

    // Unknown values come last in both directions; ties keep the order of the study.
    const compare = (a, b) => {
      if (a.value === undefined || b.value === undefined)
        return (a.value === undefined) - (b.value === undefined) || a.place - b.place;
      const order = typeof a.value === "number"
        ? a.value - b.value
        : a.value.localeCompare(b.value, "en", { numeric: true });
      return (down ? -order : order) || a.place - b.place;
    };

    const updateCount = () => {
      const visible = rows.filter((row) => !row.hidden).length;
      const order = by < 0 ? "" :
        `, sorted by ${titles[by]}, ${down ? "descending" : "ascending"}`;
      count.textContent = `${visible} of ${rows.length} rows shown${order}.`;
    };

    const sort = () => {
      const keyed = rows.map((row, place) => ({ row, place, value: by < 0 ? place : valueOf(row, by) }));
      keyed.sort(compare);
      body.append(...keyed.map((one) => one.row));
      headings.forEach((heading, i) => {
        if (i === by) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        else heading.removeAttribute("aria-sort");
      });
      keep("sort", by < 0 ? "" : `${down ? "-" : ""}${titles[by]}`);
      updateCount();
    };

    const filter = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word)) ||
          !selects.every((select) => !select.value || row.dataset[select.dataset.key] === select.value);
      }
      keep("find", find.value);
      for (const select of selects) keep(select.dataset.key, select.value);
      updateCount();
    };

    const isMain = (box) => "main" in box.dataset;
    const choose = () => {
      for (const box of boxes) {
        const i = Number(box.dataset.column);
        headings[i].hidden = !box.checked;
        for (const row of rows) row.cells[i].hidden = !box.checked;
      }
      const chosen = boxes.filter((box) => box.checked).length + 1;
      tally.textContent = `${chosen} of ${headings.length}`;
      const others = boxes.some((box) => box.checked !== isMain(box));
      const names = boxes.filter((box) => box.checked).map((box) => titles[box.dataset.column]);
      keep("columns", others ? names.join("|") || "none" : "");
    };
    const check = (wanted) => {
      for (const box of boxes) box.checked = wanted(box);
      choose();
    };
    headings.forEach((heading, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        // Words sort from A first, numbers from the largest.
        const first = !heading.classList.contains("words");
        if (by !== i) [by, down] = [i, first];
        else if (down === first) down = !first;
        else [by, down] = [-1, false];
        sort();
      });
    });
    find.addEventListener("input", filter);
    for (const select of selects) select.addEventListener("change", filter);
    for (const box of boxes) box.addEventListener("change", choose);
    part.querySelector(".all").addEventListener("click", () => check(() => true));
    part.querySelector(".main").addEventListener("click", () => check(isMain));
    part.querySelector(".reset").addEventListener("click", () => {
      find.value = "";
      for (const select of selects) select.value = "";
      [by, down] = [-1, false];
      check(isMain);
      filter();
      sort();
    });
    find.value = kept("find") ?? "";
    for (const select of selects) {
      const wanted = kept(select.dataset.key);
      if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
    }
    const columns = kept("columns")?.split("|");
    check(columns ? (box) => columns.includes(titles[box.dataset.column]) : isMain);
    filter();
    sort();
  };

  for (const part of document.querySelectorAll(".measurements")) prepare(part);
})();
