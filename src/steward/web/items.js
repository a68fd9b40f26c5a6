"use strict";
for (const list of document.querySelectorAll(".items")) {
  const form = list.querySelector("form");
  const items = [...list.querySelectorAll("details")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const show = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = form.elements.state.value;
    let count = 0;
    items.forEach((item, index) => {
      const found = words.every((word) => texts[index].includes(word));
      item.hidden = !(found && (state === "" || item.dataset.state === state));
      count += item.hidden ? 0 : 1;
    });
    form.querySelector("output").textContent = `${count} of ${items.length} items`;
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}
