"use strict";
// Tables that sort and filter, and values that show at once where a figure is pointed at. Without it all is still there.
(() => {
  const make = (tag, looks, text = "") => Object.assign(document.createElement(tag), looks, { textContent: text });
  const valueOf = (row, at) => {
    const cell = row.cells[at];
    if (!cell) return "";
    const value = cell.dataset.value ?? cell.textContent.trim();
    return value !== "" && Number.isFinite(+value) ? +value : value;
  };
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not stated comes last
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const FEW = 5;
  const isRow = row => !row.classList.contains("task");

  const labelled = (text, control) => {
    const label = make("label", {}, text);
    label.append(control);
    return label;
  };

  const prepare = table => {
    const bodies = [...table.tBodies];
    const rows = bodies.flatMap(body => [...body.rows].filter(isRow));
    if (rows.length < 2) return;
    const heads = [...table.tHead.rows[0].cells];
    const bar = make("div", { className: "tools", hidden: rows.length <= FEW }); // of few rows the heads are enough
    const select = make("select", {});
    select.append(make("option", { value: "" }, "as listed"));
    heads.forEach((head, at) => {
      const name = head.textContent.trim();
      select.append(make("option", { value: `${at} -1` }, `${name}, falling`), make("option", { value: `${at} 1` }, `${name}, rising`));
      const button = make("button", { type: "button", className: "sort" }, name);
      button.addEventListener("click", () => {
        select.value = select.value === `${at} -1` ? `${at} 1` : `${at} -1`;
        select.dispatchEvent(new Event("change"));
      });
      head.replaceChildren(button);
    });
    const order = new Map(rows.map((row, at) => [row, at]));
    select.addEventListener("change", () => {
      const [at, sign] = select.value.split(" ").map(Number);
      heads.forEach((head, i) => head.removeAttribute("aria-sort"));
      if (select.value) heads[at].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      for (const body of bodies) {
        const own = [...body.rows].filter(isRow);
        own.sort((a, b) => (select.value && compare(valueOf(a, at), valueOf(b, at), sign)) || order.get(a) - order.get(b));
        body.append(...own);
      }
    });
    bar.append(labelled("Sort by", select), ...filter(rows, bodies));
    table.parentElement.matches(".scroll") ? table.parentElement.before(bar) : table.before(bar);
  };

  const filter = (rows, bodies) => {
    const input = make("input", { type: "search", placeholder: "words of a row" });
    const count = make("output", { className: "count" }, `${rows.length} rows`);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const task = row.parentElement.querySelector(".task")?.textContent ?? "";
        const text = `${task} ${row.textContent}`.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
      }
      for (const body of bodies) body.hidden = ![...body.rows].some(row => isRow(row) && !row.hidden);
      const left = rows.filter(row => !row.hidden).length;
      count.textContent = left === rows.length ? `${left} rows` : `${left} of ${rows.length} rows`;
    });
    return [labelled("Filter", input), count];
  };

  document.querySelectorAll("table.sorts").forEach(table => prepare(table));

  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  document.addEventListener("pointerover", event => {
    const mark = event.target.closest?.("svg .tip");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.querySelector("title").textContent;
    const place = mark.getBoundingClientRect(), half = tip.offsetWidth / 2;
    const middle = Math.min(Math.max(place.left + place.width / 2, half + 8), innerWidth - half - 8);
    tip.style.left = `${middle + scrollX - half}px`;
    tip.style.top = `${place.top + scrollY - tip.offsetHeight - 4}px`;
  });
})();
