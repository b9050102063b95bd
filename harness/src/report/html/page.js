"use strict";
const search = document.getElementById("search");
const bad = document.getElementById("bad");
const found = document.getElementById("found");
const cases = [...document.querySelectorAll(".case")];
const rows = [...document.querySelectorAll("#matrix tbody tr")];
const cells = rows.map((row) => [...row.querySelectorAll("a")]);
let texts = null;

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  texts ??= cases.map((one) => one.textContent.toLowerCase());
  const shown = new Set();
  cases.forEach((one, at) => {
    const has = words.every((word) => texts[at].includes(word));
    one.hidden = !has || (bad.checked && !one.hasAttribute("data-bad"));
    if (!one.hidden) shown.add("#" + one.id);
  });
  rows.forEach((row, at) => {
    row.hidden = !cells[at].some((cell) => shown.has(cell.hash));
  });
  const all = words.length === 0 && !bad.checked;
  found.textContent = all ? "" : shown.size + " of " + cases.length + " cases";
}

function open() {
  const one = location.hash && document.getElementById(location.hash.slice(1));
  if (!one || !one.classList.contains("case")) return;
  one.hidden = false;
  one.open = true;
  one.scrollIntoView();
  one.querySelector("summary").focus({ preventScroll: true });
}

function move(event) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const step = steps[event.key];
  const cell = event.target.closest("#matrix td");
  if (!step || !cell) return;
  let row = cell.parentElement;
  let column = cell.cellIndex + step[1];
  do {
    if (step[0] < 0) row = row.previousElementSibling;
    if (step[0] > 0) row = row.nextElementSibling;
    const to = row?.cells[column];
    if (!to) return;
    const link = !row.hidden && to.querySelector("a");
    if (link) {
      event.preventDefault();
      link.focus();
      return;
    }
    column += step[1];
  } while (row);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "/" && event.target !== search) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && event.target === search) {
    search.value = "";
    filter();
  } else {
    move(event);
  }
});
search.value = new URLSearchParams(location.search).get("q") ?? "";
search.form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", filter);
bad.addEventListener("change", filter);
document.getElementById("matrix").addEventListener("click", (event) => {
  // A second click on the same cell changes no address.
  if (event.target.hash === location.hash) open();
});
addEventListener("hashchange", open);
if (search.value) filter();
open();
