"use strict";
// Rows are sorted by the number that a cell shows; references stay below the others.
const number = (cell) => {
  const found = cell.textContent.replace(/\u2212/g, "-").replace(/,/g, "").match(/-?\d+(\.\d+)?/);
  return found ? parseFloat(found[0]) : cell.textContent.includes("never") ? Infinity : NaN;
};
const compare = (a, b) => {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a < b ? -1 : a > b ? 1 : 0;
};
for (const table of document.querySelectorAll("table:not(.text)")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    heading.tabIndex = 0;
    const sort = () => {
      const isUp = heading.getAttribute("aria-sort") === (column ? "descending" : "none");
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      const up = column ? isUp : heading.dataset.up !== "1";
      heading.dataset.up = up ? "1" : "";
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sign = up ? 1 : -1;
      const rows = [...table.tBodies[0].rows].map((row) => {
        const cell = row.cells[column];
        return { row, key: column ? number(cell) : cell.textContent, apart: row.classList.contains("apart") };
      });
      rows.sort((a, b) => {
        if (a.apart !== b.apart) return a.apart - b.apart;
        if (!column) return sign * a.key.localeCompare(b.key);
        return Number.isNaN(a.key) || Number.isNaN(b.key) ? compare(a.key, b.key) : sign * compare(a.key, b.key);
      });
      table.tBodies[0].append(...rows.map(({ row }) => row));
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
}
const chooser = document.getElementById("chooser");
const boxes = [...chooser.querySelectorAll("input")];
const hiding = document.head.appendChild(document.createElement("style"));
const hide = () => {
  const hidden = boxes.filter((box) => !box.checked).map((box) => `.c${box.value}`);
  hiding.textContent = hidden.length ? `${hidden.join(",")}{display:none}` : "";
};
chooser.hidden = boxes.length < 2;
chooser.addEventListener("change", hide);
for (const button of chooser.querySelectorAll("button")) {
  button.addEventListener("click", () => {
    const most = { all: Infinity, none: 0 }[button.dataset.show] ?? Number(button.dataset.show);
    boxes.forEach((box, i) => { box.checked = i < most; });
    hide();
  });
}
// Paper shows everything.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(#chooser)")];
  for (const part of opened) part.open = true;
});
addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
