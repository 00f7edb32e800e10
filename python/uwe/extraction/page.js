"use strict";
// A mark names the findings that it belongs to, and those whose score it earned, by their ids.
const marks = [...document.querySelectorAll("mark")];
const named = (mark, attribute) => mark.getAttribute(attribute).split(" ").filter(Boolean);
const idsOf = (element) => !element ? [] : element.id ? [element.id] : named(element, "aria-describedby");
const partsOf = new Map();
for (const button of document.querySelectorAll("aside button")) partsOf.set(button.id, [[button, "on"]]);
for (const mark of marks) {
  for (const id of idsOf(mark)) partsOf.get(id).push([mark, "on"]);
  for (const id of named(mark, "data-earning")) partsOf.get(id).push([mark, "earned"]);
}
let hovered = null, held = null, shown = [];

function show() {
  for (const [element, kind] of shown) element.classList.remove(kind);
  shown = idsOf(hovered || held).flatMap((id) => partsOf.get(id));
  for (const [element, kind] of shown) element.classList.add(kind);
}

function partOf(event) {
  return event.target.closest("mark, aside button");
}

function hold(event) {
  held = partOf(event);
  show();
  if (!held) return;
  const other = held.id ? marks[held.dataset.mark] : document.getElementById(idsOf(held)[0]);
  if (other) other.scrollIntoView({ block: held.id ? "center" : "nearest" });
}

document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  hovered = partOf(event);
  show();
});
document.addEventListener("focusin", hold);
document.addEventListener("click", hold);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hovered = held = null;
  show();
});
